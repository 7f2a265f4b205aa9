use proptest::prelude::*;

use super::*;

#[test]
fn quantiles_are_those_of_what_was_recorded() {
    let latency = Latency::new();
    assert_eq!(latency.snapshot().quantile(0.5), None);
    for millis in 1..=1000 {
        latency.record(Duration::from_millis(millis));
    }
    let snapshot = latency.snapshot();
    for (quantile, millis) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0), (0.0, 1.0)] {
        let found = snapshot.quantile(quantile).unwrap().as_secs_f64() * 1000.0;
        assert!((found - millis).abs() <= millis * 0.035, "{quantile}: {found} ms");
    }
    assert_eq!(snapshot.count(), 1000);
}

#[test]
fn histograms_of_several_workers_add_up() {
    let (one, other) = (Latency::new(), Latency::new());
    one.record(Duration::from_secs(10));
    other.record(Duration::from_micros(5));
    let mut both = one.snapshot();
    both.add(&other.snapshot());
    assert_eq!((both.count(), both.quantile(0.5)), (2, Some(Duration::from_micros(5))));
}

#[test]
fn odd_quantiles_do_not_panic() {
    let latency = Latency::new();
    latency.record(Duration::ZERO);
    latency.record(Duration::MAX);
    for quantile in [f64::NAN, -1.0, 2.0, f64::INFINITY] {
        assert!(latency.snapshot().quantile(quantile).is_some());
    }
}

proptest! {
    #[test]
    fn a_bucket_s_middle_is_near_all_that_falls_into_it(micros in 0..=(1_u64 << (MAX_POWER + 1)) - 1) {
        let found = middle(bucket(Duration::from_micros(micros))).as_micros() as f64;
        prop_assert!((found - micros as f64).abs() <= micros as f64 / 32.0, "{micros} became {found}");
    }

    #[test]
    fn longer_never_falls_into_an_earlier_bucket(one in any::<u64>(), other in any::<u64>()) {
        let (short, long) = (one.min(other), one.max(other));
        prop_assert!(bucket(Duration::from_micros(short)) <= bucket(Duration::from_micros(long)));
        prop_assert!(bucket(Duration::from_micros(long)) < BUCKETS);
    }
}
