//! What became of a load, as one line of JSON.

use std::time::Duration;

/// One caller's calls, or all of them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How long the whole took; only the whole knows.
    pub(crate) took: Duration,
    micros: Vec<u32>,
    errors: u64,
    first_error: Option<String>,
}

impl Report {
    pub(crate) fn answered(&mut self, after: Duration) {
        self.micros.push(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn failed(&mut self, why: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| why.to_owned());
    }

    /// Both together.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.micros.extend(other.micros);
        self.errors += other.errors;
        self.first_error = self.first_error.or(other.first_error);
        self
    }

    /// Whether there were answers, and each was right.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors == 0 && !self.micros.is_empty()
    }

    /// Times in microseconds.
    pub(crate) fn to_json(&self) -> String {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.max(1) - 1).copied().unwrap_or(0)
        };
        // `{:?}` of ASCII without control characters is a JSON string.
        let why = self.first_error.as_ref().map_or("null".to_owned(), |text| {
            format!("{:?}", text.replace(|c: char| !c.is_ascii() || c.is_ascii_control() || c == '\'', " "))
        });
        format!(
            "{{\"requests\":{},\"micros\":{},\"errors\":{},\"first_error\":{why},\"p50\":{},\"p99\":{}}}",
            sorted.len(),
            self.took.as_micros(),
            self.errors,
            at(0.5),
            at(0.99),
        )
    }
}
