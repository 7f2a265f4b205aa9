use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use proptest::prelude::*;

use super::*;

fn limits(budget: Option<(f64, u32)>) -> Limits {
    let retry_budget = budget
        .map(|(budget_percent, min_retry_concurrency)| RetryBudget { budget_percent, min_retry_concurrency });
    Limits::new(&CircuitBreakers { max_retries: Some(7), retry_budget, ..CircuitBreakers::default() })
}

#[test]
fn left_out_limits_are_envoys() {
    let limits = Limits::new(&CircuitBreakers::default());
    assert_eq!((limits.connections, limits.pending, limits.requests), (1024, 1024, 1024));
    assert_eq!(limits.retries(0), (Resource::Retries, 3));
}

#[test]
fn a_refusal_says_which_limit_its_value_and_the_load() {
    let count = Count::default();
    count.enter(Resource::Requests, 1).unwrap();
    let full = count.enter(Resource::Requests, 1).unwrap_err();
    assert_eq!(
        full.to_string(),
        "1 requests are in flight, and no more than 1 may (connectionPool.http.http2MaxRequests)"
    );
    assert_eq!((count.inside(), count.refused()), (1, 1));
    count.leave();
    assert!(count.enter(Resource::Requests, 1).is_ok());
    let full = count.enter(Resource::Requests, 0).unwrap_err();
    assert_eq!((full.limit, full.load), (0, 1), "a limit may be lowered meanwhile");
}

#[test]
fn a_budget_takes_the_place_of_the_fixed_number_and_has_a_floor() {
    assert_eq!(limits(None).retries(1000), (Resource::Retries, 7));
    for (requests, allowed) in [(0, 3), (10, 3), (15, 3), (20, 4), (99, 19), (1000, 200)] {
        assert_eq!(limits(Some((20.0, 3))).retries(requests), (Resource::RetryBudget, allowed), "{requests}");
    }
}

#[test]
fn threads_that_come_and_go_are_never_more_than_may_be() {
    let (count, most) = (Arc::new(Count::default()), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (count, most) = (count.clone(), most.clone());
            std::thread::spawn(move || {
                for _ in 0..5_000 {
                    if count.enter(Resource::Connections, 3).is_ok() {
                        most.fetch_max(count.inside(), SeqCst);
                        count.leave();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(most.load(SeqCst) <= 3);
    assert_eq!(count.inside(), 0);
}

#[test]
fn without_a_limit_nobody_is_refused_and_all_are_counted() {
    let count = Count::default();
    for inside in 0..3 {
        count.enter(Resource::Requests, u32::MAX).unwrap();
        assert_eq!((count.inside(), count.refused()), (inside + 1, 0));
    }
    count.leave();
    assert_eq!(count.inside(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever comes and goes, the count is what a plain list says, and no more are in than the limit of the moment allows.
    #[test]
    fn the_count_is_exact(limit in 0_u32..6, steps in prop::collection::vec(any::<bool>(), 0..80)) {
        let (count, mut inside) = (Count::default(), 0);
        for enters in steps {
            if enters {
                let entered = count.enter(Resource::Pending, limit);
                prop_assert_eq!(entered.is_ok(), inside < limit);
                inside += u32::from(entered.is_ok());
            } else if inside > 0 {
                count.leave();
                inside -= 1;
            }
            prop_assert_eq!(count.inside(), inside);
        }
    }

    /// Retries under a budget never make more than its share of what is under way.
    #[test]
    fn a_storm_stays_within_its_budget(percent in 0.0_f64..100.0, floor in 0_u32..5, requests in 0_u32..100_000) {
        let (_, allowed) = limits(Some((percent, floor))).retries(requests);
        prop_assert!(allowed == floor || f64::from(allowed) <= f64::from(requests) * percent / 100.0);
    }
}
