use proptest::prelude::*;
use weft_model::route::HeaderOperations;
use weft_model::table::Names;

use super::*;

fn of(weights: &[u32]) -> (Vec<Destination>, u64) {
    let mut names = Names::default();
    let destination = |(place, weight): (usize, &u32)| Destination {
        cluster: names.cluster(&place.to_string()),
        weight: *weight,
        headers: HeaderOperations::default(),
        host_rewrite: None,
    };
    let all = weights.iter().enumerate().map(destination).collect();
    (all, weights.iter().map(|weight| u64::from(*weight)).sum())
}

fn place(of: &Destination) -> usize {
    of.cluster.name.parse().unwrap()
}

/// The farthest that the share of anybody is from what it should be, in any window of that length.
fn worst(weights: &[u32], start: u64, picks: usize, window: usize) -> f64 {
    let (all, total) = of(weights);
    let turn = AtomicU64::new(start);
    let picked: Vec<usize> = (0..picks).map(|_| place(in_turn(&all, total, &turn))).collect();
    let mut counts = vec![0_i32; weights.len()];
    let mut worst: f64 = 0.0;
    for (n, own) in picked.iter().enumerate() {
        counts[*own] += 1;
        if n >= window {
            counts[picked[n - window]] -= 1;
        }
        if n + 1 >= window {
            for (count, weight) in counts.iter().zip(weights) {
                let share = f64::from(*count) / window as f64;
                worst = worst.max((share - f64::from(*weight) / total as f64).abs());
            }
        }
    }
    worst
}

#[test]
fn a_canary_of_ten_percent_gets_ten_percent_of_any_thousand_requests() {
    let off = worst(&[90, 10], 0, 20_000, 1000);
    assert!(off <= 0.003, "{off}");
    let off = worst(&[99, 1], 12345, 50_000, 10_000);
    assert!(off <= 0.0005, "{off}");
    assert!(worst(&[90, 10], 7, 1000, 100) <= 0.03);
}

#[test]
fn a_key_stays_where_it_is_and_moves_only_with_the_weights() {
    let (before, total) = of(&[90, 10]);
    let (after, _) = of(&[80, 20]);
    let mut moved = 0;
    for key in (0..10_000_u64).map(|n| n.wrapping_mul(0x2545_f491_4f6c_dd1d)) {
        let (old, new) = (place(by_key(&before, total, key)), place(by_key(&after, total, key)));
        assert_eq!(old, place(by_key(&before, total, key)));
        assert!(old == new || (old, new) == (0, 1), "nobody leaves the canary as it grows");
        moved += usize::from(old != new);
    }
    assert!((900..1100).contains(&moved), "{moved}");
}

#[test]
fn workers_count_together() {
    let (all, total) = of(&[75, 20, 5]);
    let turn = AtomicU64::new(u64::MAX - 5000);
    let counts: Vec<AtomicU64> = all.iter().map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2500 {
                    counts[place(in_turn(&all, total, &turn))].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    for (count, wanted) in counts.iter().zip([7500.0, 2000.0, 500.0]) {
        let off = (count.load(Ordering::Relaxed) as f64 - wanted).abs();
        assert!(off <= 50.0, "{counts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_thousand_in_a_row_are_within_one_percent_and_ten_thousand_within_a_half(
        weights in prop::collection::vec(0u32..1000, 1..6).prop_filter("somebody", |w| w.iter().any(|w| *w > 0)),
        start: u64,
    ) {
        prop_assert!(worst(&weights, start, 5000, 1000) <= 0.01);
        prop_assert!(worst(&weights, start, 12_000, 10_000) <= 0.005);
    }

    #[test]
    fn nobody_without_weight_is_picked(
        weights in prop::collection::vec(prop_oneof![Just(0u32), any::<u32>()], 1..6)
            .prop_filter("somebody", |w| w.iter().any(|w| *w > 0)),
        start: u64,
        key: u64,
    ) {
        let (all, total) = of(&weights);
        let turn = AtomicU64::new(start);
        for _ in 0..50 {
            prop_assert!(in_turn(&all, total, &turn).weight > 0);
        }
        prop_assert!(by_key(&all, total, key).weight > 0);
    }
}
