use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::cluster::{self, Balancing};
use weft_model::compile;
use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, Locality, LocalityEndpoints};

use super::*;

/// What a test knows of a cluster's endpoints.
#[derive(Default)]
struct Seen {
    active: BTreeMap<usize, u32>,
    down: Vec<usize>,
    cold: BTreeMap<usize, f64>,
    asked_how_warm: Cell<u32>,
    newcomers: u64,
    set: u64,
    degraded: Vec<usize>,
}

impl Load for Seen {
    fn active(&self, endpoint: usize) -> u32 {
        self.active.get(&endpoint).copied().unwrap_or(0)
    }
    fn usable(&self, endpoint: usize) -> bool {
        !self.down.contains(&endpoint)
    }
    fn warmth(&self, endpoint: usize) -> f64 {
        self.asked_how_warm.update(|times| times + 1);
        self.cold.get(&endpoint).copied().unwrap_or(1.0)
    }
    fn degraded(&self, endpoint: usize) -> bool {
        self.degraded.contains(&endpoint)
    }
    fn newcomers(&self) -> Option<Newcomers> {
        Some(Newcomers { of: self.set, count: self.newcomers })
    }
}

fn endpoint(number: usize, weight: u32) -> Endpoint {
    Endpoint {
        address: Address::Socket(format!("10.0.0.{number}:80").parse().unwrap()),
        weight,
        health: Health::Unknown,
        transport_match: BTreeMap::new(),
        workload: String::new(),
        hostname: String::new(),
    }
}

fn locality(priority: u32, zone: &str, weight: u32, endpoints: Vec<Endpoint>) -> LocalityEndpoints {
    let locality = Locality { zone: zone.into(), ..Locality::default() };
    LocalityEndpoints { locality, weight: Some(weight), priority, endpoints }
}

fn cluster_of(balancing: Balancing, localities: Vec<LocalityEndpoints>) -> Cluster {
    let settings = cluster::Cluster {
        name: "outbound|80||a".into(),
        load_assignment: Some(LoadAssignment { localities, ..LoadAssignment::default() }),
        balancing,
        ..cluster::Cluster::default()
    };
    compile::cluster(Arc::new(settings), None).unwrap().part
}

fn by(policy: LbPolicy) -> Balancing {
    Balancing { policy, ..Balancing::default() }
}

fn weighted(policy: LbPolicy, weights: &[u32]) -> Cluster {
    let endpoints = weights.iter().enumerate().map(|(number, weight)| endpoint(number, *weight)).collect();
    cluster_of(by(policy), vec![locality(0, "", 1, endpoints)])
}

const LEAST: LbPolicy = LbPolicy::LeastRequest { choices: 2 };
const RING: LbPolicy = LbPolicy::RingHash { minimum_ring_size: 1024 };
const MAGLEV: LbPolicy = LbPolicy::Maglev { table_size: 65_537 };
const ALL: [LbPolicy; 5] = [LbPolicy::RoundRobin, LEAST, LbPolicy::Random, RING, MAGLEV];

struct Picker {
    cluster: Cluster,
    seen: Seen,
    turn: Turn,
    rng: SmallRng,
}

impl Picker {
    fn of(cluster: Cluster) -> Self {
        Self { cluster, seen: Seen::default(), turn: Turn::default(), rng: SmallRng::seed_from_u64(11) }
    }

    fn pick(&mut self, hash: Option<u64>, exclude: &[usize]) -> Result<usize, NoEndpoint> {
        self.picked(hash, exclude).map(|picked| picked.endpoint)
    }

    fn picked(&mut self, hash: Option<u64>, exclude: &[usize]) -> Result<Picked, NoEndpoint> {
        self.again(hash, Before::endpoints(exclude))
    }

    fn again(&mut self, hash: Option<u64>, before: Before<'_>) -> Result<Picked, NoEndpoint> {
        pick(&self.cluster, &self.seen, &mut self.turn, hash, before, &mut self.rng)
    }

    fn counts(&mut self, times: usize) -> Vec<usize> {
        let mut counts = vec![0; self.cluster.endpoints.endpoints.len()];
        for _ in 0..times {
            counts[self.pick(None, &[]).unwrap()] += 1;
        }
        counts
    }
}

