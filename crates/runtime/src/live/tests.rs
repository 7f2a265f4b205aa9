use std::time::Duration;

use super::*;

#[test]
fn every_reader_sees_what_was_published_last() {
    let live = Live::new("first");
    let (clone, mut cached) = (live.clone(), live.cached());
    assert_eq!(**cached.load(), "first");
    live.publish("second");
    assert_eq!((*clone.load(), **clone.peek(), **cached.load()), ("second", "second", "second"));
    assert_eq!(clone.version(), 1);
}

#[test]
fn an_old_value_lives_as_long_as_somebody_uses_it() {
    let live = Live::new(String::from("old"));
    let old = live.load();
    let weak = Arc::downgrade(&old);
    live.publish(String::from("new"));
    assert_eq!(*old, "old");
    drop(old);
    assert!(weak.upgrade().is_none());
}

#[tokio::test]
async fn a_publication_is_noticed_even_between_two_waits() {
    let live = Live::new(0);
    let mut changes = live.changes();
    for value in 1..=3 {
        live.publish(value);
        let heard = tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap();
        assert!(heard);
        assert_eq!(*live.load(), value);
    }
    drop(live);
    assert!(!changes.changed().await);
}

#[tokio::test]
async fn readers_on_other_threads_never_go_back_in_time() {
    let live = Live::new(0_u64);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let mut cached = live.cached();
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 1000 {
                    let now = **cached.load();
                    assert!(now >= last);
                    last = now;
                }
            })
        })
        .collect();
    for value in 1..=1000 {
        live.publish(value);
    }
    for reader in readers {
        reader.join().unwrap();
    }
}
