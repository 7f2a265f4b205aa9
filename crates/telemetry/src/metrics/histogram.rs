//! Histograms with Istio's (Envoy's) buckets, and their exposition.
//!
//! The exporter's own histogram keeps every sample until somebody drains it: at tens of thousands of requests
//! a second that is megabytes between two scrapes, and an allocation now and then on the hot path. This one
//! is a fixed row of numbers, which one thread writes and others read: a worker's own.

use std::fmt::Write;
use std::sync::Arc;

use super::series::{Lane, RequestSeries};
use crate::own::Own;

/// Upper bounds of the buckets, in thousandths of the unit (milliseconds, bytes).
const BOUNDS: [u64; 19] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];

/// One worker's part of one histogram of one series, or the sum of several.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One more than there are bounds: the last is what exceeds them all.
    counts: [Own; BOUNDS.len() + 1],
    sum: Own,
}

impl Histogram {
    /// Records a value in thousandths of the unit.
    pub(super) fn record_thousandths(&self, value: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < value);
        self.counts[bucket].add(1);
        self.sum.add(value);
    }

    /// Puts another's values in.
    pub(super) fn add(&self, other: &Self) {
        self.counts.iter().zip(&other.counts).for_each(|(count, more)| count.add(more.now()));
        self.sum.add(other.sum.now());
    }

    /// How many values it holds.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().map(Own::now).sum()
    }

    fn render(&self, text: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (bound, count) in BOUNDS.iter().zip(&self.counts) {
            total += count.now();
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {total}", Thousandths(*bound));
        }
        total += self.counts[BOUNDS.len()].now();
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}", Thousandths(self.sum.now()));
        let _ = writeln!(text, "{name}_count{{{labels}}} {total}");
    }
}

/// Writes the histograms of all requests.
pub(super) fn render_all(text: &mut String, series: &[Arc<RequestSeries>]) {
    type Family = (&'static str, &'static str, fn(&Lane) -> &Histogram);
    const FAMILIES: [Family; 3] = [
        (
            "istio_request_duration_milliseconds",
            "From the first byte of the request to the last of the response",
            |lane| &lane.duration,
        ),
        ("istio_request_bytes", "Size of the request, head and body", |lane| &lane.request_bytes),
        ("istio_response_bytes", "Size of the response, head and body", |lane| &lane.response_bytes),
    ];
    if series.is_empty() {
        return;
    }
    for (name, help, histogram) in FAMILIES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        for series in series {
            let sum = Histogram::default();
            series.lanes().iter().for_each(|lane| sum.add(histogram(lane)));
            sum.render(text, name, &series.labels);
        }
        text.push('\n');
    }
}

struct Thousandths(u64);

impl std::fmt::Display for Thousandths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:03}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests;