#[test]
fn turns_are_smooth_and_exact_by_weight() {
    let mut picker = Picker::of(weighted(LbPolicy::RoundRobin, &[5, 1, 1]));
    let order: Vec<usize> = (0..7).map(|_| picker.pick(None, &[]).unwrap()).collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0], "as smooth weighted turns are");
    assert_eq!(picker.counts(70), [50, 10, 10]);
    assert_eq!(Picker::of(weighted(LbPolicy::RoundRobin, &[1, 1, 1])).counts(30), [10, 10, 10]);
}

#[test]
fn turns_skip_who_is_down_and_go_on_after_a_change_of_endpoints() {
    let mut picker = Picker::of(weighted(LbPolicy::RoundRobin, &[1, 1, 1]));
    picker.seen.down = vec![1];
    assert_eq!(picker.counts(20), [10, 0, 10]);
    picker.cluster = weighted(LbPolicy::RoundRobin, &[1, 1, 1, 1, 1]);
    picker.seen.down.clear();
    assert_eq!(picker.counts(50), [10; 5]);
}

#[test]
fn chance_goes_by_weight_and_zero_gets_nothing() {
    for policy in [LbPolicy::Random, LEAST, LbPolicy::RoundRobin] {
        let counts = Picker::of(weighted(policy, &[1, 3, 0])).counts(4000);
        assert_eq!(counts[2], 0, "{policy:?}");
        assert!((2850..3150).contains(&counts[1]), "{policy:?}: {counts:?}");
    }
}

#[test]
fn the_busy_one_is_left_alone() {
    let mut picker = Picker::of(weighted(LEAST, &[1, 1]));
    picker.seen.active.insert(0, 10);
    let counts = picker.counts(1000);
    // Both draws fall on the busy one in a quarter of the cases.
    assert!((180..320).contains(&counts[0]), "{counts:?}");
    let mut picker = Picker::of(weighted(LbPolicy::LeastRequest { choices: 10 }, &[1, 1]));
    picker.seen.active.insert(0, 10);
    assert!(picker.counts(1000)[0] < 20);
}

#[test]
fn load_counts_for_its_weight() {
    let mut picker = Picker::of(weighted(LbPolicy::LeastRequest { choices: 20 }, &[1, 4]));
    picker.seen.active = BTreeMap::from([(0, 2), (1, 4)]);
    assert!(picker.counts(500)[1] > 450, "four on a weight of four are less than two on one");
}

#[test]
fn who_warms_up_gets_its_weight_times_its_warmth() {
    for policy in [LbPolicy::RoundRobin, LEAST] {
        let mut picker = Picker::of(weighted(policy, &[1, 1, 1, 1, 1]));
        picker.seen.cold.insert(4, 0.1);
        let counts = picker.counts(8200);
        assert!((150..260).contains(&counts[4]), "a tenth of the others': {policy:?} {counts:?}");
        picker.seen.cold = (0..5).map(|of| (of, 0.1)).collect();
        let counts = picker.counts(5000);
        assert!(counts.iter().all(|count| (880..1120).contains(count)), "all new, all alike: {counts:?}");
        picker.seen.down = vec![0, 1];
        picker.seen.cold = BTreeMap::from([(4, 0.5)]);
        let counts = picker.counts(3000);
        assert!((530..670).contains(&counts[4]), "half of the others': {policy:?} {counts:?}");
    }
    let mut picker = Picker::of(weighted(LbPolicy::Random, &[1, 1]));
    picker.seen.cold.insert(1, 0.1);
    assert!(picker.counts(1000)[1] > 400, "by chance nobody warms up, as in Envoy");
}

#[test]
fn who_is_alone_is_not_asked_how_warm_it_is() {
    let asked = [&[1][..], &[1, 1]].map(|weights| {
        let mut picker = Picker::of(weighted(LbPolicy::RoundRobin, weights));
        picker.seen.cold.insert(0, 0.1);
        picker.counts(4);
        picker.seen.asked_how_warm.get() > 0
    });
    assert_eq!(asked, [false, true]);
}

