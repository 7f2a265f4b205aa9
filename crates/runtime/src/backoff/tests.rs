use super::*;

fn settings() -> BackoffSettings {
    BackoffSettings {
        base: Duration::from_millis(100),
        max: Duration::from_secs(5),
        stable: Duration::from_secs(30),
    }
}

#[test]
fn the_ceiling_doubles_up_to_the_maximum() {
    let now = Instant::now();
    let mut backoff = Backoff::new(settings());
    let waits: Vec<_> = (0..8).map(|_| backoff.failed(now, 1.0).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn jitter_takes_the_share_of_the_ceiling_that_chance_says() {
    let mut backoff = Backoff::new(settings());
    assert_eq!(backoff.failed(Instant::now(), 0.0), Duration::ZERO);
    assert_eq!(backoff.failed(Instant::now(), 0.25), Duration::from_millis(50));
}

#[test]
fn a_connection_that_breaks_at_once_is_not_forgiven() {
    let start = Instant::now();
    let mut backoff = Backoff::new(settings());
    backoff.failed(start, 1.0);
    backoff.succeeded(start);
    assert_eq!(backoff.failed(start + Duration::from_secs(29), 1.0), Duration::from_millis(200));
}

#[test]
fn a_connection_that_lasted_is_forgiven() {
    let start = Instant::now();
    let mut backoff = Backoff::new(settings());
    for _ in 0..5 {
        backoff.failed(start, 1.0);
    }
    backoff.succeeded(start);
    backoff.succeeded(start + Duration::from_secs(29));
    assert_eq!(backoff.failed(start + Duration::from_secs(30), 1.0), Duration::from_millis(100));
    assert_eq!(backoff.failures(), 1);
}

#[test]
fn many_failures_and_odd_chances_neither_overflow_nor_panic() {
    let mut backoff = Backoff::new(BackoffSettings { base: Duration::MAX, max: Duration::MAX, ..settings() });
    for chance in [f64::NAN, f64::INFINITY, -1.0, 0.5] {
        backoff.failed(Instant::now(), chance);
    }
    let mut backoff = Backoff::new(settings());
    for _ in 0..100 {
        assert!(backoff.failed(Instant::now(), 2.0) <= Duration::from_secs(5));
    }
}
