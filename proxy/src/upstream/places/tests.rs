use super::*;

fn places(limit: u32) -> Arc<Places> {
    let places = Arc::new(Places::default());
    places.set_limit(limit);
    places
}

#[test]
fn no_more_than_may_be_get_a_place() {
    let places = places(2);
    let (first, second) = (places.take(), places.take());
    assert!(first.is_some() && second.is_some() && places.take().is_none());
    drop(first);
    assert!(places.take().is_some());
}

#[test]
fn a_limit_that_is_lowered_makes_surplus_of_what_is_open_but_for_what_may_be_beyond() {
    let places = places(3);
    let mut held: Vec<Place> = (0..3).filter_map(|_| places.take()).collect();
    let beyond = places.take_beyond();
    assert!(!held[0].is_surplus() && !beyond.is_surplus());
    places.set_limit(1);
    assert!(held[0].is_surplus());
    held.truncate(1);
    assert!(!held[0].is_surplus() && places.open() == 2);
    drop(beyond);
    assert!(!places.has_surplus() && places.take().is_none());
}

#[test]
fn a_free_place_goes_to_whoever_has_waited_longest_and_not_to_a_newcomer() {
    let places = places(1);
    let held = places.take();
    let (mut first, mut second) = (places.stand_in_line(), places.stand_in_line());
    drop(held);
    assert!(places.take().is_none(), "a newcomer does not overtake");
    let place = first.served.try_recv().unwrap();
    assert!(second.served.try_recv().is_err());
    drop(first);
    drop(place);
    assert!(second.served.try_recv().is_ok());
}

#[test]
fn whoever_leaves_the_line_takes_no_place_with_him() {
    let places = places(1);
    let held = places.take();
    let (first, second, mut third) = (places.stand_in_line(), places.stand_in_line(), places.stand_in_line());
    drop(first);
    drop(held);
    // The second has been served and goes away all the same.
    drop(second);
    let place = third.served.try_recv().unwrap();
    drop((third, place));
    assert_eq!((places.open(), places.waiting()), (0, 0));
}

#[test]
fn a_raised_limit_serves_those_who_wait_and_a_lowered_one_takes_from_nobody() {
    let places = places(1);
    let _held = places.take();
    let mut waits = places.stand_in_line();
    places.set_limit(2);
    let place = waits.served.try_recv().unwrap();
    drop(waits);
    places.set_limit(1);
    assert_eq!(places.open(), 2);
    drop(place);
    assert!(places.take().is_none());
}

#[test]
fn threads_that_wait_for_each_other_all_get_a_place_and_never_too_many_at_once() {
    let (places, most) = (places(3), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (places, most) = (places.clone(), most.clone());
            std::thread::spawn(move || {
                for _ in 0..300 {
                    let place = places.take().unwrap_or_else(|| {
                        let mut line = places.stand_in_line();
                        loop {
                            match line.served.try_recv() {
                                Ok(place) => break place,
                                Err(_) => std::thread::yield_now(),
                            }
                        }
                    });
                    most.fetch_max(places.open(), Ordering::SeqCst);
                    drop(place);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert_eq!((places.open(), places.waiting()), (0, 0));
}
