//! How long answers live, and how many.

use super::*;

fn shape(lifetime: Option<u32>) -> Shape {
    Shape { ttls: vec![40], lifetime }
}

fn key(text: &str) -> Key {
    text.as_bytes().into()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_answer_is_fresh_for_its_time_then_stale_for_an_hour_then_nothing() {
    let now = Instant::now();
    let mut cache = Cache::default();
    cache.keep(key("a"), Rc::from([1, 2].as_slice()), &shape(Some(60)), now);
    let mut age = |after| cache.find(b"a").unwrap().age(now + after);
    assert_eq!(age(seconds(0)), Age::Fresh(0));
    assert_eq!(age(seconds(59)), Age::Fresh(59));
    assert_eq!(age(seconds(60)), Age::Stale { ask: true });
    assert_eq!(age(seconds(60 + 3599)), Age::Stale { ask: true });
    assert_eq!(age(seconds(60 + 3600)), Age::Over);
}

#[test]
fn what_may_not_be_kept_is_not() {
    let mut cache = Cache::default();
    cache.keep(key("a"), Rc::from([1].as_slice()), &shape(None), Instant::now());
    assert!(cache.find(b"a").is_none());
}

#[test]
fn after_a_failure_nobody_is_asked_for_five_seconds() {
    let now = Instant::now();
    let mut cache = Cache::default();
    cache.keep(key("a"), Rc::from([1].as_slice()), &shape(Some(1)), now);
    cache.failed(b"a", now + seconds(10));
    let mut age = |after| cache.find(b"a").unwrap().age(now + seconds(after));
    assert_eq!(age(14), Age::Stale { ask: false });
    assert_eq!(age(15), Age::Stale { ask: true });
}

#[test]
fn a_day_is_the_longest() {
    let now = Instant::now();
    let mut cache = Cache::default();
    cache.keep(key("a"), Rc::from([1].as_slice()), &shape(Some(u32::MAX)), now);
    assert!(matches!(cache.find(b"a").unwrap().age(now + LONGEST), Age::Stale { .. }));
}

#[test]
fn a_flood_of_names_costs_bounded_memory_and_not_what_is_in_use() {
    let now = Instant::now();
    let mut cache = Cache::default();
    cache.keep(key("used"), Rc::from([7].as_slice()), &shape(Some(60)), now);
    for number in 0..5 * ENTRIES {
        cache.keep(key(&number.to_string()), Rc::from([0; 100].as_slice()), &shape(Some(60)), now);
        if number % 1000 == 0 {
            assert!(cache.find(b"used").is_some(), "{number}");
        }
    }
    assert!(cache.young.len() <= ENTRIES && cache.old.len() <= ENTRIES);
    let large: Rc<[u8]> = vec![0; 60_000].into();
    for number in 0..200 {
        cache.keep(key(&format!("large{number}")), Rc::clone(&large), &shape(Some(60)), now);
    }
    assert!(cache.young_bytes <= BYTES);
    let held: usize = cache.young.values().map(|kept| kept.bytes.len()).sum();
    assert!(held <= cache.young_bytes);
}

#[test]
fn a_newer_answer_replaces_an_older_one() {
    let now = Instant::now();
    let mut cache = Cache::default();
    for value in 0..100_u8 {
        cache.keep(key("a"), Rc::from([value].as_slice()), &shape(Some(60)), now);
    }
    assert_eq!(*cache.find(b"a").unwrap().bytes, [99]);
    assert_eq!(cache.young.len(), 1);
    assert_eq!(cache.young_bytes, 1 + 1 + 2);
}
