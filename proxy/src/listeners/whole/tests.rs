use super::*;

const NAMES: [&str; 5] = ["certificate", "clusters", "listeners", "configuration", "names"];

#[tokio::test]
async fn what_the_first_connections_need_is_waited_for_and_nothing_else() {
    let readiness = Readiness::new();
    let [certificate, clusters, listeners, configuration, _names] =
        NAMES.map(|name| readiness.expect(name, "it"));
    let whole = tokio::spawn(whole(readiness, Duration::from_secs(600)));
    for condition in [&listeners, &clusters, &configuration] {
        condition.met();
        tokio::task::yield_now().await;
        assert!(!whole.is_finished());
    }
    certificate.met();
    whole.await.unwrap();
}

#[tokio::test]
async fn what_never_comes_is_waited_for_no_longer_than_its_time_after_the_listeners() {
    let readiness = Readiness::new();
    let [_certificate, clusters, listeners, configuration, _names] =
        NAMES.map(|name| readiness.expect(name, "it"));
    let within = Duration::from_millis(50);
    let mut whole = tokio::spawn(whole(readiness, within));
    clusters.met();
    configuration.met();
    assert!(tokio::time::timeout(2 * within, &mut whole).await.is_err(), "there is nothing to let in to");
    listeners.met();
    whole.await.unwrap();
}
