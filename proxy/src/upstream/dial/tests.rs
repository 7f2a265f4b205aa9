use std::task::{Context, Poll, Waker};

use super::*;

const KEY: PoolKey = PoolKey { id: 1, address: 0 };

fn made_for(port: u16) -> MadeFor {
    MadeFor { address: ([127, 0, 0, 1], port).into(), name: None, source: None }
}

fn find(dials: &Dials, port: u16, streams: Option<u32>) -> Option<Wait> {
    dials.find(KEY, &Wanted { address: made_for(port).address, name: None, source: None }, streams)
}

/// What is known by now, if anything.
fn known(wait: std::pin::Pin<&mut impl Future<Output = Over>>) -> Option<Over> {
    match wait.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(over) => Some(over),
        Poll::Pending => None,
    }
}

#[test]
fn whoever_waits_is_told_once_it_stands() {
    let dials = Dials::default();
    assert!(find(&dials, 1, None).is_none(), "nobody makes one");
    let dialling = dials.begin(KEY, made_for(1));
    let mut wait = std::pin::pin!(find(&dials, 1, None).unwrap().over());
    assert!(known(wait.as_mut()).is_none());
    dialling.over(Over::Shared);
    assert!(matches!(known(wait), Some(Over::Shared)));
    assert!(find(&dials, 1, None).is_none(), "it is no longer being made");
}

#[test]
fn whoever_makes_it_and_goes_away_leaves_it_to_the_others() {
    let dials = Dials::default();
    let dialling = dials.begin(KEY, made_for(1));
    let mut wait = std::pin::pin!(find(&dials, 1, None).unwrap().over());
    assert!(known(wait.as_mut()).is_none());
    drop(dialling);
    assert!(matches!(known(wait), Some(Over::GivenUp)));
}

#[test]
fn no_more_wait_than_it_will_have_room_for_nor_for_one_to_elsewhere() {
    let dials = Dials::default();
    let _first = dials.begin(KEY, made_for(1));
    assert!(find(&dials, 2, None).is_none(), "another address");
    assert!(find(&dials, 1, Some(1)).is_none(), "who makes it fills it");
    let one = find(&dials, 1, Some(2)).unwrap();
    assert!(find(&dials, 1, Some(2)).is_none(), "it is full");
    let _second = dials.begin(KEY, made_for(1));
    let other = find(&dials, 1, Some(2));
    assert!(other.is_some(), "a second is being made");
    drop(one);
    assert!(find(&dials, 1, Some(2)).is_some(), "somebody waits no longer");
    let all: Vec<_> = std::iter::from_fn(|| find(&dials, 1, None)).collect();
    assert_eq!(all.len(), 2 * (MOST_STREAMS as usize - 1) - 1, "no connection carries more");
}
