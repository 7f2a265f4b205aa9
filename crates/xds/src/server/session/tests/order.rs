//! Make before break.

use super::*;

/// One cluster with its endpoints, and a route to it.
const OLD: &[(&str, &str, &str)] =
    &[(CLUSTER, "a", "1"), (ENDPOINTS, "a", "1"), (LISTENER, "l", "1"), (ROUTES, "80", "to a")];
/// Another, and the route to that.
const NEW: &[(&str, &str, &str)] =
    &[(CLUSTER, "b", "1"), (ENDPOINTS, "b", "1"), (LISTENER, "l", "1"), (ROUTES, "80", "to b")];

/// A client with `OLD` in force.
fn settled() -> Stream {
    let mut stream = Stream::delta(&set("old", OLD));
    stream.ask(CLUSTER, &["*"]);
    stream.ask(ENDPOINTS, &["a"]);
    stream.ask(LISTENER, &["*"]);
    stream.ask(ROUTES, &["80"]);
    assert_eq!(stream.accept_all(), ["cds +a", "eds +a", "lds +l", "rds +80"]);
    stream
}

#[test]
fn listeners_and_routes_wait_for_clusters_and_their_endpoints() {
    let mut stream = Stream::delta(&set("old", OLD));
    for type_url in [CLUSTER, LISTENER] {
        stream.ask(type_url, &["*"]);
    }
    stream.ask(ROUTES, &["80"]);
    assert_eq!(stream.accept(), "cds +a");
    assert_eq!(stream.hear(), None, "the endpoints are not asked for yet");
    stream.ask(ENDPOINTS, &["a"]);
    let (endpoints, words) = stream.hear().unwrap();
    assert_eq!(words, "eds +a");
    assert_eq!(stream.hear(), None, "the endpoints are not answered yet");
    stream.answer(&endpoints, None);
    assert_eq!(stream.accept_all(), ["lds +l", "rds +80"]);
}

#[test]
fn a_cluster_goes_after_the_route_that_used_it() {
    let mut stream = settled();
    stream.retarget("new", NEW);
    assert_eq!(stream.accept(), "cds +b");
    stream.ask(ENDPOINTS, &["b"]);
    assert_eq!(stream.accept(), "eds +b");
    let (routes, words) = stream.hear().unwrap();
    assert_eq!(words, "rds +80");
    assert_eq!(stream.hear(), None);
    stream.answer(&routes, None);
    assert_eq!(stream.accept_all(), ["cds -a", "eds -a"]);
}

#[test]
fn a_client_that_refuses_its_routes_keeps_the_clusters_of_the_old_ones() {
    let mut stream = settled();
    stream.retarget("new", NEW);
    stream.ask(ENDPOINTS, &["b"]);
    assert_eq!([stream.accept(), stream.accept()], ["cds +b", "eds +b"]);
    assert_eq!(stream.refuse(), "rds +80");
    stream.now += Duration::from_secs(3600);
    assert_eq!(stream.hear(), None);
    let mut mended = NEW.to_vec();
    mended[3].2 = "to b, mended";
    stream.retarget("mended", &mended);
    assert_eq!(stream.accept_all(), ["rds +80", "cds -a", "eds -a"]);
}

#[test]
fn a_refused_cluster_does_not_hold_the_rest() {
    let mut stream = settled();
    stream.retarget("new", NEW);
    assert_eq!(stream.refuse(), "cds +b");
    assert_eq!(stream.accept(), "rds +80");
}

#[test]
fn a_client_that_never_answers_holds_routes_back_for_a_while_only() {
    let mut stream = settled();
    stream.retarget("new", NEW);
    assert_eq!(stream.hear().unwrap().1, "cds +b");
    assert_eq!(stream.hear(), None);
    let deadline = stream.session.deadline(stream.now).unwrap();
    assert_eq!(deadline, stream.now + Limits::default().patience);
    stream.now = deadline;
    assert_eq!(stream.accept(), "rds +80");
}

#[test]
fn secrets_wait_for_nobody() {
    let mut stream = Stream::delta(&set("r", &[(CLUSTER, "a", "1"), (SECRET, "s", "1")]));
    stream.ask(CLUSTER, &["*"]);
    stream.ask(SECRET, &["s"]);
    assert_eq!(stream.hear().unwrap().1, "cds +a");
    assert_eq!(stream.hear().unwrap().1, "Secret +s");
}

#[test]
fn endpoints_of_a_cluster_that_is_sent_again_are_sent_again() {
    let mut stream = settled();
    let mut changed = OLD.to_vec();
    changed[0].2 = "2";
    stream.retarget("changed", &changed);
    assert_eq!(stream.accept_all(), ["cds +a", "eds +a"]);
}

#[test]
fn a_reconnecting_client_gets_endpoints_of_changed_clusters_although_it_claims_them() {
    let mut changed = OLD.to_vec();
    changed[0].2 = "2";
    let mut stream = Stream::delta(&set("changed", &changed));
    stream.reconnect(CLUSTER, &["*"], &[("a", "1")]);
    assert_eq!(stream.accept(), "cds +a");
    stream.reconnect(ENDPOINTS, &["a"], &[("a", "1")]);
    assert_eq!(stream.accept_all(), ["eds +a"]);
}

#[test]
fn clusters_that_vanished_while_a_client_was_away_go_after_its_routes() {
    let mut stream = Stream::delta(&set("new", NEW));
    stream.reconnect(CLUSTER, &["*"], &[("a", "1"), ("b", "1")]);
    assert_eq!(stream.hear(), None, "it will ask for its listeners and routes in a moment");
    stream.reconnect(ENDPOINTS, &["a", "b"], &[("a", "1"), ("b", "1")]);
    stream.reconnect(LISTENER, &["*"], &[("l", "1")]);
    stream.reconnect(ROUTES, &["80"], &[("80", "to a")]);
    assert_eq!(stream.accept_all(), ["rds +80", "cds -a", "eds -a"]);
}

#[test]
fn a_client_without_listeners_is_told_of_removals_in_the_end() {
    let mut stream = Stream::delta(&set("r1", &[(CLUSTER, "a", "1")]));
    stream.ask(CLUSTER, &["*"]);
    stream.accept();
    stream.retarget("r2", &[]);
    assert_eq!(stream.hear(), None);
    stream.now = stream.session.deadline(stream.now).expect("there is something to wait for");
    assert_eq!(stream.accept_all(), ["cds -a"]);
    assert_eq!(stream.session.deadline(stream.now), None);
}
