use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Heard(AtomicUsize);

impl Wake for Heard {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_waits_is_woken_by_a_change_and_who_has_left_is_not() {
    let running = Running::default();
    let heard: [Arc<Heard>; 2] = Default::default();
    let wakers = heard.clone().map(Waker::from);
    let [first, second] = [0, 1].map(|n| running.wakers.borrow_mut().wait(None, &wakers[n]));
    assert_ne!(first, second);
    running.changed();
    running.wakers.borrow_mut().leave(first);
    running.changed();
    assert_eq!(heard.each_ref().map(|h| h.0.load(Ordering::Relaxed)), [1, 2]);
    assert_eq!(running.wakers.borrow_mut().wait(None, &wakers[0]), first, "a place is used again");
}

#[test]
fn a_task_that_moved_is_woken_where_it_is() {
    let running = Running::default();
    let heard: [Arc<Heard>; 2] = Default::default();
    let wakers = heard.clone().map(Waker::from);
    let place = running.wakers.borrow_mut().wait(None, &wakers[0]);
    assert_eq!(running.wakers.borrow_mut().wait(Some(place), &wakers[1]), place);
    running.changed();
    assert_eq!(heard.each_ref().map(|h| h.0.load(Ordering::Relaxed)), [0, 1]);
}

#[test]
fn when_nobody_waits_nothing_is_kept() {
    let running = Running::default();
    let waker = Waker::from(Arc::new(Heard::default()));
    let places: Vec<usize> = (0..100).map(|_| running.wakers.borrow_mut().wait(None, &waker)).collect();
    places.into_iter().for_each(|place| running.wakers.borrow_mut().leave(place));
    assert_eq!(running.wakers.borrow().places.capacity(), 0);
}
