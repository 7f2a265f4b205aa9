//! What became of the requests.

use std::time::Duration;

/// One connection's requests, or all of them.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// How many there were to be; only the whole knows.
    expected: u64,
    latencies: Vec<Duration>,
    /// How late the driver itself woke.
    lateness: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
}

impl Summary {
    pub(crate) fn expecting(expected: u64) -> Self {
        Self { expected, ..Self::default() }
    }

    pub(crate) fn answered(&mut self, after: Duration) {
        self.latencies.push(after);
    }

    pub(crate) fn overslept(&mut self, by: Duration) {
        self.lateness.push(by);
    }

    pub(crate) fn failed(&mut self, reason: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| reason.to_owned());
    }

    /// Both together.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        self.lateness.extend(other.lateness);
        self.errors += other.errors;
        self.first_error = self.first_error.or(other.first_error);
        self
    }

    /// Whether every request was sent and answered as expected.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors == 0 && self.latencies.len() as u64 == self.expected
    }

    /// How many answers took longer.
    #[cfg(test)]
    pub(crate) fn slower_than(&self, limit: Duration) -> usize {
        self.latencies.iter().filter(|latency| **latency > limit).count()
    }

    /// One line; times in microseconds.
    pub(crate) fn to_json(&self) -> String {
        let latencies = sorted(&self.latencies);
        let lateness = sorted(&self.lateness);
        let at = |share: f64| micros(&latencies, share);
        // `{:?}` of ASCII without control characters is a JSON string.
        let reason = self.first_error.as_ref().map_or("null".to_owned(), |text| {
            format!("{:?}", text.replace(|c: char| !c.is_ascii() || c.is_ascii_control() || c == '\'', " "))
        });
        format!(
            "{{\"expected\":{},\"answered\":{},\"errors\":{},\"first_error\":{reason},\"p50\":{:.1},\
             \"p90\":{:.1},\"p99\":{:.1},\"p999\":{:.1},\"max\":{:.1},\"overslept_p99\":{:.1}}}",
            self.expected,
            latencies.len(),
            self.errors,
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            at(1.0),
            micros(&lateness, 0.99),
        )
    }
}

fn sorted(times: &[Duration]) -> Vec<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
}

/// The time that a share of all is not above (nearest rank).
fn micros(sorted: &[Duration], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests;
