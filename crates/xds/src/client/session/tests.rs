use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource as Wire,
};

use super::*;
use crate::samples::resource;
use crate::type_url::{CLUSTER, ENDPOINTS, LISTENER, NAME_TABLE, ROUTES};

fn node() -> Node {
    Node { id: "sidecar~10.0.0.1~a.b~b.svc.cluster.local".into(), ..Node::default() }
}

fn session(protocol: Protocol) -> Session {
    let mut session = Session::new(node(), protocol);
    session.subscribe_all(CLUSTER);
    session.connected();
    session
}

fn delta(session: &mut Session) -> Vec<DeltaDiscoveryRequest> {
    std::iter::from_fn(|| session.next_request()).map(|r| r.try_into().unwrap()).collect()
}

fn sotw(session: &mut Session) -> Vec<DiscoveryRequest> {
    std::iter::from_fn(|| session.next_request()).map(|r| r.try_into().unwrap()).collect()
}

fn wire(type_url: &str, name: &str, content: &str, version: &str) -> Wire {
    let any = resource(type_url, name, content).to_any();
    Wire { name: name.into(), version: version.into(), resource: Some(any), ..Wire::default() }
}

fn push(type_url: &str, nonce: &str, resources: Vec<Wire>, removed: &[&str]) -> Response {
    Response::Delta(DeltaDiscoveryResponse {
        type_url: type_url.into(),
        nonce: nonce.into(),
        resources,
        removed_resources: removed.iter().map(ToString::to_string).collect(),
        ..DeltaDiscoveryResponse::default()
    })
}

fn state(type_url: &str, nonce: &str, resources: &[(&str, &str)]) -> Response {
    Response::Sotw(DiscoveryResponse {
        type_url: type_url.into(),
        nonce: nonce.into(),
        version_info: format!("v{nonce}"),
        resources: resources
            .iter()
            .map(|(name, content)| resource(type_url, name, content).to_any())
            .collect(),
        ..DiscoveryResponse::default()
    })
}

fn names(update: &Update) -> Vec<&str> {
    update.updated.iter().map(|r| &*r.name).collect()
}

#[test]
fn the_first_message_alone_says_who_we_are_and_types_come_in_push_order() {
    let mut session = session(Protocol::Delta);
    session.subscribe(ROUTES, ["80"]);
    session.subscribe_all(LISTENER);
    session.subscribe(ENDPOINTS, ["a", "b"]);
    let requests = delta(&mut session);
    assert_eq!(
        requests.iter().map(|r| &*r.type_url).collect::<Vec<_>>(),
        [CLUSTER, ENDPOINTS, LISTENER, ROUTES]
    );
    assert_eq!(requests.iter().filter(|r| r.node.is_some()).count(), 1);
    assert_eq!(requests[0].node, Some(node()));
    assert_eq!(requests[0].resource_names_subscribe, ["*"]);
    assert_eq!(requests[1].resource_names_subscribe, ["a", "b"]);
    assert!(delta(&mut session).is_empty(), "nothing is said twice");
}

#[test]
fn before_a_stream_there_is_nothing_to_say() {
    let mut session = Session::new(node(), Protocol::Delta);
    session.subscribe_all(CLUSTER);
    assert_eq!(session.next_request(), None);
}

#[test]
fn a_type_without_names_is_not_asked_for_since_that_would_mean_everything() {
    for protocol in [Protocol::Delta, Protocol::Sotw] {
        let mut session = session(protocol);
        session.subscribe(ENDPOINTS, [] as [&str; 0]);
        assert!(session.next_request().is_some_and(|r| r.type_url() == CLUSTER));
        assert_eq!(session.next_request(), None);
    }
}

#[test]
fn an_update_is_acknowledged_with_its_nonce_and_refused_with_a_reason() {
    let mut session = session(Protocol::Delta);
    delta(&mut session);
    let first =
        session.receive(push(CLUSTER, "n1", vec![wire(CLUSTER, "a", "1", "")], &[])).unwrap().unwrap();
    assert!(delta(&mut session).is_empty(), "nothing is answered before the application does");
    session.ack(first.ticket);
    let answer = delta(&mut session).remove(0);
    assert_eq!((&*answer.response_nonce, answer.error_detail), ("n1", None));

    let second =
        session.receive(push(CLUSTER, "n2", vec![wire(CLUSTER, "a", "2", "")], &[])).unwrap().unwrap();
    session.nack(second.ticket, "cluster a: no");
    let answer = delta(&mut session).remove(0);
    assert_eq!(answer.response_nonce, "n2");
    assert_eq!(answer.error_detail.unwrap().message, "cluster a: no");
}

