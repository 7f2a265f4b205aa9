//! A proxy that is about to grow too large refuses new work, and takes it again when there is room.

use weft_testkit::app::Switched;

use super::{GET, Way, ask};

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
