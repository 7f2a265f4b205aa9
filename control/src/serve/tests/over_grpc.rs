//! The same over a real stream: what a proxy asks, gets and acknowledges.

use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::Streaming;
use weft_xds::type_url;

use super::{RULE, SHOP, running, shop};
use crate::sample;
use crate::serve::{Callers, ControlPlane};

/// A proxy's end of a stream.
struct Proxy {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    answers: Streaming<DeltaDiscoveryResponse>,
}

impl Proxy {
    async fn connect(address: std::net::SocketAddr, pod: &str) -> Self {
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
        let mut stub = AggregatedDiscoveryServiceClient::new(channel.connect().await.unwrap());
        let (requests, receiver) = mpsc::channel(8);
        let node = weft_wire::node::encode(&sample::node(&shop(), "shop", pod));
        let first = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: type_url::CLUSTER.to_owned(),
            ..DeltaDiscoveryRequest::default()
        };
        requests.send(first).await.unwrap();
        let answers =
            stub.delta_aggregated_resources(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    /// The names of the next answer, which is acknowledged.
    async fn next(&mut self) -> Vec<String> {
        let answer = tokio::time::timeout(Duration::from_secs(10), self.answers.message()).await.unwrap();
        let answer = answer.unwrap().unwrap();
        let ack = DeltaDiscoveryRequest {
            type_url: answer.type_url.clone(),
            response_nonce: answer.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(ack).await.unwrap();
        answer.resources.into_iter().map(|resource| resource.name).collect()
    }
}

#[tokio::test]
async fn a_proxy_gets_all_then_what_changed_and_the_report_says_that_it_has_it() {
    let control = ControlPlane::new(shop());
    let _run = running(&control);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = tonic::transport::Server::builder().add_service(control.grpc(Callers::Believed));
    let server = tokio::spawn(routes.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut cart = Proxy::connect(address, "cart").await;
    let all = cart.next().await;
    assert!(all.iter().any(|name| name == "BlackHoleCluster") && all.len() > 3, "{all:?}");
    control.replace(sample::world(&format!("{SHOP}{RULE}")));
    assert_eq!(cart.next().await, ["outbound|80||web.shop.svc.cluster.local"]);
    let in_sync = async {
        loop {
            let report = control.report();
            if let [proxy] = &report.proxies[..]
                && proxy.in_sync
                && proxy.types[0].acked.as_deref() == Some("1")
            {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(10), in_sync).await.unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["revision"], 1);
    assert_eq!(json["proxies"][0]["name"], "cart.shop");
    assert_eq!(json["proxies"][0]["types"][0]["kind"], "Cluster");
    assert_eq!(json["proxies"][0]["types"][0]["refused"], serde_json::Value::Null);
    server.abort();
}
