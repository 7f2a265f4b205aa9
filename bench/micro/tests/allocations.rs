//! Decisions do not allocate.

use allocation_counter::measure;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_bench_micro::{Calm, cluster, connection, get, policies, principal, routes};
use weft_model::cluster::{LbPolicy, OutlierDetection};
use weft_model::request::Peer;
use weft_policy::balance::{Before, Turn, pick};
use weft_policy::{authorize, breaker, outlier, route};

/// How often `decide` allocates once it is warm: a regex keeps its scratch space from its first use on.
fn allocations(mut decide: impl FnMut()) -> u64 {
    decide();
    measure(|| (0..100).for_each(|_| decide())).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 100);
}

#[test]
fn authorization_does_not_allocate() {
    let gates = policies(100);
    let mut verdicts = std::collections::HashSet::new();
    for client in [0, 1, 2, 39, 40, 41, 42, 98] {
        let peer = Peer::from_uri_sans(vec![principal(client)]);
        let connection = connection(&peer);
        for path in [
            format!("/api/v1/{client}/x/risk"),
            format!("/api/v1/{client}"),
            format!("/{client}/health"),
            "/x".into(),
        ] {
            let request = get("service", path);
            assert_eq!(
                allocations(|| drop(authorize::request(&gates, &request, &connection))),
                0,
                "{request:?}"
            );
            let verdict = authorize::request(&gates, &request, &connection).verdict;
            verdicts.insert(std::mem::discriminant(&verdict));
        }
    }
    assert_eq!(verdicts.len(), 2, "some were allowed, some denied");
}

#[test]
fn routing_does_not_allocate() {
    let table = routes(1000, 1000);
    let mut rng = SmallRng::seed_from_u64(1);
    for (authority, path) in [
        ("service-700.selfmonitor.svc.cluster.local:80", "/api/v1/2/list?page=2"),
        ("a.b.wild.example", "/x"),
        ("nowhere", "/"),
        ("service-0", "/api/v1/700/list"),
        ("service-0", "/none"),
    ] {
        let request = get(authority, path);
        assert!(matches!(route::route(&table, &request, 0, &mut rng), route::Decision::Forward(_)));
        assert_eq!(
            allocations(|| {
                let _ = std::hint::black_box(route::route(&table, &request, 0, &mut rng));
            }),
            0,
            "{request:?}"
        );
    }
}

#[test]
fn outlier_detection_and_breakers_do_not_allocate() {
    let settings = outlier::Settings::new(&OutlierDetection::default());
    let (streaks, count) = (outlier::Streaks::default(), breaker::Count::default());
    for status in [200, 404, 500, 503] {
        let counted = allocations(|| {
            let _ = std::hint::black_box(streaks.note(&settings, outlier::Outcome::Answered(status)));
            count.enter(breaker::Resource::Requests, 10).expect("nobody else is in");
            count.leave();
        });
        assert_eq!(counted, 0, "{status}");
    }
}

#[test]
fn balancing_does_not_allocate() {
    for policy in [
        LbPolicy::RoundRobin,
        LbPolicy::LeastRequest { choices: 2 },
        LbPolicy::Random,
        LbPolicy::RingHash { minimum_ring_size: 1024 },
        LbPolicy::Maglev { table_size: 65_537 },
    ] {
        let cluster = cluster(policy, 20, |number| u32::from(number % 3) + 1);
        let (mut turn, mut rng) = (Turn::default(), SmallRng::seed_from_u64(1));
        let count = allocations(|| {
            pick(&cluster, &Calm, &mut turn, Some(42), Before::endpoints(&[3]), &mut rng)
                .expect("everybody is well");
        });
        assert_eq!(count, 0, "{policy:?}");
    }
}
