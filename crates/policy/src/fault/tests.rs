use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::route::Fraction;

use super::*;

const DELAY: Duration = Duration::from_secs(2);

fn fault(delay: u32, abort: u32) -> Fault {
    let of = |numerator| Fraction { numerator, denominator: 1_000_000 };
    Fault { delay: Some((DELAY, of(delay))), abort: Some((FaultAbort::Http(503), of(abort))) }
}

fn count(fault: &Fault, wanted: impl Fn(&Injected) -> bool) -> usize {
    let mut rng = SmallRng::seed_from_u64(2);
    (0..8000).filter(|_| wanted(&decide(fault, &mut rng))).count()
}

#[test]
fn shares_are_kept_and_drawn_apart() {
    // The recorded mesh: half are delayed, an eighth aborted.
    let fault = fault(500_000, 125_000);
    assert!((3800..4200).contains(&count(&fault, |it| it.delay == Some(DELAY))));
    assert!((880..1120).contains(&count(&fault, |it| it.abort == Some(FaultAbort::Http(503)))));
    assert!((420..580).contains(&count(&fault, |it| it.delay.is_some() && it.abort.is_some())));
}

#[test]
fn nothing_asked_for_and_none_of_them_are_the_same() {
    assert_eq!(count(&Fault::default(), |it| *it != Injected::default()), 0);
    assert_eq!(count(&fault(0, 0), |it| *it != Injected::default()), 0);
    assert_eq!(count(&fault(1_000_000, 1_000_000), |it| it.delay.is_some() && it.abort.is_some()), 8000);
}
