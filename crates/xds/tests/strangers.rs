//! Strangers' messages: whatever arrives, no session panics, and what it keeps stays within its limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource as Wire,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc;
use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use weft_xds::type_url::{CLUSTER, ENDPOINTS, LISTENER, NAME_TABLE, ROUTES};
use weft_xds::{Node, Protocol, Request, Resource, ResourceSet, Response, client, server};

const WRAPPED: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

fn type_url() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![CLUSTER, ENDPOINTS, LISTENER, ROUTES, NAME_TABLE, WRAPPED])
            .prop_map(str::to_owned),
        1 => ".{0,4}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-d]", 1 => Just("*".to_owned()), 1 => Just(String::new()), 1 => ".{0,12}"]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(name(), 0..5)
}

fn nonce() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just(String::new()), 4 => (0..12_u8).prop_map(|n| n.to_string()), 1 => ".{0,4}"]
}

fn error() -> impl Strategy<Value = Option<rpc::Status>> {
    prop::option::of(".{0,8}".prop_map(|message| rpc::Status { message, ..rpc::Status::default() }))
}

fn request() -> impl Strategy<Value = Request> {
    let delta =
        (type_url(), names(), names(), prop::collection::hash_map(name(), ".{0,2}", 0..4), nonce(), error())
            .prop_map(|(type_url, subscribe, unsubscribe, claims, response_nonce, error_detail)| {
                let request = DeltaDiscoveryRequest {
                    type_url,
                    resource_names_subscribe: subscribe,
                    resource_names_unsubscribe: unsubscribe,
                    initial_resource_versions: claims,
                    response_nonce,
                    error_detail,
                    ..DeltaDiscoveryRequest::default()
                };
                Request::Delta(request)
            });
    let sotw = (type_url(), names(), nonce(), error()).prop_map(
        |(type_url, resource_names, response_nonce, error_detail)| {
            let request = DiscoveryRequest {
                type_url,
                resource_names,
                response_nonce,
                error_detail,
                ..DiscoveryRequest::default()
            };
            Request::Sotw(request)
        },
    );
    prop_oneof![delta, sotw]
}

fn any() -> impl Strategy<Value = Any> {
    (type_url(), prop::collection::vec(prop::num::u8::ANY, 0..24))
        .prop_map(|(type_url, value)| Any { type_url, value })
}

fn response() -> impl Strategy<Value = Response> {
    let wire = (name(), ".{0,2}", prop::option::of(any())).prop_map(|(name, version, resource)| Wire {
        name,
        version,
        resource,
        ..Wire::default()
    });
    let delta = (type_url(), prop::collection::vec(wire, 0..4), names(), nonce()).prop_map(
        |(type_url, resources, removed_resources, nonce)| {
            let response = DeltaDiscoveryResponse {
                type_url,
                resources,
                removed_resources,
                nonce,
                ..DeltaDiscoveryResponse::default()
            };
            Response::Delta(response)
        },
    );
    let sotw =
        (type_url(), prop::collection::vec(any(), 0..4), nonce()).prop_map(|(type_url, resources, nonce)| {
            Response::Sotw(DiscoveryResponse { type_url, resources, nonce, ..DiscoveryResponse::default() })
        });
    prop_oneof![delta, sotw]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Delta), Just(Protocol::Sotw)]
}

proptest! {
    #[test]
    fn a_server_survives_any_requests_within_its_limits(
        protocol in protocol(),
        requests in prop::collection::vec(request(), 0..40),
    ) {
        let limits = server::Limits { types: 4, names: 8, name_length: 10, ..server::Limits::default() };
        let now = Instant::now();
        let mut session = server::Session::new(protocol, limits, now);
        let mut set = ResourceSet::new("r");
        for name in ["a", "b", "x"] {
            set.insert(Arc::new(Resource::new(ENDPOINTS, name, "1", name.as_bytes().to_vec())));
        }
        session.retarget(Arc::new(set));
        for request in requests {
            let _ = session.request(request, now);
            let responses = std::iter::from_fn(|| session.next_response(now)).take(100).count();
            prop_assert!(responses <= limits.types, "one unanswered response a type");
            let status = session.status();
            prop_assert!(status.len() <= limits.types);
            prop_assert!(status.iter().all(|of_type| of_type.names <= limits.names), "{status:?}");
        }
    }

    #[test]
    fn a_client_survives_any_responses_and_answers_each_at_most_once(
        protocol in protocol(),
        responses in prop::collection::vec((response(), prop::bool::ANY), 0..40),
    ) {
        let mut session = client::Session::new(Node::default(), protocol);
        session.subscribe_all(CLUSTER);
        session.subscribe_all(NAME_TABLE);
        session.subscribe(ENDPOINTS, ["a", "b"]);
        session.connected();
        let mut heard: HashMap<String, usize> = HashMap::new();
        let mut said: HashMap<String, usize> = HashMap::new();
        for (response, accept) in responses {
            *heard.entry(response.nonce().to_owned()).or_default() += 1;
            if let Ok(Some(update)) = session.receive(response) {
                if accept {
                    session.ack(update.ticket);
                } else {
                    session.nack(update.ticket, "no");
                }
            }
            prop_assert_eq!(session.unanswered(), 0);
            while let Some(request) = session.next_request() {
                *said.entry(request.nonce().to_owned()).or_default() += 1;
            }
        }
        said.remove("");
        for (nonce, times) in said {
            prop_assert!(times <= heard[&nonce], "{nonce} was answered {times} times");
        }
    }
}
