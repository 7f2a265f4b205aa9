use super::*;

const NEVER: Duration = Duration::ZERO;

fn seconds(first: u64, longest: u64) -> Backoff {
    Backoff::new(Duration::from_secs(first), Duration::from_secs(longest), Duration::from_secs(60))
}

#[test]
fn the_ceiling_doubles_up_to_the_longest() {
    let mut backoff = seconds(1, 5);
    let waits: Vec<u64> = (0..5).map(|_| backoff.after(NEVER, 1.0).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 5, 5]);
}

#[test]
fn a_thousand_failures_do_not_overflow() {
    let mut backoff = seconds(1, 30);
    for _ in 0..1000 {
        assert!(backoff.after(NEVER, 1.0) <= Duration::from_secs(30));
    }
}

#[test]
fn the_wait_is_a_share_of_the_ceiling() {
    let mut backoff = seconds(4, 30);
    assert_eq!(backoff.after(NEVER, 0.25), Duration::from_secs(1));
    assert_eq!(backoff.after(NEVER, 0.0), Duration::ZERO);
}

#[test]
fn only_a_stable_connection_is_forgiven_the_past() {
    let mut backoff = seconds(1, 30);
    backoff.after(NEVER, 1.0);
    backoff.after(NEVER, 1.0);
    assert_eq!(backoff.after(Duration::from_secs(59), 1.0).as_secs(), 4, "59 s is not stable");
    assert_eq!(backoff.after(Duration::from_secs(60), 1.0).as_secs(), 1);
}
