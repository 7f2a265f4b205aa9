//! What one decision costs: authorization, routing, balancing, outlier detection and breakers.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_bench_micro::{Calm, alike, cluster, connection, get, policies, principal, routes};
use weft_model::cluster::{CircuitBreakers, LbPolicy, OutlierDetection};
use weft_model::request::Peer;
use weft_policy::balance::{Before, Turn, pick};
use weft_policy::{authorize, breaker, outlier, route};

fn authorization(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authorize");
    for count in [1, 10, 100, 1000] {
        let gates = policies(count);
        // A client whom the ALLOW policy of its own number lets in.
        let client = count * 2 / 5 / 20 * 20;
        let peer = Peer::from_uri_sans(vec![principal(client)]);
        let connection = connection(&peer);
        for (allowed, path) in
            [(true, format!("/api/v1/{client}/x?page=2")), (false, "/nowhere/at/all".into())]
        {
            let request = get("service", path);
            let verdict = authorize::request(&gates, &request, &connection).verdict;
            assert_eq!(matches!(verdict, authorize::Verdict::Allowed { .. }), allowed);
            let name = if allowed { "allowed" } else { "denied" };
            group.bench_function(format!("{count} policies, {name}"), |bencher| {
                bencher.iter(|| authorize::request(black_box(&gates), black_box(&request), &connection));
            });
        }
    }
    // The worst case: who, where and how leave all of them, and the last condition of each refuses.
    let peer = Peer::from_uri_sans(vec![principal(0)]);
    let (gates, request) = (alike(100), get("service", "/"));
    group.bench_function("100 policies, all of them asked", |bencher| {
        bencher.iter(|| authorize::request(black_box(&gates), black_box(&request), &connection(&peer)));
    });
    group.finish();
}

fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    let table = routes(1000, 1000);
    let mut rng = SmallRng::seed_from_u64(1);
    for (name, authority, path) in [
        ("1000 hosts, exact", "service-700.selfmonitor.svc.cluster.local:80", "/api/v1/2/list?page=2"),
        ("1000 hosts, short name", "Service-700", "/"),
        ("1000 hosts, suffix", "a.b.wild.example", "/x"),
        ("1000 hosts, unknown", "api.elsewhere.example", "/x"),
        ("1000 routes, one of them", "service-0", "/api/v1/700/list?page=2"),
        ("1000 routes, the last", "service-0", "/none/of/them"),
    ] {
        let request = get(authority, path);
        group.bench_function(name, |bencher| {
            bencher.iter(|| route::route(black_box(&table), black_box(&request), 0, &mut rng));
        });
    }
    group.finish();
}

fn balancing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("balance");
    for (name, policy) in [
        ("round robin", LbPolicy::RoundRobin),
        ("least request", LbPolicy::LeastRequest { choices: 2 }),
        ("random", LbPolicy::Random),
        ("ring hash", LbPolicy::RingHash { minimum_ring_size: 1024 }),
        ("maglev", LbPolicy::Maglev { table_size: 65_537 }),
    ] {
        for (weights, weight) in
            [("equal", (|_| 1) as fn(u16) -> u32), ("weighted", |number| u32::from(number % 3) + 1)]
        {
            let cluster = cluster(policy, 20, weight);
            let (mut turn, mut rng, mut key) = (Turn::default(), SmallRng::seed_from_u64(1), 1u64);
            group.bench_function(format!("{name}, 20 endpoints, {weights}"), |bencher| {
                bencher.iter(|| {
                    key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    pick(black_box(&cluster), &Calm, &mut turn, Some(key), Before::default(), &mut rng)
                });
            });
        }
    }
    group.finish();
}

/// What each request pays for outlier detection and circuit breakers.
fn resilience(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resilience");
    let settings = outlier::Settings::new(&OutlierDetection::default());
    let streaks = outlier::Streaks::default();
    for (name, outcome) in [
        ("outlier, a success", outlier::Outcome::Answered(200)),
        ("outlier, a failure", outlier::Outcome::Answered(503)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| streaks.note(black_box(&settings), black_box(outcome)));
        });
    }
    let (count, limits) = (breaker::Count::default(), breaker::Limits::new(&CircuitBreakers::default()));
    group.bench_function("breaker, in and out", |bencher| {
        bencher.iter(|| {
            let entered = count.enter(breaker::Resource::Requests, black_box(limits.requests));
            count.leave();
            entered
        });
    });
    group.finish();
}

criterion_group!(decisions, authorization, routing, balancing, resilience);
criterion_main!(decisions);
