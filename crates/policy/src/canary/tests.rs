use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
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

/// Whose requests follow each other.
#[derive(Debug, Clone, Copy)]
enum Whose {
    One,
    InTurn,
    ByChance,
}

/// The farthest that the share of anybody is from what it should be, in any window of that length.
fn worst(weights: &[u32], start: u64, whose: Whose, picks: usize, window: usize) -> f64 {
    let (all, total) = of(weights);
    // Lanes begin anywhere.
    let turns =
        PerLane::from_fn(|lane| AtomicU64::new(start.wrapping_add(0x2545_f491_4f6c_dd1d * lane as u64)));
    let mut chance = SmallRng::seed_from_u64(start);
    let mut worker = |n| match whose {
        Whose::One => 0,
        Whose::InTurn => n,
        Whose::ByChance => chance.random_range(0..8),
    };
    let picked: Vec<usize> = (0..picks).map(|n| place(in_turn(&all, total, &turns, worker(n)))).collect();
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
    for whose in [Whose::One, Whose::InTurn, Whose::ByChance] {
        let off = worst(&[90, 10], 0, whose, 20_000, 1000);
        assert!(off < 0.0045, "{whose:?}: {off}");
        let off = worst(&[99, 1], 12345, whose, 50_000, 10_000);
        assert!(off < 0.00065, "{whose:?}: {off}");
        let off = worst(&[90, 10], 7, whose, 1000, 100);
        assert!(off < 0.045, "{whose:?}: {off}");
    }
    assert!(worst(&[90, 10], 0, Whose::One, 20_000, 1000) <= 0.003);
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
fn workers_at_once_lose_no_turn() {
    let (all, total) = of(&[75, 20, 5]);
    let turns = PerLane::from_fn(|lane| AtomicU64::new(u64::MAX - 5000 - lane as u64));
    let counts: Vec<AtomicU64> = all.iter().map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (all, turns, counts) = (&all, &turns, &counts);
            scope.spawn(move || {
                for _ in 0..2500 {
                    counts[place(in_turn(all, total, turns, worker))].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let [one, other] = turns.each(|turn| turn.load(Ordering::Relaxed));
    assert_eq!(
        one.wrapping_add(other),
        (u64::MAX - 5000).wrapping_mul(2).wrapping_sub(1).wrapping_add(10_000)
    );
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
        whose in prop_oneof![Just(Whose::One), Just(Whose::InTurn), Just(Whose::ByChance)],
    ) {
        prop_assert!(worst(&weights, start, whose, 5000, 1000) <= 0.01);
        prop_assert!(worst(&weights, start, whose, 12_000, 10_000) <= 0.005);
    }

    #[test]
    fn nobody_without_weight_is_picked(
        weights in prop::collection::vec(prop_oneof![Just(0u32), any::<u32>()], 1..6)
            .prop_filter("somebody", |w| w.iter().any(|w| *w > 0)),
        start: u64,
        key: u64,
    ) {
        let (all, total) = of(&weights);
        let turns = PerLane::from_fn(|_| AtomicU64::new(start));
        for worker in 0..50 {
            prop_assert!(in_turn(&all, total, &turns, worker).weight > 0);
        }
        prop_assert!(by_key(&all, total, key).weight > 0);
    }
}
