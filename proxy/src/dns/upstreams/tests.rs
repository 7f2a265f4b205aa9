//! Whose turn it is.

use super::*;

#[test]
fn a_server_that_did_not_answer_is_asked_last_for_a_while() {
    let now = Instant::now();
    let later = Some(now + AVOIDED);
    type Case<'a> = (&'a [Option<Instant>], usize, &'a [usize]);
    let table: &[Case<'_>] = &[
        (&[], 0, &[]),
        (&[None, None, None], 0, &[0, 1, 2]),
        (&[None, None, None], 4, &[1, 2, 0]),
        (&[later, None, None], 0, &[1, 2, 0]),
        (&[later, None, later], 2, &[1, 2, 0]),
        (&[later, later], 0, &[0, 1]),
        (&[Some(now), None], 0, &[0, 1]),
    ];
    for (avoided, turn, wanted) in table {
        assert_eq!(order(avoided, *turn, now), *wanted, "{avoided:?} {turn}");
    }
}
