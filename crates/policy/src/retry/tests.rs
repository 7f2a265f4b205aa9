use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::matcher::{HeaderMatcher, HeaderValueMatch};
use weft_model::route::{
    Forward, PathMatch, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use weft_model::table::Names;
use weft_model::table::retry::RetryOn;
use weft_model::table::route::Action;

use super::*;
use crate::sample::Request;

pub(super) fn policy(settings: RetryPolicy) -> Retry {
    let mut forward = Forward::to("a");
    forward.retry = Some(settings);
    let route = Route::new(
        "",
        RouteMatch::path(PathMatch::Prefix("/".into())),
        RouteAction::Forward(Box::new(forward)),
    );
    let host = VirtualHost { domains: vec!["*".into()], routes: vec![route], ..VirtualHost::default() };
    let configuration = RouteConfiguration { virtual_hosts: vec![host], ..RouteConfiguration::default() };
    let table = weft_model::compile::route_table(&configuration, &mut Names::default()).unwrap().part;
    let Action::Forward(forward) = &table.hosts[0].routes[0].action else { unreachable!() };
    Retry::clone(forward.retry.as_ref().unwrap())
}

fn on(words: &str) -> Retry {
    policy(RetryPolicy {
        retry_on: words.into(),
        retriable_status_codes: vec![503],
        ..RetryPolicy::default()
    })
}

fn status(status: u16) -> Outcome {
    Outcome::Response { status, grpc_status: None, rate_limited: false }
}

fn grpc(code: u32) -> Outcome {
    Outcome::Response { status: 200, grpc_status: Some(code), rate_limited: false }
}

fn retried(words: &str, outcome: Outcome) -> bool {
    allows(&on(words), outcome, None::<&Request>)
}

#[test]
fn each_word_means_what_envoy_means_by_it() {
    use Outcome::{ConnectFailure, PerTryTimeout, RefusedStream, Reset};
    let all = [
        ConnectFailure,
        RefusedStream,
        Reset { sent: false },
        Reset { sent: true },
        PerTryTimeout,
        status(500),
        status(503),
        status(409),
        status(200),
    ];
    let cases: [(&str, [u8; 9]); 9] = [
        ("connect-failure", [1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("refused-stream", [0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("reset-before-request", [1, 0, 1, 0, 0, 0, 0, 0, 0]),
        ("reset", [1, 1, 1, 1, 1, 0, 0, 0, 0]),
        ("5xx", [1, 1, 1, 1, 1, 1, 1, 0, 0]),
        ("gateway-error", [1, 1, 1, 1, 1, 0, 1, 0, 0]),
        ("retriable-4xx", [0, 0, 0, 0, 0, 0, 0, 1, 0]),
        ("retriable-status-codes", [0, 0, 0, 0, 0, 0, 1, 0, 0]),
        ("", [0; 9]),
    ];
    for (words, expected) in cases {
        let seen = all.map(|outcome| u8::from(retried(words, outcome)));
        assert_eq!(seen, expected, "{words}: {all:?}");
    }
}

#[test]
fn grpc_words_are_about_grpc_statuses() {
    for (word, code) in [
        ("cancelled", 1),
        ("deadline-exceeded", 4),
        ("resource-exhausted", 8),
        ("internal", 13),
        ("unavailable", 14),
    ] {
        for other in 0..17 {
            assert_eq!(retried(word, grpc(other)), other == code, "{word} on {other}");
        }
    }
    assert!(!retried("unavailable", status(503)));
}

#[test]
fn istios_default_leaves_a_plain_503_alone() {
    let words = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
    let default =
        policy(RetryPolicy { retry_on: words.into(), num_retries: Some(2), ..RetryPolicy::default() });
    assert!(!allows(&default, status(503), None::<&Request>));
    assert!(!allows(&default, Outcome::Reset { sent: true }, None::<&Request>));
    let standing = |attempts| Standing {
        policy: Some(&default),
        attempts,
        tried: 1,
        endpoints: 1,
        replayable: true,
        idempotent: true,
        lost: None,
    };
    let tries = [1, 2, 3].map(|n| wanted(&standing(n), Outcome::ConnectFailure, None::<&Request>));
    assert_eq!(tries, [Wanted::Yes, Wanted::Yes, Wanted::Exhausted], "three tries in all");
}

#[test]
fn a_rate_limited_answer_is_final_unless_asked_for() {
    let limited = Outcome::Response { status: 503, grpc_status: None, rate_limited: true };
    assert!(!retried("5xx", limited));
    assert!(retried("envoy-ratelimited", limited));
}

#[test]
fn headers_of_the_answer_may_allow_a_retry() {
    let matcher = HeaderMatcher {
        name: "x-again".into(),
        value: HeaderValueMatch::Present(true),
        invert: false,
        treat_missing_as_empty: false,
    };
    let policy = policy(RetryPolicy {
        retry_on: "retriable-headers".into(),
        retriable_headers: vec![matcher],
        ..RetryPolicy::default()
    });
    let head = Request::get("", "");
    assert!(!allows(&policy, status(200), Some(&head)));
    assert!(allows(&policy, status(200), Some(&head.with("X-Again", "1"))));
}

#[test]
fn words_are_read_with_spaces_and_strange_ones_are_named() {
    let (set, unknown) = RetryOn::parse(" 5xx , reset,,nonsense");
    assert!(set.has(Word::Any5xx) && set.has(Word::Reset) && !set.has(Word::ConnectFailure));
    assert_eq!(unknown, ["nonsense"]);
}

#[test]
fn the_pause_doubles_up_to_its_maximum_and_is_spread_over_all_of_it() {
    let ms = Duration::from_millis;
    let policy = policy(RetryPolicy {
        back_off_base: Some(ms(100)),
        back_off_max: Some(ms(350)),
        ..RetryPolicy::default()
    });
    let mut rng = SmallRng::seed_from_u64(1);
    for (attempts, longest) in [(1, ms(100)), (2, ms(200)), (3, ms(350)), (99, ms(350))] {
        let pauses: Vec<Duration> = (0..500).map(|_| back_off(&policy, attempts, &mut rng)).collect();
        assert!(pauses.iter().all(|pause| *pause <= longest));
        assert!(pauses.iter().any(|pause| *pause > longest.mul_f64(0.95)));
        assert!(pauses.iter().any(|pause| *pause < longest.mul_f64(0.05)));
    }
}

#[test]
fn unset_pauses_are_envoys() {
    let policy = on("5xx");
    assert_eq!(
        (policy.back_off_base, policy.back_off_max),
        (Duration::from_millis(25), Duration::from_millis(250))
    );
    assert_eq!(policy.times, 1);
}
