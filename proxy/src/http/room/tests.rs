use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Waker;

use super::*;

thread_local! {
    static GIVEN_BACK: RefCell<Vec<Room<In, u32>>> = const { RefCell::new(Vec::new()) };
}

/// Waits as often as is asked, and tells when it is dropped.
struct In {
    waits: u32,
    held: Rc<Cell<bool>>,
}

async fn work(with: In) -> u32 {
    with.held.set(true);
    let _held = Held(with.held);
    for _ in 0..with.waits {
        tokio::task::yield_now().await;
    }
    with.waits
}

struct Held(Rc<Cell<bool>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn give_back(room: Room<In, u32>) {
    GIVEN_BACK.with_borrow_mut(|rooms| rooms.push(room));
}

#[tokio::test]
async fn a_room_is_used_again_once_what_was_in_it_is_over() {
    let held = Rc::new(Cell::new(false));
    assert_eq!(used(room(work), In { waits: 3, held: held.clone() }, give_back).await, 3);
    assert!(!held.get(), "nothing stays in it");
    let again = GIVEN_BACK.take().pop().unwrap();
    assert_eq!(used(again, In { waits: 5, held }, give_back).await, 5);
}

#[test]
fn who_goes_away_in_the_middle_leaves_nothing_behind() {
    let held = Rc::new(Cell::new(false));
    let mut working = Box::pin(used(room(work), In { waits: 9, held: held.clone() }, give_back));
    assert!(working.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(held.get());
    drop(working);
    assert!(!held.get());
    assert!(GIVEN_BACK.take().is_empty(), "nobody comes into what was going on");
}

#[test]
fn a_room_in_which_something_panicked_is_used_by_nobody_else() {
    let mut working = Box::pin(used(room(|(): ()| async { panic!("a bug") }), (), |_| panic!("given back")));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _: Poll<()> = working.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }));
    assert!(panicked.is_err());
    drop(working);
}
