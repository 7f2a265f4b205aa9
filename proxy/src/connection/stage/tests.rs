use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::*;

#[tokio::test]
async fn what_a_stage_held_is_gone_before_the_next_begins() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (held, second) = (Rc::new(()), seen.clone());
    let left: Weak<()> = Rc::downgrade(&held);
    let first = Stage::more(async move {
        tokio::task::yield_now().await;
        let next = Stage::last(async move { second.borrow_mut().push(left.strong_count()) });
        let _held = held;
        Some(next)
    });
    first.run().await;
    assert_eq!(*seen.borrow(), [0]);
}
