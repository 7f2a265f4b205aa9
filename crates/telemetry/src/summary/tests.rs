use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::peer::{Peer, PeerMetadata};
use crate::record::Reporter;

fn request(code: u16, millis: u64) -> Record<'static> {
    Record { response_code: Some(code), duration: Duration::from_millis(millis), ..Record::default() }
}

#[test]
fn totals_are_those_of_all_workers() {
    let summary = Summary::default();
    let (one, other) = (summary.lane(), summary.lane());
    (0..98).for_each(|_| one.record(&request(200, 2)));
    other.record(&request(503, 900));
    other.record(&request(404, 2));
    other.record(&Record { protocol: Protocol::Tcp, ..Record::default() });
    drop(other);
    let status = summary.total().status();
    assert_eq!((status.requests, status.success_rate, status.connections), (100, Some(0.99), 1));
    assert!((status.p50_ms.unwrap() - 2.0).abs() < 0.1, "{status:?}");
    assert!((status.p99_ms.unwrap() - 2.0).abs() < 0.1, "{status:?}");
}

#[test]
fn what_was_denied_did_not_fail_and_is_counted_apart() {
    let summary = Summary::default();
    let lane = summary.lane();
    let grpc = |status| Record { grpc: true, grpc_status: Some(status), ..request(200, 1) };
    [401, 403, 404, 503].iter().for_each(|code| lane.record(&request(*code, 1)));
    [0, 7, 16, 14].iter().for_each(|status| lane.record(&grpc(*status)));
    let status = summary.total().status();
    assert_eq!((status.requests, status.denied, status.success_rate), (8, 4, Some(0.75)));
}

#[test]
fn health_checks_are_no_requests() {
    let summary = Summary::default();
    let lane = summary.lane();
    let named = |name: &str| {
        Arc::new(Peer::new(PeerMetadata { workload: name.to_owned(), ..PeerMetadata::default() }, None))
    };
    let (nobody, web) = (named(""), named("web"));
    let check = [("user-agent", "weft/health")];
    let curl = [("user-agent", "curl/8")];
    fn came<'a>(fields: &'a [(&'a str, &'a str); 1], source: &'a Arc<Peer>) -> Record<'a> {
        Record { reporter: Reporter::Destination, request: fields, source: Some(source), ..request(503, 1) }
    }
    lane.record(&came(&check, &nobody));
    assert_eq!((summary.total().requests(), summary.total().status().health_checks), (0, 1));
    // An app's own, and what an app calls itself so.
    lane.record(&came(&curl, &nobody));
    lane.record(&came(&check, &web));
    lane.record(&Record { reporter: Reporter::Source, ..came(&check, &nobody) });
    let status = summary.total().status();
    assert_eq!((status.requests, status.health_checks, status.success_rate), (3, 1, Some(0.0)));
    // Nobody gets around DENIED by that name.
    lane.record(&Record { response_code: Some(403), ..came(&check, &nobody) });
    let refused =
        Record { grpc: true, grpc_status: Some(7), response_code: Some(200), ..came(&check, &nobody) };
    lane.record(&refused);
    let status = summary.total().status();
    assert_eq!((status.requests, status.health_checks, status.denied), (5, 1, 2));
}

#[test]
fn nothing_yet_has_no_rate_and_no_quantiles() {
    let status = Summary::default().total().status();
    assert_eq!((status.requests, status.success_rate, status.p99_ms), (0, None, None));
    assert!(serde_json::to_string(&status).unwrap().contains("\"success_rate\":null"));
}
