use proptest::prelude::*;

use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_stated_timeout_is_read_whatever_stands_beside_it() {
    let five = Stated { timeout: Some(ms(5000)), more: None };
    assert_eq!(Stated::read("timeout=5"), five);
    assert_eq!(Stated::read("Timeout = \"5\", max=99"), Stated { more: Some(99), ..five });
    assert_eq!(Stated::read("max=1,x"), Stated { timeout: None, more: Some(1) });
    for nothing in ["", "timeout", "timeout=-1", "timeout=soon", "=5", "timeout=5s"] {
        assert_eq!(Stated::read(nothing), Stated::default(), "{nothing}");
    }
}

#[test]
fn a_connection_is_given_up_a_quarter_of_its_time_before_and_five_seconds_at_most() {
    for (kept, given_up) in [(100, 0), (400, 300), (1000, 750), (5000, 3750), (60_000, 55_000)] {
        assert_eq!(give_up_after(ms(kept)), ms(given_up));
    }
}

#[test]
fn connections_that_nobody_needs_for_three_looks_are_given_up_and_a_few_stay() {
    let (mut unneeded, mut idle) = (Unneeded::default(), 512);
    let given_up: Vec<usize> = (0..6)
        .map(|_| {
            let surplus = unneeded.look(idle);
            idle -= surplus;
            surplus
        })
        .collect();
    assert_eq!(given_up, [0, 0, 0, 504, 0, 0], "since the first look they have been idle for three");
}

#[test]
fn what_was_needed_once_in_three_looks_stays() {
    let (mut unneeded, mut idle) = (Unneeded::default(), 100);
    for look in 0..12 {
        if look % 3 == 0 {
            unneeded.left(idle - 80);
        }
        idle -= unneeded.look(idle);
    }
    assert_eq!(idle, 88, "80 are needed at every third look, and a few stay besides");
}

#[test]
fn two_closings_after_about_the_same_time_make_a_habit() {
    let (mut habit, start) = (Habit::default(), Instant::now());
    habit.closed(ms(5000), start);
    assert_eq!(habit.limit(start), None, "one is none");
    habit.closed(ms(5200), start + ms(6000));
    assert_eq!(habit.limit(start + ms(6000)), Some(ms(3750)));
    assert_eq!(habit.limit(start + ms(6000) + BELIEVED), None, "it is learned again after a while");
}

#[test]
fn what_is_closed_at_one_moment_or_at_odds_or_at_once_is_no_habit() {
    let (mut restarted, start) = (Habit::default(), Instant::now());
    for age in [3000, 3001, 3100] {
        restarted.closed(ms(age), start + ms(age - 3000) / 10);
    }
    assert_eq!(restarted.limit(start), None);
    let mut odd = Habit::default();
    for (n, age) in [900, 9000, 300, 2000].into_iter().enumerate() {
        odd.closed(ms(age), start + ms(1000) * u32::try_from(n).unwrap());
    }
    assert_eq!(odd.limit(start), None);
    let mut hasty = Habit::default();
    for n in 0..5 {
        hasty.closed(ms(100), start + ms(1000) * n);
    }
    assert!(hasty.limit(start).is_none() && hasty.is_forgotten(start));
}

#[test]
fn a_server_that_becomes_less_patient_is_followed() {
    let (mut habit, start) = (Habit::default(), Instant::now());
    for (age, at) in [(60_000, 0), (60_000, 60_000), (2000, 70_000), (2000, 80_000)] {
        habit.closed(ms(age), start + ms(at));
    }
    assert_eq!(habit.limit(start + ms(80_000)), Some(ms(1500)));
}

proptest! {
    #[test]
    fn whoever_gives_up_does_so_before_the_server(kept in 0_u64..10_000_000, ages in prop::collection::vec(0_u64..100_000, 0..20)) {
        prop_assert!(give_up_after(ms(kept)) <= ms(kept).saturating_sub(LEAST_MARGIN));
        let (mut habit, start) = (Habit::default(), Instant::now());
        for (n, age) in ages.iter().enumerate() {
            let now = start + ms(1000) * u32::try_from(n).unwrap();
            habit.closed(ms(*age), now);
            if let Some(limit) = habit.limit(now) {
                prop_assert!(ages[..=n].iter().any(|seen| limit < ms(*seen)), "nobody ever closed after {limit:?}");
            }
        }
    }

    #[test]
    fn no_value_of_the_header_does_harm(value in ".{0,64}", seconds in any::<u64>()) {
        let _ = Stated::read(&value);
        let kept = Stated::read(&format!("timeout={seconds}")).timeout.unwrap();
        prop_assert!(Instant::now().checked_add(give_up_after(kept)).is_some());
        prop_assert_eq!(kept, Duration::from_secs(seconds).min(Duration::from_secs(24 * 3600)));
    }
}
