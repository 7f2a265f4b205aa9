//! Extension providers: what Telemetry and CUSTOM policies name.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::resources::duration::Span;

message! {
    /// A provider; one of the fields beside its name.
    pub struct ExtensionProvider {
        pub name: String,
        pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
        pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
        pub zipkin: Option<IgnoredAny>,
        pub lightstep: Option<IgnoredAny>,
        pub datadog: Option<IgnoredAny>,
        pub stackdriver: Option<IgnoredAny>,
        pub opencensus: Option<IgnoredAny>,
        pub skywalking: Option<IgnoredAny>,
        pub opentelemetry: Option<OpenTelemetry>,
        pub prometheus: Option<IgnoredAny>,
        pub envoy_file_access_log: Option<FileAccessLog>,
        pub envoy_http_als: Option<IgnoredAny>,
        pub envoy_tcp_als: Option<IgnoredAny>,
        pub envoy_otel_als: Option<IgnoredAny>,
        pub sds: Option<IgnoredAny>,
    }

    /// An external authorizer that speaks HTTP.
    pub struct ExtAuthzHttp {
        pub service: String,
        pub port: u32,
        pub timeout: Option<Span>,
        pub path_prefix: String,
        pub fail_open: bool,
        pub clear_route_cache: bool,
        pub status_on_error: String,
        pub include_headers_in_check: Vec<String>,
        pub include_request_headers_in_check: Vec<String>,
        pub include_additional_headers_in_check: BTreeMap<String, String>,
        pub include_request_body_in_check: Option<ExtAuthzBody>,
        pub headers_to_upstream_on_allow: Vec<String>,
        pub headers_to_downstream_on_deny: Vec<String>,
        pub headers_to_downstream_on_allow: Vec<String>,
    }

    /// An external authorizer that speaks gRPC.
    pub struct ExtAuthzGrpc {
        pub service: String,
        pub port: u32,
        pub timeout: Option<Span>,
        pub fail_open: bool,
        pub clear_route_cache: bool,
        pub status_on_error: String,
        pub include_request_body_in_check: Option<ExtAuthzBody>,
    }

    /// How much of a body an authorizer sees.
    pub struct ExtAuthzBody {
        pub max_request_bytes: u32,
        pub allow_partial_message: bool,
        pub pack_as_bytes: bool,
    }

    /// A collector of traces.
    pub struct OpenTelemetry {
        pub service: String,
        pub port: u32,
        pub max_tag_length: Option<u32>,
        pub http: Option<IgnoredAny>,
        pub grpc: Option<IgnoredAny>,
        pub resource_detectors: Option<IgnoredAny>,
        pub dynatrace_sampler: Option<IgnoredAny>,
        pub service_attribute_enrichment: Option<IgnoredAny>,
    }

    /// An access log in a file.
    pub struct FileAccessLog {
        pub path: String,
        pub log_format: Option<LogFormat>,
        pub omit_empty_values: bool,
    }

    /// An access log's format; one of these.
    pub struct LogFormat {
        pub text: Option<String>,
        /// Empty is Envoy's own set of labels.
        pub labels: Option<serde_json::Map<String, serde_json::Value>>,
    }
}