#[test]
fn once_all_are_warm_nobody_is_asked_again_until_somebody_comes() {
    let mut picker = Picker::of(weighted(LEAST, &[1, 1]));
    picker.seen.cold.insert(1, 0.9);
    picker.counts(10);
    picker.seen.cold.insert(1, 0.01);
    assert!(picker.counts(1000)[1] < 100, "while one is not warm, it counts how warm it is");
    picker.seen.cold.clear();
    picker.counts(10);
    picker.seen.cold.insert(1, 0.01);
    assert!(picker.counts(1000)[1] > 400, "who is warm stays warm");
    picker.seen.newcomers += 1;
    assert!(picker.counts(1000)[1] < 100, "somebody has come");
    picker.seen.cold.clear();
    picker.counts(10);
    picker.seen.cold.insert(1, 0.01);
    picker.seen.set += 1;
    assert!(picker.counts(1000)[1] < 100, "these are others");
}

#[test]
fn what_was_tried_is_avoided_while_there_is_something_else() {
    for policy in ALL {
        let mut picker = Picker::of(weighted(policy, &[1, 1, 1]));
        for key in 0..200 {
            let first = picker.pick(Some(key), &[]).unwrap();
            assert_ne!(picker.pick(Some(key), &[first]).unwrap(), first, "{policy:?}");
            assert!(picker.pick(Some(key), &[0, 1, 2]).is_ok(), "{policy:?}: better again than not at all");
        }
    }
}

#[test]
fn a_key_stays_put_and_moves_only_when_its_endpoint_is_out() {
    for policy in [RING, MAGLEV] {
        let mut picker = Picker::of(weighted(policy, &[1; 10]));
        let before: Vec<usize> = (0..500)
            .map(|key| picker.pick(Some(u64::wrapping_mul(key, 0x9e37_79b9_7f4a_7c15)), &[]).unwrap())
            .collect();
        picker.seen.down = vec![3];
        let after: Vec<usize> = (0..500)
            .map(|key| picker.pick(Some(u64::wrapping_mul(key, 0x9e37_79b9_7f4a_7c15)), &[]).unwrap())
            .collect();
        for (before, after) in before.iter().zip(&after) {
            assert_ne!(*after, 3);
            assert!(*before == 3 || before == after, "{policy:?}: {before} became {after}");
        }
        assert!(before.contains(&3));
    }
}

#[test]
fn without_a_key_a_hashing_policy_goes_by_chance() {
    let counts = Picker::of(weighted(RING, &[1, 1])).counts(1000);
    assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
}

#[test]
fn two_proxies_agree_whatever_the_order_of_arrival() {
    let endpoints = |order: &[usize]| order.iter().map(|n| endpoint(*n, 1)).collect();
    let one = |order| Picker::of(cluster_of(by(RING), vec![locality(0, "", 1, endpoints(order))]));
    let (mut a, mut b) = (one(&[1, 2, 3, 4]), one(&[4, 2, 3, 1]));
    for key in 0..500u64 {
        let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert_eq!(a.pick(Some(key), &[]), b.pick(Some(key), &[]));
    }
}

#[test]
fn nobody_there_and_nobody_well_are_told_apart() {
    let mut empty = Picker::of(cluster_of(Balancing::default(), vec![]));
    assert_eq!(empty.pick(None, &[]), Err(NoEndpoint::Empty));
    let no_panic = Balancing { panic_threshold: Some(0.0), ..Balancing::default() };
    for policy in ALL {
        let mut of = no_panic.clone();
        of.policy = policy;
        let mut picker =
            Picker::of(cluster_of(of, vec![locality(0, "", 1, vec![endpoint(0, 1), endpoint(1, 1)])]));
        picker.seen.down = vec![0, 1];
        assert_eq!(picker.pick(Some(1), &[]), Err(NoEndpoint::NoneUsable { total: 2 }), "{policy:?}");
        picker.seen.down = vec![0];
        assert_eq!(picker.pick(Some(1), &[]), Ok(1), "{policy:?}");
    }
}

#[test]
fn below_half_everybody_is_tried_unless_that_is_switched_off() {
    let mut picker = Picker::of(weighted(LbPolicy::Random, &[1, 1, 1, 1]));
    picker.seen.down = vec![0, 1, 2];
    assert!(picker.counts(400).iter().all(|count| *count > 50), "a quarter is well: panic");
    assert!(picker.picked(None, &[]).unwrap().panic);
    picker.seen.down = vec![0, 1];
    assert_eq!(picker.counts(400)[..2], [0, 0], "half is well: no panic");
    assert!(!picker.picked(None, &[]).unwrap().panic);
    picker.seen.down = vec![0, 1, 2, 3];
    assert!(picker.pick(None, &[]).is_ok());
}

