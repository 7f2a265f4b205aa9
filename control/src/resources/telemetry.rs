//! Telemetry: what is logged, measured and traced.

use std::collections::BTreeMap;

use super::duration::Span;
use super::selector::{Selector, TargetRef};

message! {
    /// Telemetry of some workloads, a namespace, or the mesh.
    pub struct Telemetry {
        pub selector: Option<Selector>,
        pub target_ref: Option<TargetRef>,
        pub target_refs: Vec<TargetRef>,
        pub tracing: Vec<Tracing>,
        pub metrics: Vec<Metrics>,
        pub access_logging: Vec<AccessLogging>,
    }

    /// A provider by its name in MeshConfig.
    pub struct ProviderRef {
        pub name: String,
    }

    /// Traces.
    pub struct Tracing {
        #[serde(rename = "match")]
        pub selector: Option<ModeSelector>,
        pub providers: Vec<ProviderRef>,
        pub random_sampling_percentage: Option<f64>,
        pub disable_span_reporting: Option<bool>,
        pub custom_tags: BTreeMap<String, CustomTag>,
        pub use_request_id_for_trace_sampling: Option<bool>,
        pub enable_istio_tags: Option<bool>,
    }

    /// Which side a setting is for.
    pub struct ModeSelector {
        pub mode: WorkloadMode,
    }

    /// A tag of every span; one of these.
    pub struct CustomTag {
        pub literal: Option<TagValue>,
        pub environment: Option<TagSource>,
        pub header: Option<TagSource>,
        pub formatter: Option<TagValue>,
    }

    /// A tag's value as it is, or as a format.
    pub struct TagValue {
        pub value: String,
    }

    /// A tag's value from a variable or a header.
    pub struct TagSource {
        pub name: String,
        pub default_value: String,
    }

    /// Metrics.
    pub struct Metrics {
        pub providers: Vec<ProviderRef>,
        pub overrides: Vec<MetricOverride>,
        pub reporting_interval: Option<Span>,
    }

    /// Changes to some metrics.
    pub struct MetricOverride {
        #[serde(rename = "match")]
        pub selector: Option<MetricSelector>,
        pub disabled: Option<bool>,
        pub tag_overrides: BTreeMap<String, TagOverride>,
    }

    /// Which metrics.
    pub struct MetricSelector {
        pub metric: Option<Metric>,
        pub custom_metric: Option<String>,
        pub mode: WorkloadMode,
    }

    /// A change to one label.
    pub struct TagOverride {
        pub operation: TagOperation,
        pub value: String,
    }

    /// Access logs.
    pub struct AccessLogging {
        #[serde(rename = "match")]
        pub selector: Option<ModeSelector>,
        pub providers: Vec<ProviderRef>,
        pub disabled: Option<bool>,
        pub filter: Option<LogFilter>,
    }

    /// Which requests are logged, as a CEL expression.
    pub struct LogFilter {
        pub expression: String,
    }
}

choice! {
    /// Callers, called, or both.
    pub enum WorkloadMode {
        ClientAndServer,
        Client,
        Server,
    }

    /// Istio's metrics.
    pub enum Metric {
        AllMetrics,
        RequestCount,
        RequestDuration,
        RequestSize,
        ResponseSize,
        TcpOpenedConnections,
        TcpClosedConnections,
        TcpSentBytes,
        TcpReceivedBytes,
        GrpcRequestMessages,
        GrpcResponseMessages,
    }

    /// What happens to a label.
    pub enum TagOperation {
        Upsert,
        Remove,
    }
}
