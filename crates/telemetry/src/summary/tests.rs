use super::*;

fn request(code: u16, millis: u64) -> Record<'static> {
    Record { response_code: Some(code), duration: Duration::from_millis(millis), ..Record::default() }
}

#[test]
fn totals_are_those_of_all_workers() {
    let summary = Summary::new(Instant::now());
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
fn nothing_yet_has_no_rate_and_no_quantiles() {
    let status = Summary::new(Instant::now()).total().status();
    assert_eq!((status.requests, status.success_rate, status.p99_ms), (0, None, None));
    assert!(serde_json::to_string(&status).unwrap().contains("\"success_rate\":null"));
}

#[test]
fn of_late_leaves_out_what_is_long_ago() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let summary = Summary::new(start);
    let lane = summary.lane();
    lane.record(&request(500, 1000));
    for second in (10..=3600).step_by(10) {
        summary.remember(at(second));
    }
    lane.record(&request(200, 1));
    let recent = summary.recent(Duration::from_secs(60), at(3605)).status();
    assert_eq!((recent.requests, recent.success_rate), (1, Some(1.0)));
    assert_eq!(summary.total().requests(), 2);
    assert!(summary.shared.past.lock().len() <= 32, "old moments are dropped");
}

#[test]
fn a_young_process_s_window_is_its_life() {
    let start = Instant::now();
    let summary = Summary::new(start);
    summary.lane().record(&request(200, 1));
    assert_eq!(summary.recent(Duration::from_secs(60), start + Duration::from_secs(1)).requests(), 1);
}

#[test]
fn remembering_too_often_changes_nothing() {
    let start = Instant::now();
    let summary = Summary::new(start);
    (0..1000).for_each(|milli| summary.remember(start + Duration::from_millis(milli)));
    assert_eq!(summary.shared.past.lock().len(), 1);
}
