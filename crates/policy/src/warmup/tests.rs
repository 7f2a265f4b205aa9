use proptest::prelude::*;

use super::*;

const fn slow(window: u64, aggression: f64, min_weight_percent: f64) -> SlowStart {
    SlowStart { window: Duration::from_secs(window), aggression, min_weight_percent }
}

fn at(settings: &SlowStart, secs: u64) -> f64 {
    share(settings, Duration::from_secs(secs))
}

#[test]
fn a_straight_line_from_its_floor_to_the_whole() {
    let settings = slow(100, 1.0, 10.0);
    for (secs, wanted) in
        [(0, 0.1), (5, 0.1), (10, 0.1), (25, 0.25), (50, 0.5), (99, 0.99), (100, 1.0), (1000, 1.0)]
    {
        assert!((at(&settings, secs) - wanted).abs() < 1e-9, "after {secs} s");
    }
}

#[test]
fn aggression_bends_the_line() {
    assert!((at(&slow(100, 2.0, 0.0), 25) - 0.5).abs() < 1e-9, "fast at first");
    assert!((at(&slow(100, 0.5, 0.0), 50) - 0.25).abs() < 1e-9, "slow at first");
}

#[test]
fn without_a_window_nothing_is_slow() {
    assert!((at(&slow(0, 1.0, 10.0), 0) - 1.0).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_rises_and_stays_within_its_bounds(
        window in 0u64..1000, aggression in 0.01f64..10.0, floor in 0.0f64..100.0, a in 0u64..2000, b in 0u64..2000,
    ) {
        let settings = slow(window, aggression, floor);
        let (early, late) = (at(&settings, a.min(b)), at(&settings, a.max(b)));
        prop_assert!(early <= late && early > 0.0 && late <= 1.0);
        prop_assert!(early >= floor / 100.0 - 1e-9);
    }
}
