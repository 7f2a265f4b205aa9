//! Slow start: how much of its share an endpoint gets that is new, or back after it was out.
//!
//! Envoy's formula: of its weight at least `min_weight_percent`, else `(age / window) ^ (1 / aggression)`; above an
//! aggression of 1 it rises fast at first, below slowly. Time is told by the caller.

use std::time::Duration;

use weft_model::cluster::SlowStart;

/// The part of its share, above 0 and at most 1.
pub fn share(settings: &SlowStart, age: Duration) -> f64 {
    if age >= settings.window {
        return 1.0;
    }
    // The first second counts as a whole one, as in Envoy.
    let age = age.as_secs_f64().max(1.0);
    let part = (age / settings.window.as_secs_f64()).min(1.0);
    let aggression = if settings.aggression > 0.0 { settings.aggression } else { 1.0 };
    let curve = part.powf(1.0 / aggression);
    // Nobody who may be used is left with nothing.
    curve.max(settings.min_weight_percent / 100.0).clamp(0.000_1, 1.0)
}

#[cfg(test)]
mod tests;
