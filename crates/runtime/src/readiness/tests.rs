use std::time::Duration;

use super::*;

#[test]
fn nothing_announced_is_not_ready() {
    let readiness = Readiness::new();
    assert!(!readiness.is_ready());
    assert_eq!(readiness.state().to_string(), "not ready: starting");
}

#[test]
fn what_is_missing_is_said_in_words() {
    let readiness = Readiness::new();
    let certificate = readiness.expect("certificate", "waiting for the first answer of 10.0.0.1:15012");
    let clusters = readiness.expect("clusters", "not received yet");
    assert_eq!(
        readiness.state().to_string(),
        "not ready: certificate: waiting for the first answer of 10.0.0.1:15012; clusters: not received yet"
    );
    certificate.met();
    assert_eq!(readiness.state().to_string(), "not ready: clusters: not received yet");
    clusters.met();
    assert_eq!(readiness.state().to_string(), "ready");
}

#[test]
fn a_condition_can_be_lost_again() {
    let readiness = Readiness::new();
    let certificate = readiness.expect("certificate", "requested");
    certificate.met();
    assert!(readiness.is_ready());
    certificate.unmet("expired");
    assert_eq!(readiness.state().to_string(), "not ready: certificate: expired");
}

#[test]
fn a_dropped_handle_leaves_its_condition_as_it_was() {
    let readiness = Readiness::new();
    drop(readiness.expect("listeners", "none bound"));
    assert!(!readiness.is_ready());
    readiness.expect("listeners", "none bound").met();
    assert!(readiness.is_ready());
}

#[tokio::test]
async fn waiting_ends_when_the_last_condition_is_met() {
    let readiness = Readiness::new();
    let (one, two) = (readiness.expect("one", "a"), readiness.expect("two", "b"));
    let waiting = tokio::spawn({
        let readiness = readiness.clone();
        async move { readiness.ready().await }
    });
    one.met();
    two.met();
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
}
