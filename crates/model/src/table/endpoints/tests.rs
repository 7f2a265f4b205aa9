use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::endpoint::{Address, Endpoint as Settings, LocalityEndpoints};

fn endpoint(number: usize, weight: u32) -> Settings {
    let [.., high, low] = number.to_be_bytes();
    Settings {
        address: Address::Socket(format!("10.0.{high}.{low}:80").parse().unwrap()),
        weight,
        health: Health::Unknown,
        transport_match: BTreeMap::new(),
        workload: String::new(),
        hostname: String::new(),
    }
}

fn set(of: impl Iterator<Item = Settings>, policy: LbPolicy) -> EndpointSet {
    let localities = vec![LocalityEndpoints { endpoints: of.collect(), ..LocalityEndpoints::default() }];
    let assignment = LoadAssignment { localities, ..LoadAssignment::default() };
    EndpointSet::new(&assignment, &Balancing { policy, ..Balancing::default() })
}

fn owner(set: &EndpointSet, key: u64) -> String {
    let first = match set.priorities[0].hashing.as_ref().unwrap() {
        Hashing::Ring(ring) => ring.owners(key).next(),
        Hashing::Maglev(maglev) => maglev.owners(key).next(),
    };
    name(&set.endpoints[first.unwrap() as usize].settings.address)
}

fn keys() -> impl Iterator<Item = u64> {
    (0..4000u64).map(|number| xxhash_rust::xxh64::xxh64(&number.to_le_bytes(), 7))
}

const RING: LbPolicy = LbPolicy::RingHash { minimum_ring_size: 1024 };
const MAGLEV: LbPolicy = LbPolicy::Maglev { table_size: 65_537 };

#[test]
fn the_order_of_arrival_does_not_count() {
    for policy in [RING, MAGLEV] {
        let one = set((0..7).map(|n| endpoint(n, 1)), policy);
        let two = set((0..7).rev().map(|n| endpoint(n, 1)), policy);
        for key in keys() {
            assert_eq!(owner(&one, key), owner(&two, key));
        }
    }
}

#[test]
fn adding_or_losing_one_of_n_moves_about_one_nth_of_the_keys() {
    for policy in [RING, MAGLEV] {
        for n in [2, 3, 4, 5, 10, 40] {
            let fewer = set((0..n).map(|n| endpoint(n, 1)), policy);
            let more = set((0..=n).map(|n| endpoint(n, 1)), policy);
            let newcomer = name(&endpoint(n, 1).address);
            let moved = keys().filter(|key| owner(&fewer, *key) != owner(&more, *key)).count();
            let gained = keys().filter(|key| owner(&more, *key) == newcomer).count();
            #[expect(clippy::cast_precision_loss, reason = "4000 keys")]
            let share = |count: usize| count as f64 * (n + 1) as f64 / 4000.0;
            assert!(
                (0.7..1.4).contains(&share(gained)),
                "{policy:?} of {n}: the newcomer has {} shares",
                share(gained)
            );
            let bound = if n < 4 { 2.1 } else { 1.5 };
            assert!(share(moved) < bound, "{policy:?} of {n}: {} shares moved", share(moved));
        }
    }
}

#[test]
fn losing_one_moves_nobody_elses_keys_on_a_ring() {
    let all = set((0..10).map(|n| endpoint(n, 1)), RING);
    let fewer = set((0..10).filter(|n| *n != 4).map(|n| endpoint(n, 1)), RING);
    let lost = name(&endpoint(4, 1).address);
    for key in keys().filter(|key| owner(&all, *key) != lost) {
        assert_eq!(owner(&all, key), owner(&fewer, key));
    }
}

#[test]
fn keys_are_shared_by_weight() {
    for policy in [RING, MAGLEV] {
        let set = set([endpoint(0, 1), endpoint(1, 3), endpoint(2, 0)].into_iter(), policy);
        let heavy = name(&endpoint(1, 1).address);
        let count = keys().filter(|key| owner(&set, *key) == heavy).count();
        assert!((2700..3300).contains(&count), "{policy:?}: {count} of 4000");
        let none = name(&endpoint(2, 1).address);
        assert!(keys().all(|key| owner(&set, key) != none));
    }
}

#[test]
fn a_ring_has_as_many_points_as_asked_for_and_never_too_many() {
    for (minimum, count) in [(1024, 1), (1024, 3), (1, 2), (100_000, 10)] {
        let set = set((0..count).map(|n| endpoint(n, 1)), LbPolicy::RingHash { minimum_ring_size: minimum });
        let Some(Hashing::Ring(ring)) = &set.priorities[0].hashing else { unreachable!() };
        assert!(ring.len() as u64 >= minimum, "{} of {minimum}", ring.len());
    }
    let lopsided = [endpoint(0, 1), endpoint(1, u32::MAX)];
    let set = set(lopsided.into_iter(), LbPolicy::RingHash { minimum_ring_size: 1024 });
    let Some(Hashing::Ring(ring)) = &set.priorities[0].hashing else { unreachable!() };
    assert!((1024..=262_146).contains(&ring.len()), "{}", ring.len());
}

#[test]
fn a_maglev_table_of_no_prime_size_is_of_the_usual_one() {
    for (asked, size) in [(65_537, 65_537), (65_536, 65_537), (0, 65_537), (251, 251), (u64::MAX, 65_537)] {
        let set = set((0..3).map(|n| endpoint(n, 1)), LbPolicy::Maglev { table_size: asked });
        let Some(Hashing::Maglev(maglev)) = &set.priorities[0].hashing else { unreachable!() };
        assert_eq!(maglev.len(), size);
    }
}

#[test]
fn a_repeated_address_counts_once_and_priorities_have_no_gap() {
    let of = |priority, numbers: &[usize]| LocalityEndpoints {
        priority,
        endpoints: numbers.iter().map(|n| endpoint(*n, 1)).collect(),
        ..LocalityEndpoints::default()
    };
    let localities = vec![of(5, &[1, 2]), of(0, &[0, 1, 0])];
    let set =
        EndpointSet::new(&LoadAssignment { localities, ..LoadAssignment::default() }, &Balancing::default());
    assert_eq!(set.endpoints.len(), 3);
    assert_eq!(set.priorities.iter().map(|priority| priority.total).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(set.endpoints[2].priority, 1);
}

#[test]
fn the_unhealthy_and_the_draining_are_there_but_not_among_the_healthy() {
    let mut of: Vec<Settings> = (0..4).map(|n| endpoint(n, 1)).collect();
    of[0].health = Health::Unhealthy;
    of[1].health = Health::Draining;
    of[2].health = Health::Degraded;
    let set = set(of.into_iter(), LbPolicy::RoundRobin);
    let [only] = &set.priorities[..] else { unreachable!() };
    assert_eq!((only.total, only.healthy.members.len(), only.degraded.members.len()), (4, 1, 1));
}

proptest! {
    #[test]
    fn a_draw_falls_on_each_member_as_often_as_it_weighs(weights in prop::collection::vec(0u32..5, 1..12)) {
        let set = set(weights.iter().enumerate().map(|(n, weight)| endpoint(n, *weight)), LbPolicy::Random);
        let group = &set.priorities[0].healthy;
        let mut counts = vec![0u64; group.members.len()];
        for draw in 0..group.total() {
            counts[group.drawn(draw)] += 1;
        }
        for (place, count) in counts.iter().enumerate() {
            prop_assert_eq!(*count, group.weight(place));
            prop_assert_eq!(*count, u64::from(set.endpoints[group.members[place] as usize].settings.weight));
        }
    }
}
