//! Whole requests, by chance: what their tries come to, what the cluster's other requests do meanwhile, and what the app has
//! executed of them in the end.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::cluster::{CircuitBreakers, RetryBudget};
use weft_model::route::RetryPolicy;

use super::super::tests::policy;
use super::*;
use crate::breaker::{Count, Limits};
use crate::retry::back_off;

const WORDS: [&str; 15] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "retriable-status-codes",
    "envoy-ratelimited",
    "cancelled",
    "deadline-exceeded",
    "resource-exhausted",
    "internal",
    "unavailable",
    "nonsense",
];

/// Words that ask for another try of what the app may have executed.
const AFTER_THE_APP: [&str; 12] = [
    "5xx",
    "gateway-error",
    "reset",
    "retriable-4xx",
    "retriable-status-codes",
    "envoy-ratelimited",
    "cancelled",
    "deadline-exceeded",
    "resource-exhausted",
    "internal",
    "unavailable",
    "retriable-headers",
];

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = prop::sample::select(vec![200_u16, 409, 429, 500, 502, 503, 504]);
    prop_oneof![
        Just(Outcome::ConnectFailure),
        Just(Outcome::RefusedStream),
        any::<bool>().prop_map(|sent| Outcome::Reset { sent }),
        Just(Outcome::PerTryTimeout),
        (status, proptest::option::of(0_u32..17), any::<bool>()).prop_map(
            |(status, grpc_status, rate_limited)| Outcome::Response { status, grpc_status, rate_limited }
        ),
    ]
}

fn lost() -> impl Strategy<Value = Option<Lost>> {
    proptest::option::of(prop::sample::select(vec![Lost::Idle, Lost::Busy]))
}

/// An app may have executed it.
const fn reached_the_app(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Reset { sent: true } | Outcome::PerTryTimeout | Outcome::Response { .. })
}

#[derive(Debug, Clone)]
struct Request {
    words: Option<Vec<&'static str>>,
    times: u32,
    idempotent: bool,
    replayable: bool,
    endpoints: usize,
    /// Of each try: what came of it, and what its connection had been used for if that ended without a word.
    tries: Vec<(Outcome, Option<Lost>)>,
}

fn request() -> impl Strategy<Value = Request> {
    (
        proptest::option::of(prop::sample::subsequence(WORDS.to_vec(), 0..6)),
        0_u32..6,
        any::<bool>(),
        prop::bool::weighted(0.8),
        1_usize..7,
        prop::collection::vec((outcome(), lost()), 8),
    )
        .prop_map(|(words, times, idempotent, replayable, endpoints, tries)| Request {
            words,
            times,
            idempotent,
            replayable,
            endpoints,
            tries,
        })
}

impl Request {
    fn policy(&self) -> Option<Retry> {
        let words = self.words.as_ref()?;
        Some(policy(RetryPolicy {
            retry_on: words.join(","),
            num_retries: Some(self.times),
            retriable_status_codes: vec![503],
            ..RetryPolicy::default()
        }))
    }

    fn standing<'a>(&self, policy: Option<&'a Retry>, attempts: u32, lost: Option<Lost>) -> Standing<'a> {
        Standing {
            policy,
            attempts,
            tried: attempts as usize,
            endpoints: self.endpoints,
            replayable: self.replayable,
            idempotent: self.idempotent,
            lost,
        }
    }

    fn has(&self, words: &[&str]) -> bool {
        self.words.iter().flatten().any(|word| words.contains(word))
    }
}

