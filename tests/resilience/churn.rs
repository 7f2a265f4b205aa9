//! Endpoints come and go, and nothing of those that went stays.

use weft_testkit::app::Switched;
use weft_testkit::{eventually, settings};

use super::{GET, NAME, Way, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_endpoints_that_went_are_closed_and_counted_out() {
    let first = Switched::new().await;
    let way = Way::to(&[first.address], |_| {}).await;
    let mut client = way.client().await;
    for _ in 0..20 {
        let app = Switched::new().await;
        way.sidecar.apply(&[settings::cluster(NAME, &[app.address])], &[]).await;
        let (status, _, body) = ask(&mut client, GET).await;
        assert_eq!((status, body), (200, app.address.to_string()));
    }
    assert!(way.count("upstream_cx_active") >= 1);
    eventually("one connection is left at most", async || way.count("upstream_cx_active") <= 1).await;
    eventually("nothing is in flight", async || {
        way.count("upstream_rq_active") + way.count("upstream_rq_pending_active") == 0
    })
    .await;
}
