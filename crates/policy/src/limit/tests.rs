use proptest::prelude::*;

use super::*;

const fn bucket(max_tokens: u32, tokens_per_fill: u32, millis: u64) -> TokenBucket {
    TokenBucket { max_tokens, tokens_per_fill, fill_interval: Duration::from_millis(millis) }
}

const fn t(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_burst_takes_what_is_there_and_then_tokens_come_one_by_one() {
    let (bucket, left) = (bucket(3, 10, 1000), AtomicU64::new(0));
    let at = |millis| take(&bucket, &left, t(millis));
    assert_eq!(at(0), Taken { passes: true, remaining: 2, reset: 0 });
    assert_eq!(at(0), Taken { passes: true, remaining: 1, reset: 0 });
    assert_eq!(at(0), Taken { passes: true, remaining: 0, reset: 1 });
    assert_eq!(at(0), Taken { passes: false, remaining: 0, reset: 1 });
    assert!(!at(90).passes);
    assert!(at(101).passes);
    assert!(!at(102).passes, "there was one");
    assert_eq!(at(5000).remaining, 2, "it was full again");
}

#[test]
fn who_is_refused_takes_nothing() {
    let (bucket, left) = (bucket(1, 1, 1000), AtomicU64::new(0));
    assert!(take(&bucket, &left, t(10)).passes);
    for millis in 11..1000 {
        assert!(!take(&bucket, &left, t(millis)).passes);
    }
    assert!(take(&bucket, &left, t(1011)).passes);
}

#[test]
fn an_empty_bucket_lets_nobody_through() {
    assert!(!take(&bucket(0, 1, 1000), &AtomicU64::new(0), t(50_000)).passes);
}

#[test]
fn the_reset_says_when_there_is_a_token_for_the_next() {
    let (bucket, left) = (bucket(2, 1, 10_000), AtomicU64::new(0));
    let reset = |millis| take(&bucket, &left, t(millis)).reset;
    // As a stock Envoy says with the same bucket.
    assert_eq!([reset(0), reset(0), reset(0), reset(1100)], [0, 10, 10, 9]);
}

#[test]
fn workers_take_from_one_bucket() {
    let (bucket, left) = (bucket(1000, 1, 3_600_000), AtomicU64::new(0));
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    passed.fetch_add(take(&bucket, &left, t(1)).passes.into(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 1000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn never_more_pass_than_there_were_tokens_and_nearly_all_of_these(
        max in 1u32..50,
        per_fill in 1u32..50,
        millis in 50u64..5000,
        pauses in prop::collection::vec(0u64..200, 1..400),
    ) {
        let (bucket, left) = (bucket(max, per_fill, millis), AtomicU64::new(0));
        let mut now = 0;
        let mut passed = 0.0_f64;
        for pause in pauses {
            now += pause;
            let taken = take(&bucket, &left, t(now));
            passed += f64::from(u8::from(taken.passes));
            let came = now as f64 * f64::from(per_fill) / millis as f64;
            prop_assert!(passed <= f64::from(max) + came + 1e-6);
            prop_assert!(taken.remaining < max);
            prop_assert!(taken.passes || taken.remaining == 0);
        }
    }
}