/// What is decided after a try.
fn decided(of: &Standing<'_>, outcome: Outcome) -> Wanted {
    match outcome {
        Outcome::Response { .. } => wanted(of, outcome, None::<&Written>),
        _ => elsewhere(of, outcome),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// What an app may have executed goes again only where the route says so, or where twice is the same as once.
    #[test]
    fn nothing_is_executed_twice_by_accident(request in request()) {
        let policy = request.policy();
        let mut executed = 0;
        for (attempts, (outcome, lost)) in (1..).zip(&request.tries) {
            executed += u32::from(reached_the_app(*outcome));
            let of = request.standing(policy.as_ref(), attempts, *lost);
            if decided(&of, *outcome) != Wanted::Yes {
                break;
            }
            prop_assert!(of.replayable, "half a body would go");
            if reached_the_app(*outcome) {
                let asked = request.has(&AFTER_THE_APP);
                let ended = of.idempotent && matches!(outcome, Outcome::Reset { .. });
                let race = ended && *lost == Some(Lost::Idle);
                // What an app may have died of: once more, elsewhere, where the route has other tries at all.
                let died = ended && *lost == Some(Lost::Busy) && attempts == 1 && request.endpoints > 1;
                let died = died && request.words.is_some() && request.times > 0;
                prop_assert!(asked || race || died, "{outcome:?} again, unasked");
                prop_assert!(!asked || race || attempts <= request.times, "{attempts} tries of {}", request.times);
            }
        }
        prop_assert!(executed <= 1 || request.idempotent || request.has(&AFTER_THE_APP), "{executed} executions");
    }

    /// What weft sends where nobody asks for anything never executes twice what is not idempotent.
    #[test]
    fn the_words_that_are_sent_by_default_execute_no_payment_twice(mut request in request()) {
        request.words = Some(vec!["connect-failure", "refused-stream"]);
        request.idempotent = false;
        let policy = request.policy();
        let mut executed = 0;
        for (attempts, (outcome, lost)) in (1..).zip(&request.tries) {
            executed += u32::from(reached_the_app(*outcome));
            if decided(&request.standing(policy.as_ref(), attempts, *lost), *outcome) != Wanted::Yes {
                break;
            }
        }
        prop_assert!(executed <= 1, "{executed} executions");
    }

    /// The route's count holds for what it asks for, and a small fixed one for what nobody asked for.
    #[test]
    fn tries_never_exceed_what_there_may_be(request in request()) {
        let policy = request.policy();
        let made = Cell::new(0);
        for (attempts, (outcome, lost)) in (1..).zip(&request.tries) {
            made.set(attempts);
            if decided(&request.standing(policy.as_ref(), attempts, *lost), *outcome) != Wanted::Yes {
                break;
            }
        }
        let unasked = u32::try_from(MOST_UNASKED).unwrap();
        let most = policy.map_or(unasked, |policy| unasked.max(policy.times + 1));
        prop_assert!(made.get() <= most, "{} tries, {most} may be", made.get());
    }

    /// However many requests of a cluster fail at once: no more retries are under way than its budget allows at that moment.
    #[test]
    fn the_budget_holds(
        percent in 0_u32..=100,
        floor in 0_u32..5,
        steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 1..100),
    ) {
        let budget = RetryBudget { budget_percent: f64::from(percent), min_retry_concurrency: floor };
        let limits = Limits::new(&CircuitBreakers { retry_budget: Some(budget), ..CircuitBreakers::default() });
        let (active, retries) = (Cell::new(0_u32), Count::default());
        let mut retrying = Vec::new();
        for (step, which) in steps {
            match step {
                0 | 1 => active.set(active.get() + 1),
                2 => {
                    let (resource, limit) = limits.retries(active.get());
                    let before = retries.inside();
                    prop_assert!(limit <= floor.max(active.get() * percent / 100));
                    match retries.enter(resource, limit) {
                        Ok(()) => {
                            retrying.push(());
                            prop_assert!(retries.inside() <= limit);
                        }
                        Err(full) => prop_assert_eq!((full.load, full.limit), (before, limit)),
                    }
                }
                _ if which.index(2) == 0 && retrying.pop().is_some() => retries.leave(),
                _ => active.set(active.get().saturating_sub(1)),
            }
            prop_assert_eq!(retries.inside() as usize, retrying.len());
        }
    }

    /// Full jitter: anything from nothing to the base doubled each time, and never beyond the maximum.
    #[test]
    fn the_pause_stays_within_its_bounds(
        base in 1_u64..20_000,
        max in 1_u64..200_000,
        attempts in prop_oneof![1_u32..12, Just(u32::MAX)],
        seed: u64,
    ) {
        let ms = Duration::from_millis;
        let policy = policy(RetryPolicy {
            back_off_base: Some(ms(base)),
            back_off_max: Some(ms(max.max(base))),
            ..RetryPolicy::default()
        });
        let doubled = ms(base).saturating_mul(1 << (attempts - 1).min(31));
        let pause = back_off(&policy, attempts, &mut SmallRng::seed_from_u64(seed));
        prop_assert!(pause <= doubled.min(ms(max.max(base))), "{pause:?}");
    }
}

#[test]
fn a_word_that_asks_for_it_is_heard_after_the_app_and_others_are_not() {
    let after: BTreeSet<&str> = WORDS
        .into_iter()
        .filter(|word| {
            let policy = policy(RetryPolicy {
                retry_on: (*word).to_owned(),
                retriable_status_codes: vec![503],
                ..RetryPolicy::default()
            });
            let of = Standing {
                policy: Some(&policy),
                attempts: 1,
                tried: 1,
                endpoints: 2,
                replayable: true,
                idempotent: false,
                lost: Some(Lost::Idle),
            };
            let grpc = [1, 4, 8, 13, 14].map(|code| Outcome::Response {
                status: 200,
                grpc_status: Some(code),
                rate_limited: false,
            });
            let http = [409, 500, 502, 503].map(|status| Outcome::Response {
                status,
                grpc_status: None,
                rate_limited: false,
            });
            let limited = Outcome::Response { status: 429, grpc_status: None, rate_limited: true };
            let others = [limited, Outcome::Reset { sent: true }, Outcome::PerTryTimeout];
            grpc.into_iter().chain(http).chain(others).any(|outcome| decided(&of, outcome) == Wanted::Yes)
        })
        .collect();
    let said: BTreeSet<&str> =
        AFTER_THE_APP.into_iter().filter(|word| *word != "retriable-headers").collect();
    assert_eq!(after, said);
}

#[test]
fn what_a_server_may_have_died_of_is_asked_of_one_other_and_only_where_a_route_has_second_tries() {
    let istios = policy(RetryPolicy {
        retry_on: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes".into(),
        num_retries: Some(2),
        ..RetryPolicy::default()
    });
    let of = Standing {
        policy: Some(&istios),
        attempts: 1,
        tried: 1,
        endpoints: 3,
        replayable: true,
        idempotent: true,
        lost: Some(Lost::Busy),
    };
    let died = |of| elsewhere(&of, Outcome::Reset { sent: true });
    assert_eq!(died(of), Wanted::Yes);
    assert_eq!(died(Standing { attempts: 2, tried: 2, ..of }), Wanted::No, "nor does it end all, one by one");
    assert_eq!(died(Standing { endpoints: 1, ..of }), Wanted::No, "nor the same again");
    assert_eq!(died(Standing { policy: None, ..of }), Wanted::No);
    let never = Retry { times: 0, ..istios.clone() };
    assert_eq!(died(Standing { policy: Some(&never), ..of }), Wanted::No);
    assert_eq!(died(Standing { idempotent: false, ..of }), Wanted::No);
    assert_eq!(died(Standing { replayable: false, ..of }), Wanted::No);
    assert_eq!(died(Standing { lost: None, ..of }), Wanted::No, "an answer had begun");
}
