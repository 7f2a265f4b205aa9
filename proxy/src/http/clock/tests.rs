use super::*;

/// A limit that is over soon, and one that no test sees the end of.
const SOON: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);

async fn next(clock: &mut Clock, sent: bool) -> Over {
    std::future::poll_fn(|cx| clock.poll(cx, sent, 0)).await
}

#[tokio::test]
async fn the_routes_limit_begins_with_the_requests_end() {
    let mut clock = Clock::start(Allowed { answer: Some(SOON), ..Allowed::default() }, Timer::default());
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
    );
    let before = clock.idle_by;
    let polled = std::future::poll_fn(|cx| Poll::Ready(clock.poll(cx, true, 7))).await;
    assert!(polled.is_pending());
    assert!(clock.idle_by > before, "a byte moved");
    assert_eq!(next(&mut clock, true).await, Over::Whole(SOON));
}

#[tokio::test]
async fn each_try_has_its_own_limit_until_its_answer_begins() {
    let allowed = Allowed { per_try: Some(SOON), answer: Some(5 * SOON), ..Allowed::default() };
    let mut clock = Clock::start(allowed, Timer::default());
    assert_eq!(next(&mut clock, true).await, Over::PerTry(SOON));
    clock.try_again();
    assert_eq!(next(&mut clock, true).await, Over::PerTry(SOON));
    clock.answered();
    assert_eq!(next(&mut clock, true).await, Over::Answer(5 * SOON));
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
