use std::time::Instant;

use super::*;
use crate::http::clock::{Allowed, Timer};

fn told(allowed: Allowed, grpc: Option<&str>) -> (Option<String>, Option<Duration>) {
    told_after(Duration::ZERO, allowed, grpc)
}

/// The same of a request that was held up for so long before it was routed.
fn told_after(held: Duration, allowed: Allowed, grpc: Option<&str>) -> (Option<String>, Option<Duration>) {
    let mut call = Call::default();
    call.ledger.start = Instant::now();
    call.ledger.tried = call.ledger.start + held;
    let clock = Clock::start(allowed, Timer::default(), call.ledger.tried.into());
    call.ledger.grpc = grpc.is_some();
    if let Some(timeout) = grpc {
        call.request.headers.append(GRPC, timeout).unwrap();
    }
    tell(&clock, &mut call);
    let headers = &call.request.headers;
    (headers.text(EXPECTED).map(str::to_owned), headers.text(GRPC).and_then(grpc_timeout))
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn without_a_limit_nothing_is_said() {
    assert_eq!(told(Allowed::default(), None), (None, None));
}

#[test]
fn a_try_may_take_its_own_limit_or_what_is_left_of_the_whole() {
    let hours = ms(7_200_000);
    let (told_ms, _) =
        told(Allowed { answer: Some(hours), per_try: Some(ms(250)), ..Allowed::default() }, None);
    assert_eq!(told_ms.as_deref(), Some("250"));
    let (told_ms, _) = told(Allowed { answer: Some(hours), ..Allowed::default() }, None);
    let left: u64 = told_ms.unwrap().parse().unwrap();
    assert!((7_100_000..=7_200_000).contains(&left), "{left}");
    let (told_ms, _) = told(Allowed { answer: Some(Duration::ZERO), ..Allowed::default() }, None);
    assert_eq!(told_ms.as_deref(), Some("1"), "no time left is not no limit");
}

#[test]
fn a_grpc_deadline_is_shortened_and_never_made_longer() {
    let route = |limit| Allowed { answer: Some(limit), ..Allowed::default() };
    let (_, deadline) = told(route(ms(500)), Some("10S"));
    assert!(deadline.unwrap() <= ms(500));
    let (_, deadline) = told(route(ms(60_000)), Some("2S"));
    assert!(deadline.unwrap() <= ms(2000) && deadline.unwrap() > ms(1000));
    let (_, deadline) = told(Allowed::default(), Some("99999999H"));
    assert!(deadline.unwrap() > Duration::from_secs(90_000_000), "even where it is long");
    assert_eq!(told(Allowed::default(), Some("soon")).1, None, "nonsense stays as it is");
}

#[test]
fn what_held_a_request_up_before_its_route_is_taken_off_its_own_deadline_alone() {
    let route = Allowed { answer: Some(ms(1000)), ..Allowed::default() };
    assert_eq!(told_after(ms(1300), route, None).0.as_deref(), Some("1000"));
    let (milliseconds, deadline) = told_after(ms(1300), route, Some("5S"));
    assert_eq!((milliseconds.as_deref(), deadline), (Some("1000"), Some(ms(1000))));
    assert_eq!(told_after(ms(1300), route, Some("2S")).1, Some(ms(700)));
}
