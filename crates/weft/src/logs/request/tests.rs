use super::super::sample::{entry, names};
use super::*;

fn joined(lines: &[(&str, String)]) -> Vec<Request> {
    let mut join = Join::new(names());
    for (owner, line) in lines {
        assert!(join.add(owner, line), "{line}");
    }
    join.take_but(0)
}

#[test]
fn a_request_is_one_though_two_sidecars_wrote_of_it_in_whatever_order() {
    let caller = ("web-1", entry("source", "r1", 0, 200));
    let callee = ("api-1", entry("destination", "r1", 2, 200));
    for lines in [[caller.clone(), callee.clone()], [callee, caller]] {
        let requests = joined(&lines);
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].caller.as_str(), requests[0].callee.as_str()), ("web-1", "api-1"));
        assert!(requests[0].at_caller.is_some() && requests[0].at_callee.is_some());
        assert_eq!(requests[0].started.millisecond(), 0, "as the caller began it");
    }
}

#[test]
fn pods_are_known_by_their_addresses_of_ipv6_too() {
    let six = |line: String| {
        line.replace("127.64.2.1:8000", "[fd00::2]:8000").replace("127.64.1.1:40001", "[fd00::1]:40001")
    };
    // Bytes have no name in common: their ends alone tell whose they are.
    let bytes = |reporter: &str| {
        let line = six(entry(reporter, "r1", 0, 200));
        let mut entry: serde_json::Value = serde_json::from_str(&line).unwrap();
        for field in ["method", "request_id", "source_workload", "destination_workload", "authority"] {
            entry[field] = serde_json::Value::Null;
        }
        entry["protocol"] = "-".into();
        entry.to_string()
    };
    for of in [&bytes as &dyn Fn(&str) -> String, &|reporter| six(entry(reporter, "r1", 0, 200))] {
        let requests = joined(&[("web-1", of("source")), ("api-1", of("destination"))]);
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].caller.as_str(), requests[0].callee.as_str()), ("web-1", "api-1"));
    }
}

#[test]
fn one_request_id_at_two_hops_or_at_two_moments_is_two_requests() {
    let onward = entry("source", "r1", 1, 200).replace("127.64.2.1:8000", "127.64.3.1:8000");
    assert_eq!(joined(&[("web-1", entry("source", "r1", 0, 200)), ("api-1", onward)]).len(), 2);
    let later = entry("destination", "r1", 0, 200).replace("12:00:00", "12:00:09");
    assert_eq!(joined(&[("web-1", entry("source", "r1", 0, 200)), ("api-1", later)]).len(), 2);
}

#[test]
fn a_copy_is_what_another_callee_alone_tells_of() {
    let said = |what: &str, lines: &[(&str, String)]| {
        joined(lines).iter().filter(|request| request.is_else() == Some(what)).count()
    };
    let copies = |lines: &[(&str, String)]| said("a mirrored copy", lines);
    let either = |lines: &[(&str, String)]| said("a copy, or sent around the sidecar", lines);
    let asked = ("web-1", entry("source", "r1", 0, 200));
    let heard = ("api-1", entry("destination", "r1", 1, 200));
    let plain = ("api-2", entry("destination", "r1", 1, 200));
    let proven = "\"source_principal\":\"spiffe://cluster.local/ns/shop/sa/web\",\"source_workload\"";
    let copy = ("api-2", plain.1.replace("\"source_workload\"", proven));
    let all = [asked.clone(), heard.clone(), copy.clone()];
    assert_eq!(copies(&all), 1);
    assert_eq!(copies(&[copy.clone(), heard.clone(), asked.clone()]), 1, "in whatever order");
    // In plaintext it is like what the app sent by itself.
    let unclear = [asked.clone(), heard.clone(), plain];
    assert_eq!((copies(&unclear), either(&unclear)), (0, 1));
    // Tried again, it came to two.
    let again = ("web-1", asked.1.replace("\"attempts\":1", "\"attempts\":2"));
    let all_again = [again, heard.clone(), copy.clone()];
    assert_eq!((copies(&all_again), either(&all_again)), (0, 0));
    // Who has no sidecar has nobody that copies; who calls twice under one name tells of both.
    assert_eq!(copies(&[heard.clone(), copy]), 0);
    let late = ("api-1", heard.1.replace("12:00:00", "12:00:09"));
    assert_eq!(copies(&[asked, late]), 0);
    let mut join = Join::new(names());
    let mut waited = 0;
    for (owner, line) in &all[..2] {
        join.add(owner, line);
    }
    assert_eq!(join.take_settled(&mut waited).len(), 1);
    // A follower knows it for one, though it comes when the original was shown.
    join.add(all[2].0, &all[2].1);
    let shown = [join.take_settled(&mut waited), join.take_settled(&mut waited)].concat();
    assert_eq!(shown[0].is_else(), Some("a mirrored copy"));
}

#[test]
fn the_worse_of_two_accounts_is_the_outcome() {
    let denied = entry("destination", "r1", 0, 403).replace("\"-\"", "\"UAEX\"");
    let requests = joined(&[("web-1", entry("source", "r1", 0, 403)), ("api-1", denied)]);
    assert_eq!(requests[0].outcome(), Outcome::Denied);
}

#[test]
fn a_follower_waits_one_look_for_the_other_account_and_no_longer() {
    let (mut join, mut waited) = (Join::new(names()), 0);
    join.add("web-1", &entry("source", "r1", 0, 200));
    assert!(join.take_settled(&mut waited).is_empty());
    join.add("api-1", &entry("destination", "r1", 0, 200));
    join.add("web-1", &entry("source", "r2", 0, 200));
    assert_eq!(join.take_settled(&mut waited).len(), 1);
    assert_eq!(join.take_settled(&mut waited).len(), 1);
    assert!(join.take_settled(&mut waited).is_empty());
}

#[test]
fn the_newest_are_kept_and_may_still_be_completed() {
    let mut join = Join::new(names());
    join.add("web-1", &entry("source", "r1", 1, 200));
    join.add("web-1", &entry("source", "r2", 2, 200));
    assert_eq!(join.take_but(1)[0].started.millisecond(), 1);
    join.add("api-1", &entry("destination", "r2", 3, 200));
    assert_eq!(join.len(), 1);
}

#[test]
fn lines_in_another_format_are_not_understood() {
    let mut join = Join::new(names());
    for line in ["", "[2026-01-01] GET /", "{}", "{\"reporter\":\"source\"}", "{\"method\":3}"] {
        assert!(!join.add("web-1", line), "{line}");
    }
}
