//! Rates of success over an interval, and who lags far behind its peers.

/// What one endpoint did in one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// Requests that ended.
    pub requests: u64,
    /// Of these, the failed.
    pub failures: u64,
}

/// Envoy's default: fewer endpoints with enough requests are not compared.
const LEAST_ENDPOINTS: usize = 5;

/// Envoy's default: an endpoint with fewer requests in an interval is not judged by it.
const LEAST_REQUESTS: u64 = 100;

/// Envoy's default: so many standard deviations below the mean.
const FACTOR: f64 = 1.9;

/// The places of those whose rate of success lies far below the mean of all.
#[expect(clippy::cast_precision_loss, reason = "rates of requests need no more than 52 bits")]
pub fn laggards(rates: &[Rate]) -> Vec<usize> {
    let judged: Vec<(usize, f64)> = rates
        .iter()
        .enumerate()
        .filter(|(_, rate)| rate.requests >= LEAST_REQUESTS)
        .map(|(place, rate)| {
            let well = rate.requests.saturating_sub(rate.failures);
            (place, 100.0 * well as f64 / rate.requests as f64)
        })
        .collect();
    if judged.len() < LEAST_ENDPOINTS {
        return Vec::new();
    }
    let count = judged.len() as f64;
    let mean = judged.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = judged.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / count;
    let threshold = mean - FACTOR * variance.sqrt();
    judged.into_iter().filter(|(_, rate)| *rate < threshold).map(|(place, _)| place).collect()
}
