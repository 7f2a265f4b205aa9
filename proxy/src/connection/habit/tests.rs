use super::*;

fn place(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

#[test]
fn the_last_connection_decides() {
    let habits = Habits::default();
    assert_eq!(habits.of(place(3306)), None);
    habits.note(place(3306), Habit::Http);
    habits.note(place(3306), Habit::ServerFirst);
    assert_eq!(habits.of(place(3306)), Some(Habit::ServerFirst));
    assert_eq!(habits.of(place(3307)), None);
}

#[test]
fn it_does_not_grow_without_end() {
    let habits = Habits::default();
    for port in 0..=u16::MAX {
        habits.note(place(port), Habit::Http);
    }
    assert!(habits.0.read().unwrap().len() <= MOST);
}
