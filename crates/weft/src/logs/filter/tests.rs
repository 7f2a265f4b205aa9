use super::super::request::Join;
use super::super::sample::{entry, names};
use super::*;

fn request(owner: &str, line: &str) -> Request {
    let mut join = Join::new(names());
    assert!(join.add(owner, line));
    join.take_but(0).remove(0)
}

#[test]
fn denied_and_failed_are_two_things_and_may_both_be_asked_for() {
    let fine = request("web-1", &entry("source", "r", 0, 404));
    let failed = request("web-1", &entry("source", "r", 0, 503));
    let denied = request("api-1", &entry("destination", "r", 0, 403).replace("\"-\"", "\"UAEX\""));
    let shows = |denied_too, failed_too| {
        let filter = Filter { denied: denied_too, failed: failed_too, ..Filter::default() };
        [&fine, &failed, &denied].map(|request| filter.takes(request))
    };
    assert_eq!(shows(false, false), [true, true, true]);
    assert_eq!(shows(true, false), [false, false, true]);
    assert_eq!(shows(false, true), [false, true, false]);
    assert_eq!(shows(true, true), [false, true, true]);
}

#[test]
fn since_is_a_span_or_a_moment() {
    let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for (text, seconds) in [("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86_400)] {
        assert_eq!(text.parse::<Since>().unwrap().moment(now), now - Duration::from_secs(seconds));
    }
    assert_eq!("1970-01-01T00:00:00Z".parse::<Since>().unwrap().moment(now), OffsetDateTime::UNIX_EPOCH);
    for text in ["", "5", "m", "-5m", "5 m", "99999999999999999999d", "5ö", "yesterday"] {
        assert!(text.parse::<Since>().is_err(), "{text}");
    }
}

#[test]
fn what_began_before_is_left_out() {
    let request = request("web-1", &entry("source", "r", 0, 200));
    let since =
        |seconds| Filter { since: Some(request.started + Duration::from_secs(seconds)), ..Filter::default() };
    assert!(since(0).takes(&request) && !since(1).takes(&request));
}
