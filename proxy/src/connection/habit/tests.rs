use super::*;

fn place(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

#[test]
fn the_last_connection_decides() {
    let (habits, now) = (Habits::default(), Instant::now());
    assert_eq!(habits.of(place(3306), now), None);
    habits.note(place(3306), Habit::Http, now);
    habits.note(place(3306), Habit::ServerFirst, now);
    assert_eq!(habits.of(place(3306), now), Some(Habit::ServerFirst));
    assert_eq!(habits.of(place(3307), now), None);
}

#[test]
fn a_place_that_answers_in_http_no_more_is_asked_again_who_speaks_first() {
    let (habits, start) = (Habits::default(), Instant::now());
    habits.note(place(80), Habit::Http, start);
    let almost = start + LASTS - Duration::from_secs(1);
    assert_eq!(habits.of(place(80), almost), Some(Habit::Http));
    assert_eq!(habits.of(place(80), start + LASTS), None);
    // Each answer says it anew.
    habits.note(place(80), Habit::Http, almost);
    assert_eq!(habits.of(place(80), start + LASTS), Some(Habit::Http));
    assert_eq!(habits.of(place(80), almost + LASTS), None);
    // Whoever is there now is known by what it does.
    habits.note(place(80), Habit::ServerFirst, almost + LASTS);
    assert_eq!(habits.of(place(80), almost + LASTS), Some(Habit::ServerFirst));
}

#[test]
fn a_server_that_spoke_first_is_taken_for_one_that_does_until_it_is_heard_otherwise() {
    let (habits, start) = (Habits::default(), Instant::now());
    habits.note(place(3306), Habit::ServerFirst, start);
    let later = start + LASTS * 10;
    assert_eq!(habits.of(place(3306), later), Some(Habit::ServerFirst));
    habits.note(place(3306), Habit::Http, later);
    assert_eq!(habits.of(place(3306), later), Some(Habit::Http));
}

#[test]
fn it_does_not_grow_without_end() {
    let (habits, now) = (Habits::default(), Instant::now());
    for port in 0..=u16::MAX {
        habits.note(place(port), Habit::Http, now);
    }
    assert!(habits.0.read().unwrap().len() <= MOST);
}
