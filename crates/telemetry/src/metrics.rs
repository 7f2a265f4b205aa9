//! Istio's metrics, in Prometheus's text.
//!
//! A hit is numbers of the worker's own: every worker keeps a [`RequestMetrics`] with parts of series it has looked up once. What a
//! stranger can vary (peer metadata, statuses) cannot make it grow without end: at most
//! [`MetricsSettings::max_series`] label sets live at a time, what comes beyond is counted under `other`, and
//! what nobody used for [`MetricsSettings::idle`] is forgotten.

mod histogram;
mod labels;
mod requests;
mod series;
mod table;
mod tcp;

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;

use labels::clean_value;
use series::{RequestSeries, TcpSeries};
use table::Table;

pub use requests::RequestMetrics;
pub use tcp::{TcpConnection, TcpMetrics};

/// The content type of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How much the metrics may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Label sets of requests, and as many of TCP connections, that live at a time.
    pub max_series: usize,
    /// What was not used for this long is forgotten. Prometheus sees a counter that ends, and one that starts
    /// from zero if it comes back.
    pub idle: Duration,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { max_series: 2000, idle: Duration::from_secs(15 * 60) }
    }
}

/// The metrics of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: MetricsSettings,
    started: Instant,
    /// Counters of requests and connections, which may be forgotten.
    series: PrometheusRecorder,
    series_handle: PrometheusHandle,
    /// Whatever has fixed labels, which stays.
    process: PrometheusRecorder,
    process_handle: PrometheusHandle,
    requests: Table<RequestSeries>,
    /// How many have asked for handles.
    workers: AtomicUsize,
    tcp: Table<TcpSeries>,
}

/// Upper bounds of the process's own histograms, which are of seconds.
const SECONDS: [f64; 6] = [0.001, 0.005, 0.01, 0.1, 1.0, 5.0];

pub(crate) const METADATA: Metadata<'static> = Metadata::new("weft", Level::INFO, None);

impl Metrics {
    /// Metrics of a process that calls itself `component` ("proxy") in version `version` (`istio_build`).
    pub fn new(settings: MetricsSettings, component: &'static str, version: &str, started: Instant) -> Self {
        // The exporter forgets later than the tables do. So whoever finds a series in a table finds it in the
        // exporter too.
        let series = PrometheusBuilder::new()
            .idle_timeout(MetricKindMask::COUNTER, Some(settings.idle.saturating_mul(2)))
            .build_recorder();
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let process = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS);
        let process = process.expect("there are buckets").build_recorder();
        let shared = Shared {
            settings,
            started,
            series_handle: series.handle(),
            process_handle: process.handle(),
            requests: Table::new(settings.max_series, Self::overflow(&process, "requests")),
            workers: AtomicUsize::new(0),
            tcp: Table::new(settings.max_series, Self::overflow(&process, "tcp")),
            series,
            process,
        };
        for (name, help) in series::COUNTERS {
            shared.series.describe_counter(KeyName::from(*name), None, (*help).into());
        }
        let metrics = Self { shared: Arc::new(shared) };
        let build = [("component", component), ("tag", version)];
        metrics.gauge("istio_build", "The build that runs, as labels", &build).set(1.0);
        metrics
    }

    fn overflow(process: &PrometheusRecorder, table: &'static str) -> Counter {
        const NAME: &str = "weft_metrics_overflow_total";
        const HELP: &str = "Lookups that were counted under `other` because too many label sets lived";
        process.describe_counter(KeyName::from_const_str(NAME), None, HELP.into());
        process.register_counter(&Key::from_parts(NAME, vec![Label::new("table", table)]), &METADATA)
    }

    /// The handles of one worker.
    pub fn requests(&self) -> RequestMetrics {
        RequestMetrics::new(self.clone())
    }

    /// TCP connections of one worker.
    pub fn tcp(&self) -> TcpMetrics {
        TcpMetrics::new(self.clone())
    }

    /// A counter of the process itself, with labels that do not vary by what strangers send.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        self.shared.process.describe_counter(KeyName::from_const_str(name), None, help.into());
        self.shared.process.register_counter(&key(name, labels), &METADATA)
    }

    /// A gauge of the process itself, with labels that do not vary by what strangers send.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.shared.process.describe_gauge(KeyName::from_const_str(name), None, help.into());
        self.shared.process.register_gauge(&key(name, labels), &METADATA)
    }

    /// A histogram of the process itself in seconds (by its name's end), for what does not happen at every request.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Histogram {
        self.shared.process.describe_histogram(KeyName::from_const_str(name), None, help.into());
        self.shared.process.register_histogram(&key(name, labels), &METADATA)
    }

    /// The recorder behind [`counter`](Self::counter) and [`gauge`](Self::gauge), for the macros of the
    /// `metrics` crate.
    pub fn recorder(&self) -> &(impl Recorder + use<>) {
        &self.shared.process
    }

    /// All metrics at `now`, to be served as [`CONTENT_TYPE`].
    pub fn render(&self, now: Instant) -> String {
        self.tick(now);
        let mut text = self.shared.process_handle.render();
        // Writing to a String does not fail.
        let _ = write!(text, "{}", self.shared.series_handle.render());
        histogram::render_all(&mut text, &self.shared.requests.all());
        text
    }

    /// Forgets what is idle; to be called now and then (every few seconds) even if nobody ever scrapes.
    pub fn upkeep(&self, now: Instant) {
        if self.tick(now) {
            // The exporter forgets only while it renders.
            let _ = self.shared.series_handle.render_to_write(&mut io::sink());
        }
        self.shared.process_handle.run_upkeep();
    }

    /// Tells the exporter what was counted, and the tables the time; says whether anything was forgotten, now or not long ago.
    fn tick(&self, now: Instant) -> bool {
        // Before any is forgotten.
        self.shared.requests.all().iter().for_each(|series| series.tell());
        let age = now.saturating_duration_since(self.shared.started);
        let requests = self.shared.requests.forget(age, self.shared.settings.idle);
        let tcp = self.shared.tcp.forget(age, self.shared.settings.idle);
        requests || tcp
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels.iter().map(|(label, value)| Label::new(*label, clean_value(value).into_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