#[test]
fn where_too_few_are_well_anywhere_all_of_all_priorities_are_used_alike_and_a_key_stays_put() {
    let of = |priority, from, to| {
        locality(priority, "", 1, (from..to).map(|number| endpoint(number, 1)).collect())
    };
    for down in [vec![1, 2, 3, 4, 5], (0..6).collect()] {
        let mut picker = Picker::of(cluster_of(by(LbPolicy::Random), vec![of(0, 1, 5), of(1, 5, 7)]));
        picker.seen.down.clone_from(&down);
        let counts = picker.counts(6000);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "without {down:?}: {counts:?}");
        for policy in [RING, MAGLEV] {
            let mut picker = Picker::of(cluster_of(by(policy), vec![of(0, 1, 5), of(1, 5, 7)]));
            picker.seen.down.clone_from(&down);
            for key in 0..50 {
                let first = picker.picked(Some(key), &[]).unwrap();
                assert!(first.panic);
                assert!((0..5).all(|_| picker.picked(Some(key), &[]) == Ok(first)), "{policy:?}");
            }
        }
    }
    // The second priority carries everything: nobody panics.
    let mut picker = Picker::of(cluster_of(by(LbPolicy::Random), vec![of(0, 1, 5), of(1, 5, 7)]));
    picker.seen.down = vec![0, 1, 2, 3];
    assert_eq!(picker.counts(100)[..4], [0; 4]);
}

#[test]
fn the_draining_and_the_unhealthy_get_nothing_and_the_degraded_come_last() {
    let with = |health| Endpoint { health, ..endpoint(9, 1) };
    for health in [Health::Draining, Health::Unhealthy, Health::Degraded] {
        let endpoints = vec![endpoint(1, 1), endpoint(2, 1), endpoint(3, 1), with(health)];
        let mut picker = Picker::of(cluster_of(by(LbPolicy::Random), vec![locality(0, "", 1, endpoints)]));
        assert_eq!(picker.counts(300)[3], 0, "{health:?}");
    }
    let endpoints = vec![Endpoint { health: Health::Unhealthy, ..endpoint(1, 1) }, with(Health::Degraded)];
    let mut picker = Picker::of(cluster_of(by(LbPolicy::Random), vec![locality(0, "", 1, endpoints)]));
    assert_eq!(picker.counts(100), [0, 100]);
}

#[test]
fn who_says_that_it_is_degraded_gets_what_the_others_cannot_take() {
    let mut picker = Picker::of(weighted(LbPolicy::Random, &[1; 4]));
    picker.seen.degraded = vec![3];
    // Three of four carry 105 %: all of it.
    assert_eq!(picker.counts(400)[3], 0);
    // Two of four carry 70 %, one degraded 35 %.
    picker.seen.down = vec![2];
    let counts = picker.counts(4000);
    assert!((1080..1320).contains(&counts[3]) && counts[2] == 0, "{counts:?}");
    picker.seen.degraded = vec![0, 1, 3];
    let counts = picker.counts(300);
    assert!(counts[2] == 0 && counts[3] > 50, "better than nobody: {counts:?}");
    picker.seen.down.clear();
    picker.seen.degraded = vec![0, 1, 2, 3];
    assert!(picker.counts(400).iter().all(|count| *count > 50));
}

#[test]
fn load_spills_over_when_the_first_priority_cannot_carry_it() {
    let endpoints = |from| (from..from + 10).map(|n| endpoint(n, 1)).collect();
    let localities = vec![locality(0, "a", 1, endpoints(0)), locality(1, "b", 1, endpoints(10))];
    let mut picker = Picker::of(cluster_of(by(LbPolicy::Random), localities));
    let share = |picker: &mut Picker| picker.counts(2000)[..10].iter().sum::<usize>() as f64 / 2000.0;
    assert!((share(&mut picker) - 1.0).abs() < f64::EPSILON);
    // 8 of 10 carry 112 %: all of it.
    picker.seen.down = vec![0, 1];
    assert!((share(&mut picker) - 1.0).abs() < f64::EPSILON);
    // 5 of 10 carry 70 %.
    picker.seen.down = (0..5).collect();
    assert!((share(&mut picker) - 0.7).abs() < 0.05);
    picker.seen.down = (0..10).collect();
    assert!(share(&mut picker) < f64::EPSILON);
}

