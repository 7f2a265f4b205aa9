//! Work of a fixed amount, as an app has it: the same number of rounds for each request, whatever the machine does meanwhile.

use std::hint::black_box;
use std::time::Instant;

/// How fast this machine works when it is left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    rounds_a_micro: f64,
}

impl Work {
    /// The fastest of many short trials is one that nobody interrupted.
    pub(crate) fn measured() -> Self {
        const ROUNDS: u32 = 200_000;
        let trial = |_| {
            let begin = Instant::now();
            spin(ROUNDS.into());
            begin.elapsed().as_secs_f64() * 1e6
        };
        let fastest = (0..100).map(trial).fold(f64::INFINITY, f64::min);
        Self { rounds_a_micro: f64::from(ROUNDS) / fastest }
    }

    /// Works for as long as that takes a processor of its own.
    pub(crate) fn of(self, micros: u32) {
        spin((self.rounds_a_micro * f64::from(micros)) as u64);
    }
}

fn spin(rounds: u64) {
    let mut state = black_box(1u64);
    for _ in 0..rounds {
        state = black_box(state.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7));
    }
    black_box(state);
}
