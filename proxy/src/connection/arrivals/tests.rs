use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

fn is_crowded(one: &mut Arriving) -> bool {
    pin!(one.crowded()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn the_one_that_was_silent_for_longest_makes_room() {
    let arrivals = Arrivals::new(2);
    let (mut first, mut second) = (arrivals.enter().unwrap(), arrivals.enter().unwrap());
    let mut third = arrivals.enter().unwrap();
    assert!(is_crowded(&mut first));
    assert!(!is_crowded(&mut second) && !is_crowded(&mut third));
}

#[test]
fn who_speaks_keeps_his_place_and_a_crowd_of_speakers_takes_nobody_in() {
    let arrivals = Arrivals::new(2);
    let (mut first, mut second) = (arrivals.enter().unwrap(), arrivals.enter().unwrap());
    first.has_spoken();
    let mut third = arrivals.enter().unwrap();
    assert!(!is_crowded(&mut first) && is_crowded(&mut second));
    drop(second);
    third.has_spoken();
    assert!(arrivals.enter().is_none());
    drop(first);
    assert!(arrivals.enter().is_some(), "who has arrived or left counts no more");
}
