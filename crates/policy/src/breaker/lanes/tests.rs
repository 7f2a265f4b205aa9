use std::sync::atomic::AtomicBool;

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
    count.leave(1, 3);
    count.enter(5, REQUESTS, 3).expect("the worker of the same lane as another has left");
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
fn threads_that_come_and_go_are_never_more_than_may_be_and_all_get_in_where_there_is_room() {
    const LIMIT: u32 = 6;
    let (count, inside, wrong) = (Lanes::default(), AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (count, inside, wrong) = (&count, &inside, &wrong);
            scope.spawn(move || {
                for round in 0..5_000_u32 {
                    // As many at once as there is room for with all others', or more.
                    let wanted = 1 + round % 3;
                    let mut mine = 0;
                    for _ in 0..wanted {
                        if count.enter(worker, REQUESTS, LIMIT).is_ok() {
                            mine += 1;
                            wrong.fetch_or(inside.fetch_add(1, SeqCst) >= LIMIT, SeqCst);
                        }
                    }
                    for _ in 0..mine {
                        inside.fetch_sub(1, SeqCst);
                        count.leave(worker, LIMIT);
                    }
                }
            });
        }
    });
    assert!(!wrong.into_inner(), "more were in than {LIMIT}");
    assert_eq!(count.inside(), 0);
    for _ in 0..LIMIT {
        count.enter(3, REQUESTS, LIMIT).unwrap();
    }
    assert!(count.enter(0, REQUESTS, LIMIT).is_err());
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
