//! A proxy that is about to grow too large refuses new work, and takes it again when there is room.

use weft_model::listener::Direction;
use weft_model::tls::Transport;
use weft_testkit::app::Switched;
use weft_testkit::wire::Puppet;
use weft_testkit::{free_address, settings};

use super::breakers::limited;
use super::{GET, Way, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_has_no_more_under_way_than_its_own_sidecar_lets_in() {
    const OWN: &str = "inbound|80||";
    let (app, at) = (Puppet::new().await, free_address());
    let mut cluster = settings::cluster(OWN, &[app.address]);
    limited(&mut cluster, 1, 1, 1);
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward(OWN))]);
    let manager = settings::manager(false, routes, vec![]);
    let listener = settings::http("in", at, Direction::Inbound, Transport::Raw, manager);
    let way = Way::behind(listener, at, cluster).await;
    let mut busy = way.client().await;
    busy.send(GET).await;
    let mut served = app.accept().await;
    served.head().await;
    let (status, head, _) = ask(&mut way.client().await, GET).await;
    assert_eq!(status, 503);
    assert!(head.contains("x-envoy-overloaded: true"), "{head}");
    assert!(app.is_left_alone().await, "the app was troubled");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(busy.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_its_ceiling_of_memory_a_proxy_refuses_requests_and_says_why() {
    let app = Switched::new().await;
    let way = Way::to(&[app.address], |_| {}).await;
    let mut client = way.client().await;
    assert_eq!(ask(&mut client, GET).await.0, 200);
    way.sidecar.shared.overload.set_limit(1);
    let (status, head, body) = ask(&mut client, GET).await;
    assert_eq!((status, body.as_str()), (503, "envoy overloaded"));
    assert!(head.contains("x-envoy-overloaded: true"), "{head}");
    assert_eq!(app.seen(), 1);
    way.sidecar.shared.overload.set_limit(u64::MAX);
    assert_eq!(ask(&mut client, GET).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_its_ceiling_of_memory_a_proxy_takes_no_tcp_connections() {
    let app = Switched::new().await;
    let way = Way::tcp(&[app.address], |_| {}).await;
    way.sidecar.shared.overload.set_limit(1);
    assert_eq!(way.client().await.end().await.0, "");
    way.sidecar.shared.overload.set_limit(u64::MAX);
    assert_eq!(ask(&mut way.client().await, GET).await.0, 200);
}