#[test]
fn a_repetition_without_versions_is_told_by_its_bytes_and_answered_by_itself() {
    let mut session = session(Protocol::Delta);
    delta(&mut session);
    let both = |a: &str| vec![wire(CLUSTER, "a", a, ""), wire(CLUSTER, "b", "1", "")];
    let update = session.receive(push(CLUSTER, "n1", both("1"), &[])).unwrap().unwrap();
    assert_eq!(names(&update), ["a", "b"]);
    session.ack(update.ticket);
    delta(&mut session);

    assert!(session.receive(push(CLUSTER, "n2", both("1"), &[])).unwrap().is_none());
    assert_eq!(delta(&mut session)[0].response_nonce, "n2");

    let update = session.receive(push(CLUSTER, "n3", both("2"), &[])).unwrap().unwrap();
    assert_eq!((names(&update), update.unchanged), (vec!["a"], 1));
}

#[test]
fn an_empty_first_response_is_news_since_somebody_waits_for_it() {
    let mut session = session(Protocol::Delta);
    let update = session.receive(push(CLUSTER, "n1", vec![], &[])).unwrap().unwrap();
    assert!(update.updated.is_empty() && update.removed.is_empty());
}

#[test]
fn after_a_refusal_the_same_and_the_old_bytes_are_both_news() {
    let mut session = session(Protocol::Delta);
    let mut nonce = 0;
    let mut give = |session: &mut Session, content: &str| {
        nonce += 1;
        let resources = vec![wire(CLUSTER, "a", content, "")];
        session.receive(push(CLUSTER, &nonce.to_string(), resources, &[])).unwrap()
    };
    let good = give(&mut session, "good").unwrap();
    session.ack(good.ticket);
    let bad = give(&mut session, "bad").unwrap();
    session.nack(bad.ticket, "no");
    let bad = give(&mut session, "bad").expect("it may be good by now");
    session.nack(bad.ticket, "no");
    let good = give(&mut session, "good").expect("the application may have applied a part of the bad one");
    session.ack(good.ticket);
    assert!(give(&mut session, "good").is_none());
}

#[test]
fn what_is_unanswered_is_not_taken_for_accepted() {
    let mut session = session(Protocol::Delta);
    let give = |session: &mut Session, nonce: &str, content: &str| {
        session.receive(push(CLUSTER, nonce, vec![wire(CLUSTER, "a", content, "")], &[])).unwrap()
    };
    let one = give(&mut session, "1", "x").unwrap();
    session.ack(one.ticket);
    let two = give(&mut session, "2", "y").unwrap();
    let three = give(&mut session, "3", "x").expect("y is on its way into force");
    session.ack(two.ticket);
    assert!(give(&mut session, "4", "x").is_some(), "the answer to y says nothing about x");
    session.ack(three.ticket);
}

#[test]
fn a_new_stream_claims_what_is_held_and_answers_nothing_old() {
    let mut session = session(Protocol::Delta);
    session.subscribe(ENDPOINTS, ["a", "b"]);
    delta(&mut session);
    let resources = vec![wire(CLUSTER, "a", "1", "va"), wire(CLUSTER, "b", "1", "vb")];
    let update = session.receive(push(CLUSTER, "n1", resources, &[])).unwrap().unwrap();
    session.ack(update.ticket);
    let open = session.receive(push(CLUSTER, "n2", vec![wire(CLUSTER, "b", "2", "vb2")], &["x"])).unwrap();
    session.connected();
    session.ack(open.unwrap().ticket);

    let requests = delta(&mut session);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].node, Some(node()), "a new stream says again who we are");
    assert_eq!(requests[0].resource_names_subscribe, ["*"]);
    assert_eq!(requests[0].response_nonce, "", "the nonce belonged to the old stream");
    let claims = &requests[0].initial_resource_versions;
    assert_eq!(claims["a"], "va");
    assert_eq!(claims["b"], "vb2", "accepted meanwhile");
    assert_eq!(requests[1].resource_names_subscribe, ["a", "b"]);
}

#[test]
fn what_is_refused_or_unanswered_is_claimed_without_a_version() {
    let mut session = session(Protocol::Delta);
    delta(&mut session);
    let resources = vec![wire(CLUSTER, "a", "1", "va"), wire(CLUSTER, "b", "1", "vb")];
    let update = session.receive(push(CLUSTER, "n1", resources, &[])).unwrap().unwrap();
    session.nack(update.ticket, "b is bad");
    session.receive(push(CLUSTER, "n2", vec![wire(CLUSTER, "c", "1", "vc")], &[])).unwrap().unwrap();
    session.connected();
    let claims = delta(&mut session).remove(0).initial_resource_versions;
    assert_eq!(claims.len(), 3);
    assert!(claims.values().all(String::is_empty), "{claims:?}");
}