#[test]
fn a_retry_goes_to_another_priority_once_so_many_were_tried_and_anywhere_once_all_were() {
    let of = |priority, from| {
        let endpoints = (from..from + 3).map(|number| endpoint(number, 1)).collect();
        locality(priority, "", 1, endpoints)
    };
    let mut picker = Picker::of(cluster_of(by(LbPolicy::Random), vec![of(0, 1), of(1, 4)]));
    let priorities = |picker: &mut Picker, tried: &[usize], every| -> Vec<usize> {
        let before = Before { tried, avoided: tried, priorities_after: every };
        let mut all: Vec<_> = (0..200).map(|_| picker.again(None, before).unwrap().priority).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert_eq!(priorities(&mut picker, &[0, 1], None), [0], "nobody asks for it");
    assert_eq!(priorities(&mut picker, &[0], Some(1)), [1]);
    assert_eq!(priorities(&mut picker, &[0], Some(2)), [0], "one more may go there");
    assert_eq!(priorities(&mut picker, &[0, 1], Some(2)), [1]);
    assert_eq!(priorities(&mut picker, &[0, 1, 3], Some(2)), [1], "the third is looked at with the fourth");
    assert_eq!(priorities(&mut picker, &[0, 1, 3, 4], Some(2)), [0], "both were: as if none had been");
    picker.seen.down = vec![3, 4, 5];
    assert_eq!(priorities(&mut picker, &[0, 1], Some(2)), [0], "nobody is well elsewhere");
}

#[test]
fn localities_share_by_weight_and_by_health_where_they_are_weighted() {
    let endpoints = |from| (from..from + 4).map(|n| endpoint(n, 1)).collect();
    let localities = || {
        vec![
            locality(0, "a", 3, endpoints(0)),
            locality(0, "b", 1, endpoints(4)),
            locality(0, "c", 0, endpoints(8)),
        ]
    };
    let weighted = Balancing { policy: LbPolicy::Random, locality_weighted: true, ..Balancing::default() };
    let mut picker = Picker::of(cluster_of(weighted, localities()));
    let share =
        |picker: &mut Picker, range: std::ops::Range<usize>| picker.counts(4000)[range].iter().sum::<usize>();
    assert!((2850..3150).contains(&share(&mut picker, 0..4)));
    assert_eq!(share(&mut picker, 8..12), 0);
    // Half of a is down: 70 % of 3, against 1.
    picker.seen.down = vec![0, 1];
    assert!((2560..2860).contains(&share(&mut picker, 0..4)));
    let mut flat = Picker::of(cluster_of(by(LbPolicy::Random), localities()));
    assert!((1150..1500).contains(&share(&mut flat, 8..12)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_picked_may_be_used(
        weights in prop::collection::vec(0u32..4, 1..8),
        down in prop::collection::vec(0usize..8, 0..8),
        exclude in prop::collection::vec(0usize..8, 0..3),
        policy in 0usize..5,
        key: u64,
    ) {
        let policy = match ALL[policy] {
            LbPolicy::Maglev { .. } => LbPolicy::Maglev { table_size: 251 },
            other => other,
        };
        let endpoints = weights.iter().enumerate().map(|(number, weight)| endpoint(number, *weight)).collect();
        let settings = Balancing { panic_threshold: Some(0.0), ..by(policy) };
        let mut picker = Picker::of(cluster_of(settings, vec![locality(0, "", 1, endpoints)]));
        picker.seen.down = down;
        let may = |picker: &Picker, place: usize| picker.seen.usable(place) && weights[place] > 0;
        let others = (0..weights.len()).any(|place| may(&picker, place) && !exclude.contains(&place));
        let any = (0..weights.len()).any(|place| may(&picker, place));
        match picker.pick(Some(key), &exclude) {
            Ok(place) => {
                prop_assert!(may(&picker, place));
                prop_assert!(!others || !exclude.contains(&place), "{policy:?}");
            }
            Err(_) => prop_assert!(!any, "{policy:?}"),
        }
    }
}
