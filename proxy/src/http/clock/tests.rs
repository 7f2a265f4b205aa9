use std::sync::Arc;

use super::*;

/// A limit that is over soon, and one that no test sees the end of.
const SOON: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);

async fn next(clock: &mut Clock, sent: bool) -> Over {
    std::future::poll_fn(|cx| clock.poll(cx, sent, 0)).await
}

#[tokio::test]
async fn the_routes_limit_begins_with_the_requests_end() {
    let mut clock =
        Clock::start(Allowed { answer: Some(SOON), ..Allowed::default() }, Timer::default(), Instant::now());
    let waiting = tokio::time::timeout(4 * SOON, next(&mut clock, false)).await;
    assert!(waiting.is_err(), "an upload may take as long as it takes");
    let began = Instant::now();
    assert_eq!(next(&mut clock, true).await, Over::Answer(SOON));
    assert!(began.elapsed() >= SOON);
}

#[tokio::test]
async fn what_moves_is_not_idle_and_the_earliest_limit_ends_it() {
    let mut clock = Clock::start(
        Allowed { idle: Some(NEVER), whole: Some(SOON), ..Allowed::default() },
        Timer::default(),
        Instant::now(),
    );
    let before = clock.idle_by;
    let looked = std::future::poll_fn(|cx| Poll::Ready(clock.poll(cx, true, 0))).await;
    assert!(looked.is_pending());
    let polled = std::future::poll_fn(|cx| Poll::Ready(clock.poll(cx, true, 7))).await;
    assert!(polled.is_pending());
    assert!(clock.idle_by > before, "a byte moved");
    assert_eq!(next(&mut clock, true).await, Over::Whole(SOON));
}

#[tokio::test]
async fn each_try_has_its_own_limit_until_its_answer_begins() {
    let allowed = Allowed { per_try: Some(SOON), answer: Some(5 * SOON), ..Allowed::default() };
    let mut clock = Clock::start(allowed, Timer::default(), Instant::now());
    assert_eq!(next(&mut clock, true).await, Over::PerTry(SOON));
    clock.try_again();
    assert_eq!(next(&mut clock, true).await, Over::PerTry(SOON));
    clock.answered();
    assert_eq!(next(&mut clock, true).await, Over::Answer(5 * SOON));
}

#[tokio::test]
async fn what_is_left_for_a_try_counts_from_the_requests_end() {
    let allowed = Allowed { answer: Some(NEVER), whole: Some(2 * NEVER), ..Allowed::default() };
    let began = Instant::now();
    let mut clock = Clock::start(allowed, Timer::default(), began);
    let later = began + NEVER / 2;
    assert_eq!(clock.left(later), Some(NEVER), "the upload may take as long as it takes");
    assert_eq!(clock.left(began + 3 * NEVER / 2), Some(NEVER / 2), "but for the whole");
    let looked = std::future::poll_fn(|cx| Poll::Ready(clock.poll(cx, true, 0))).await;
    assert!(looked.is_pending());
    clock.try_again();
    let left = clock.left(later).unwrap();
    assert!(left < 2 * NEVER / 3, "{left:?}: all tries together have the answer's time");
}

#[test]
fn grpc_deadlines_are_read_and_nonsense_is_none() {
    let nanos = |timeout: &str| grpc_timeout(timeout).map(|span| span.as_nanos());
    let units = ["3n", "3u", "3m", "3S", "3M", "3H"].map(|timeout| nanos(timeout).unwrap() / 3);
    assert_eq!(units, [1, 1000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000]);
    assert_eq!(nanos("99999999H"), Some(99_999_999 * 3_600_000_000_000));
    assert_eq!(nanos("00000000S"), Some(0));
    for nonsense in ["", "S", "1", "123456789S", "-1S", "1s", "1é"] {
        assert_eq!(grpc_timeout(nonsense), None, "{nonsense}");
    }
}

fn held(unsent: usize) -> Option<Held> {
    Some(Held::at(1, unsent))
}

/// When the limits of the answer are over, if they count.
fn due(clock: &Clock) -> (Option<Instant>, Option<Instant>) {
    (clock.answer_by, clock.try_by)
}

#[tokio::test]
async fn who_reads_no_more_of_a_request_has_as_long_as_for_its_answer_and_whoever_reads_on_has_it_anew() {
    let allowed = Allowed { answer: Some(NEVER), per_try: Some(SOON), ..Allowed::default() };
    let mut clock = Clock::start(allowed, Timer::default(), Instant::now());
    clock.hold(held(9));
    let first = due(&clock);
    clock.hold(held(9));
    assert_eq!(due(&clock), first, "nothing moved");
    clock.hold(held(8));
    assert!(due(&clock).0 > first.0 && due(&clock).1 > first.1, "it has read something");
    assert_eq!(next(&mut clock, false).await, Over::PerTry(SOON));
    clock.hold(None);
    assert_eq!(due(&clock), (None, None), "it reads on, so the client may take its time");
    clock.note(true, 0);
    assert!(due(&clock).0 > first.0 && due(&clock).1 > first.1, "all its time is for the answer");
}

#[test]
fn who_has_begun_to_answer_may_leave_the_rest_unread() {
    let mut clock =
        Clock::start(Allowed { answer: Some(NEVER), ..Allowed::default() }, Timer::default(), Instant::now());
    clock.hold(held(9));
    clock.answered();
    assert_eq!(due(&clock), (None, None));
}

#[test]
fn another_try_of_what_nobody_reads_has_a_limit_of_its_own_within_the_routes() {
    let allowed = Allowed { answer: Some(NEVER), per_try: Some(NEVER), ..Allowed::default() };
    let mut clock = Clock::start(allowed, Timer::default(), Instant::now());
    clock.hold(held(9));
    let first = due(&clock);
    clock.try_again();
    clock.hold(held(9));
    assert_eq!(due(&clock).0, first.0);
    assert!(due(&clock).1 > first.1);
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_again_is_woken_once_and_whoever_takes_over_is_woken_too() {
    use std::task::Wake;
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicU32);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let many: [Arc<Woken>; 2] = Default::default();
    let wakers = many.clone().map(std::task::Waker::from);
    let times = || many.each_ref().map(|woken| woken.0.load(std::sync::atomic::Ordering::Relaxed));
    let allowed = Allowed { answer: Some(SOON), idle: Some(NEVER), ..Allowed::default() };
    let mut clock = Clock::start(allowed, Timer::default(), Instant::now());
    for waker in [0, 0, 1, 1] {
        assert!(clock.poll(&mut Context::from_waker(&wakers[waker]), true, 0).is_pending());
    }
    tokio::time::sleep(2 * SOON).await;
    assert_eq!(times(), [0, 1], "who has looked last");
    // The same timer serves the next exchange, whose limits are over later.
    let mut clock = Clock::start(
        Allowed { answer: Some(4 * SOON), ..Allowed::default() },
        clock.into_timer(),
        Instant::now(),
    );
    assert!(clock.poll(&mut Context::from_waker(&wakers[1]), true, 0).is_pending());
    assert!(clock.poll(&mut Context::from_waker(&wakers[1]), true, 0).is_pending());
    tokio::time::sleep(8 * SOON).await;
    assert_eq!(times(), [0, 2]);
    assert_eq!(
        clock.poll(&mut Context::from_waker(&wakers[1]), true, 0),
        Poll::Ready(Over::Answer(4 * SOON))
    );
}
