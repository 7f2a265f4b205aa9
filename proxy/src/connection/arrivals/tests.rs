use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

fn is_crowded(one: &mut Arriving) -> bool {
    pin!(one.crowded()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn the_one_that_was_silent_for_longest_makes_room() {
    let arrivals = Arrivals::default();
    let (mut first, mut second) = (arrivals.enter(2).unwrap(), arrivals.enter(2).unwrap());
    let mut third = arrivals.enter(2).unwrap();
    assert!(is_crowded(&mut first));
    assert!(!is_crowded(&mut second) && !is_crowded(&mut third));
}

#[test]
fn who_speaks_keeps_his_place_and_a_crowd_of_speakers_takes_nobody_in() {
    let arrivals = Arrivals::default();
    let (mut first, mut second) = (arrivals.enter(2).unwrap(), arrivals.enter(2).unwrap());
    first.has_spoken();
    let mut third = arrivals.enter(2).unwrap();
    assert!(!is_crowded(&mut first) && is_crowded(&mut second));
    drop(second);
    third.has_spoken();
    assert!(arrivals.enter(2).is_none());
    drop(first);
    assert!(arrivals.enter(2).is_some(), "who has arrived or left counts no more");
}

#[test]
fn where_fewer_may_be_those_that_are_there_stay_and_one_more_takes_the_place_of_a_silent_one() {
    let arrivals = Arrivals::default();
    let mut before: Vec<_> = (0..3).map(|_| arrivals.enter(4).unwrap()).collect();
    before[0].has_spoken();
    let mut next = arrivals.enter(1).unwrap();
    assert!(is_crowded(&mut before[1]) && !is_crowded(&mut before[0]) && !is_crowded(&mut next));
    before.drain(1..);
    next.has_spoken();
    assert!(arrivals.enter(1).is_none(), "nobody silent is left to make room");
}
