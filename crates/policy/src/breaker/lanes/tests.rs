use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::AtomicU32;

use proptest::prelude::*;

use super::*;

const REQUESTS: Resource = Resource::Requests;

#[test]
fn a_place_that_another_lane_does_not_use_is_there_for_who_needs_it() {
    let count = Lanes::default();
    for _ in 0..3 {
        count.enter(0, REQUESTS, 3).unwrap();
    }
    for _ in 0..3 {
        count.leave(0, 3);
    }
    for inside in 1..=3 {
        count.enter(1, REQUESTS, 3).unwrap();
        assert_eq!(count.inside(), inside);
    }
    let full = count.enter(0, REQUESTS, 3).unwrap_err();
    assert_eq!((full.limit, full.load, count.refused()), (3, 3, 1));
}

#[test]
fn a_limit_that_is_lowered_holds_for_what_was_handed_out() {
    let count = Lanes::default();
    for worker in 0..8 {
        count.enter(worker, REQUESTS, u32::MAX).unwrap();
    }
    for worker in 0..6 {
        count.leave(worker, u32::MAX);
    }
    assert_eq!(count.inside(), 2);
    count.enter(7, REQUESTS, 3).unwrap();
    assert_eq!(count.enter(7, REQUESTS, 3).unwrap_err().load, 3);
}

#[test]
fn workers_beyond_the_lanes_share_them() {
    let count = Lanes::default();
    count.enter(1, REQUESTS, 9).unwrap();
    count.leave(1, 9);
    count.enter(1 + LANES, REQUESTS, 9).unwrap();
    assert_eq!(count.handed.inside(), 1, "the place that the other left was there");
}

thread_local! {
    /// What others do before the n-th look at a lane from now on.
    static OTHERS: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn others_come_in_between() {
    let next = OTHERS.with_borrow_mut(Vec::pop);
    if let Some(others) = next {
        let later = OTHERS.take();
        others();
        OTHERS.set(later);
    }
}

#[test]
fn a_place_that_goes_from_lane_to_lane_is_not_missed() {
    for moment in 0..2 * LANES {
        let count = Rc::new(Lanes::default());
        for worker in [0, 1] {
            count.enter(worker, REQUESTS, 2).unwrap();
        }
        count.leave(1, 2);
        // One is in, so there is always room for one more: but it is where it has just been looked for.
        let others = count.clone();
        let change = move || {
            others.leave(0, 2);
            others.enter(1, REQUESTS, 2).unwrap();
        };
        let mut steps: Vec<Box<dyn FnOnce()>> = (0..moment).map(|_| Box::new(|| ()) as _).collect();
        steps.insert(0, Box::new(change));
        OTHERS.set(steps);
        count.enter(2, REQUESTS, 2).unwrap_or_else(|full| panic!("{moment}: {full}"));
        OTHERS.take();
        assert_eq!(count.inside(), 2, "{moment}");
        count.enter(2, REQUESTS, 2).unwrap_err();
    }
}

/// So many threads, each a worker that comes and goes again and again.
fn at_once(threads: usize, comes_and_goes: impl Fn(usize, u32) + Sync) {
    std::thread::scope(|scope| {
        for worker in 0..threads {
            let comes_and_goes = &comes_and_goes;
            scope.spawn(move || (0..20_000).for_each(|round| comes_and_goes(worker, round)));
        }
    });
}

#[test]
fn threads_that_come_and_go_are_never_more_than_may_be() {
    const LIMIT: u32 = 6;
    let (count, inside) = (Lanes::default(), AtomicU32::new(0));
    at_once(6, |worker, round| {
        let wanted = 1 + round % 3;
        let came = (0..wanted).filter(|_| count.enter(worker, REQUESTS, LIMIT).is_ok()).count();
        for _ in 0..came {
            assert!(inside.fetch_add(1, SeqCst) < LIMIT, "more are in than {LIMIT}");
        }
        for _ in 0..came {
            inside.fetch_sub(1, SeqCst);
            count.leave(worker, LIMIT);
        }
    });
    assert_eq!(count.inside(), 0);
    for _ in 0..LIMIT {
        count.enter(3, REQUESTS, LIMIT).expect("no place is lost");
    }
    count.enter(0, REQUESTS, LIMIT).unwrap_err();
}

#[test]
fn threads_are_not_refused_while_there_is_room() {
    const LIMIT: u32 = 2;
    let (count, door) = (Lanes::default(), Count::default());
    at_once(4, |worker, round| {
        // Who is let in by a plain number has a place, in whichever lane others were.
        if door.enter(REQUESTS, LIMIT).is_ok() {
            let worker = worker + round as usize;
            count.enter(worker, REQUESTS, LIMIT).unwrap();
            count.leave(worker, LIMIT);
            door.leave();
        }
    });
    assert_eq!((count.inside(), count.refused()), (0, 0));
}

#[test]
fn threads_of_which_some_know_an_older_limit_lose_no_place() {
    let count = Lanes::default();
    at_once(6, |worker, round| {
        let limit = [2, 5, u32::MAX][(worker + round as usize / 1000) % 3];
        if count.enter(worker, REQUESTS, limit).is_ok() {
            count.leave(worker, limit);
        }
    });
    assert_eq!(count.inside(), 0);
    for _ in 0..2 {
        count.enter(1, REQUESTS, 2).unwrap();
    }
    count.enter(1, REQUESTS, 2).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whoever comes and goes in whichever lane, and whatever the limit is meanwhile, the count is what a plain number says.
    #[test]
    fn the_count_is_exact(
        steps in prop::collection::vec((any::<bool>(), 0..6_usize, prop_oneof![0..7_u32, Just(u32::MAX)]), 0..120),
    ) {
        let (count, mut inside, mut refused) = (Lanes::default(), Vec::new(), 0);
        for (enters, worker, limit) in steps {
            let load = u32::try_from(inside.len()).unwrap();
            if enters {
                let entered = count.enter(worker, REQUESTS, limit);
                prop_assert_eq!(entered.is_ok(), load < limit);
                match entered {
                    Ok(()) => inside.push(worker),
                    Err(full) => {
                        refused += 1;
                        prop_assert_eq!((full.limit, full.load), (limit, load));
                    }
                }
            } else if let Some(of) = inside.pop() {
                count.leave(of, limit);
            }
            prop_assert_eq!((count.inside() as usize, count.refused()), (inside.len(), refused));
        }
    }
}
