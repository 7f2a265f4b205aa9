//! Faults on purpose: which requests are delayed, which are aborted.

use std::time::Duration;

use rand::Rng;
use weft_model::route::{Fault, FaultAbort};

use crate::route::falls_in;

/// What one request has to bear; first the delay, then the abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injected {
    /// It waits so long.
    pub delay: Option<Duration>,
    /// It is answered so, and goes nowhere.
    pub abort: Option<FaultAbort>,
}

/// Decides by a route's settings. Delay and abort are drawn one apart from the other, as in Envoy.
pub fn decide(fault: &Fault, rng: &mut impl Rng) -> Injected {
    let delay = fault.delay.filter(|(_, share)| falls_in(*share, rng)).map(|(delay, _)| delay);
    let abort = fault.abort.filter(|(_, share)| falls_in(*share, rng)).map(|(abort, _)| abort);
    Injected { delay, abort }
}

#[cfg(test)]
mod tests;