#[test]
fn changes_of_names_travel_as_differences() {
    let mut session = session(Protocol::Delta);
    session.subscribe(ENDPOINTS, ["a", "b"]);
    delta(&mut session);
    session.subscribe_only(ENDPOINTS, ["b", "c"]);
    session.subscribe(ENDPOINTS, ["c", "b"]);
    let request = delta(&mut session).remove(0);
    assert_eq!(request.resource_names_subscribe, ["c"]);
    assert_eq!(request.resource_names_unsubscribe, ["a"]);
    assert!(delta(&mut session).is_empty());
}

#[test]
fn a_name_dropped_and_wanted_again_is_asked_for_again() {
    let mut session = session(Protocol::Delta);
    session.subscribe(ENDPOINTS, ["a"]);
    delta(&mut session);
    let update = session.receive(push(ENDPOINTS, "n", vec![wire(ENDPOINTS, "a", "1", "v")], &[])).unwrap();
    session.ack(update.unwrap().ticket);
    delta(&mut session);
    session.unsubscribe(ENDPOINTS, ["a"]);
    session.subscribe(ENDPOINTS, ["a"]);
    let request = delta(&mut session).remove(0);
    assert_eq!(request.resource_names_subscribe, ["a"]);
    assert!(request.resource_names_unsubscribe.is_empty());
    let again = session.receive(push(ENDPOINTS, "n2", vec![wire(ENDPOINTS, "a", "1", "v")], &[])).unwrap();
    assert_eq!(names(&again.expect("it was dropped, so it is news")), ["a"]);
}

#[test]
fn endpoints_are_asked_for_before_their_cluster_is_acknowledged() {
    for protocol in [Protocol::Delta, Protocol::Sotw] {
        let mut session = session(protocol);
        while session.next_request().is_some() {}
        let response = match protocol {
            Protocol::Delta => push(CLUSTER, "n", vec![wire(CLUSTER, "a", "1", "")], &[]),
            Protocol::Sotw => state(CLUSTER, "n", &[("a", "1")]),
        };
        let update = session.receive(response).unwrap().unwrap();
        session.ack(update.ticket);
        session.subscribe(ENDPOINTS, ["a"]);
        assert_eq!(session.next_request().unwrap().type_url(), ENDPOINTS);
        assert_eq!(session.next_request().unwrap().nonce(), "n");
    }
}

#[test]
fn what_does_not_exist_is_news_to_who_asked_for_it() {
    let mut session = session(Protocol::Delta);
    session.subscribe(ENDPOINTS, ["a"]);
    let update = session.receive(push(ENDPOINTS, "n", vec![], &["a", "unasked"])).unwrap().unwrap();
    assert_eq!(update.removed, [Arc::from("a")]);
}

#[test]
fn strangers_types_and_names_are_ignored() {
    let mut session = session(Protocol::Delta);
    session.subscribe(ENDPOINTS, ["a"]);
    delta(&mut session);
    assert!(session.receive(push(ROUTES, "n", vec![wire(ROUTES, "r", "1", "")], &[])).unwrap().is_none());
    assert!(delta(&mut session).is_empty());
    let both = vec![wire(ENDPOINTS, "a", "1", ""), wire(ENDPOINTS, "b", "1", "")];
    assert_eq!(names(&session.receive(push(ENDPOINTS, "n", both, &[])).unwrap().unwrap()), ["a"]);
}

#[test]
fn a_malformed_response_is_refused_as_a_whole_with_the_reason() {
    let mut bodyless = wire(CLUSTER, "b", "1", "");
    bodyless.resource = None;
    let mut mistyped = wire(ROUTES, "c", "1", "");
    mistyped.name = "c".into();
    let twice = [wire(CLUSTER, "d", "1", ""), wire(CLUSTER, "d", "2", "")];
    let cases: [(Vec<Wire>, &str); 3] = [
        (vec![bodyless], "has no body"),
        (vec![mistyped], "RouteConfiguration"),
        (twice.to_vec(), "comes twice"),
    ];
    for (mut resources, reason) in cases {
        let mut session = session(Protocol::Delta);
        delta(&mut session);
        resources.push(wire(CLUSTER, "good", "1", ""));
        let error = session.receive(push(CLUSTER, "n", resources, &[])).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        let answer = delta(&mut session).remove(0);
        assert_eq!(answer.response_nonce, "n");
        assert_eq!(answer.error_detail.unwrap().message, error.to_string());
        assert_eq!(session.unanswered(), 0);
    }
}

