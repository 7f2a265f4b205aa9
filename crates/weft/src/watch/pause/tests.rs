use super::*;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A name in a folder.
fn place(name: &str) -> Place {
    let kernel = Inotify::init(InitFlags::empty()).unwrap();
    (kernel.add_watch("/", AddWatchFlags::IN_CREATE).unwrap(), name.into())
}

/// When a change is over whose parts came so many milliseconds after its begin.
fn over(parts: &[(u64, Seen)]) -> Duration {
    let begin = Instant::now();
    let mut pause = Pause::default();
    assert_eq!(pause.until(), None, "nothing has begun");
    for (after, seen) in parts {
        pause.saw(std::slice::from_ref(seen), begin + Duration::from_millis(*after));
    }
    pause.until().unwrap() - begin
}

#[test]
fn a_change_is_over_when_it_has_been_quiet_for_a_while() {
    assert_eq!(over(&[(0, Seen::Other)]), QUIET);
    assert_eq!(over(&[(0, Seen::Other), (100, Seen::Other)]), Duration::from_millis(100) + QUIET);
}

#[test]
fn who_never_pauses_is_read_all_the_same() {
    let parts: Vec<_> = (0..10).map(|nth| (nth * 50, Seen::Other)).collect();
    assert_eq!(over(&parts), LONGEST);
}

#[test]
fn what_went_may_come_back_and_is_waited_for() {
    let (file, other) = (place("mesh.yaml"), place("other.yaml"));
    assert_eq!(over(&[(0, Seen::Gone(file.clone()))]), ABSENCE);
    let back = [(0, Seen::Gone(file.clone())), (30, Seen::Written(file.clone()))];
    assert_eq!(over(&back), Duration::from_millis(30) + QUIET);
    let another = [(0, Seen::Gone(file)), (30, Seen::Written(other))];
    assert_eq!(over(&another), Duration::from_millis(30) + ABSENCE);
}

#[test]
fn what_does_not_matter_begins_nothing() {
    let mut pause = Pause::default();
    pause.saw(&[], Instant::now());
    assert_eq!(pause.until(), None);
}
