use super::{Rest, give_back, purge};

#[test]
fn memory_is_given_back_once_when_work_is_over_and_again_when_more_was_freed() {
    let mut rest = Rest::default();
    assert!(!rest.is_due(0, 0), "nothing has happened");
    assert!(!rest.is_due(1000, 0), "busy");
    assert!(!rest.is_due(2000, 0), "still busy");
    assert!(rest.is_due(2000, 0), "at rest");
    assert!(!rest.is_due(2000, 0), "still at rest");
    assert!(rest.is_due(2000, 100), "connections were given up");
    assert!(!rest.is_due(2000, 0));
    assert!(rest.is_due(2001, 0), "hardly anything, but something");
}

#[test]
fn the_allocator_keeps_its_settings() {
    use tikv_jemalloc_ctl::{Access as _, AsName as _};
    let decay = || -> isize { "arena.0.dirty_decay_ms\0".name().read().unwrap() };
    let caches = || -> bool { "thread.tcache.enabled\0".name().read().unwrap() };
    let before = decay();
    purge().unwrap();
    give_back();
    assert_eq!((decay(), caches()), (before, true));
}