#[test]
fn a_name_table_has_no_name_and_is_one_resource() {
    let mut session = Session::new(node(), Protocol::Delta);
    session.subscribe_all(NAME_TABLE);
    session.connected();
    let update = session.receive(push(NAME_TABLE, "n", vec![wire(NAME_TABLE, "", "1", "")], &[])).unwrap();
    assert_eq!(names(&update.unwrap()), [""]);
}

#[test]
fn on_sotw_absence_removes_clusters_but_not_endpoints() {
    let mut session = session(Protocol::Sotw);
    session.subscribe(ENDPOINTS, ["a", "b"]);
    let all = [("a", "1"), ("b", "1")];
    for type_url in [CLUSTER, ENDPOINTS] {
        let update = session.receive(state(type_url, "1", &all)).unwrap().unwrap();
        assert_eq!(names(&update), ["a", "b"]);
        session.ack(update.ticket);
    }
    let update = session.receive(state(CLUSTER, "2", &all[..1])).unwrap().unwrap();
    assert_eq!((update.removed, update.unchanged), (vec![Arc::from("b")], 1));
    assert!(session.receive(state(ENDPOINTS, "2", &all[..1])).unwrap().is_none());
}

#[test]
fn on_sotw_each_request_repeats_the_names_and_the_version_in_force() {
    let mut session = Session::new(node(), Protocol::Sotw);
    session.subscribe(ENDPOINTS, ["a"]);
    session.connected();
    let first = sotw(&mut session).remove(0);
    assert_eq!((first.node.is_some(), &*first.version_info, &*first.response_nonce), (true, "", ""));

    let update = session.receive(state(ENDPOINTS, "1", &[("a", "1")])).unwrap().unwrap();
    session.subscribe(ENDPOINTS, ["b"]);
    assert!(sotw(&mut session).is_empty(), "a request now would be stale; the answer will name b");
    session.ack(update.ticket);
    let ack = sotw(&mut session).remove(0);
    assert_eq!((&*ack.version_info, &*ack.response_nonce), ("v1", "1"));
    assert_eq!(ack.resource_names, ["a", "b"]);

    let update = session.receive(state(ENDPOINTS, "2", &[("b", "1")])).unwrap().unwrap();
    session.nack(update.ticket, "no");
    let nack = sotw(&mut session).remove(0);
    assert_eq!((&*nack.version_info, &*nack.response_nonce), ("v1", "2"));
    assert!(nack.error_detail.is_some());

    session.subscribe_only(ENDPOINTS, [] as [&str; 0]);
    let none = sotw(&mut session).remove(0);
    assert!(none.resource_names.is_empty() && none.error_detail.is_none());
}

#[test]
fn on_sotw_only_the_last_response_is_answered() {
    let mut session = session(Protocol::Sotw);
    sotw(&mut session);
    let one = session.receive(state(CLUSTER, "1", &[("a", "1")])).unwrap().unwrap();
    let two = session.receive(state(CLUSTER, "2", &[("a", "2")])).unwrap().unwrap();
    session.ack(one.ticket);
    assert!(sotw(&mut session).is_empty());
    session.ack(two.ticket);
    assert_eq!(sotw(&mut session)[0].response_nonce, "2");
}

#[test]
fn on_sotw_a_wrapped_resource_brings_its_name_and_version() {
    use prost::Message;
    let mut session = Session::new(node(), Protocol::Sotw);
    session.subscribe_all(NAME_TABLE);
    session.connected();
    let wrapped = wire(NAME_TABLE, "table", "1", "v7").encode_to_vec();
    let mut response = state(NAME_TABLE, "1", &[]);
    if let Response::Sotw(response) = &mut response {
        let type_url = crate::type_url::WRAPPED.to_owned();
        response.resources.push(envoy_types::pb::google::protobuf::Any { type_url, value: wrapped });
    }
    let update = session.receive(response).unwrap().unwrap();
    assert_eq!((&*update.updated[0].name, &*update.updated[0].version), ("table", "v7"));
}

#[test]
fn a_reason_is_cut_at_its_limit_within_a_character_boundary() {
    let mut session = session(Protocol::Delta);
    delta(&mut session);
    let update = session.receive(push(CLUSTER, "n", vec![], &[])).unwrap().unwrap();
    session.nack(update.ticket, &"ä€".repeat(LONGEST_REASON));
    let message = delta(&mut session).remove(0).error_detail.unwrap().message;
    assert!(message.len() <= LONGEST_REASON && message.len() > LONGEST_REASON - 4);
}
