//! MeshConfig's `defaultConfig`, the same as a pod's annotation `proxy.istio.io/config`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Probe;
use serde::de::IgnoredAny;

use crate::resources::duration::Span;
use crate::resources::proxy_config::ProxyImage;

message! {
    /// Settings of a proxy, read when it starts.
    pub struct ProxySettings {
        pub config_path: String,
        pub binary_path: String,
        pub service_cluster: String,
        pub tracing_service_name: TracingServiceName,
        pub drain_duration: Option<Span>,
        pub parent_shutdown_duration: Option<Span>,
        pub discovery_address: String,
        pub discovery_refresh_delay: Option<Span>,
        pub zipkin_address: String,
        pub statsd_udp_address: String,
        pub envoy_metrics_service_address: String,
        pub proxy_admin_port: i32,
        pub availability_zone: String,
        pub control_plane_auth_policy: ControlPlaneAuth,
        pub custom_config_file: String,
        pub stat_name_length: i32,
        pub concurrency: Option<i32>,
        pub proxy_bootstrap_template_path: String,
        pub interception_mode: InterceptionMode,
        pub tracing: Option<IgnoredAny>,
        pub sds: Option<IgnoredAny>,
        pub envoy_access_log_service: Option<IgnoredAny>,
        pub envoy_metrics_service: Option<IgnoredAny>,
        pub proxy_metadata: BTreeMap<String, String>,
        pub runtime_values: BTreeMap<String, String>,
        pub status_port: i32,
        pub extra_stat_tags: Vec<String>,
        pub gateway_topology: Option<Topology>,
        pub termination_drain_duration: Option<Span>,
        pub mesh_id: String,
        pub readiness_probe: Option<Probe>,
        pub proxy_stats_matcher: Option<StatsMatcher>,
        pub hold_application_until_proxy_starts: Option<bool>,
        pub ca_certificates_pem: Vec<String>,
        pub image: Option<ProxyImage>,
        pub private_key_provider: Option<IgnoredAny>,
        pub proxy_headers: Option<IgnoredAny>,
        pub file_flush_interval: Option<Span>,
        pub file_flush_min_size_kb: Option<u32>,
        pub stats_eviction_interval: Option<Span>,
    }

    /// What stands in front of a gateway.
    pub struct Topology {
        pub num_trusted_proxies: u32,
        pub forward_client_cert_details: ForwardClientCertDetails,
        pub proxy_protocol: Option<IgnoredAny>,
    }

    /// Which of a proxy's own statistics are kept.
    pub struct StatsMatcher {
        pub inclusion_prefixes: Vec<String>,
        pub inclusion_suffixes: Vec<String>,
        pub inclusion_regexps: Vec<String>,
    }
}

choice! {
    /// How a proxy names itself.
    pub enum TracingServiceName {
        AppLabelAndNamespace,
        CanonicalNameOnly,
        CanonicalNameAndNamespace,
    }

    /// How a proxy reaches the control plane.
    pub enum ControlPlaneAuth {
        None,
        MutualTls,
        Inherit,
    }

    /// How traffic gets to a proxy.
    pub enum InterceptionMode {
        Redirect,
        Tproxy,
        None,
    }

    /// What happens to `x-forwarded-client-cert`.
    pub enum ForwardClientCertDetails {
        Undefined,
        Sanitize,
        ForwardOnly,
        AppendForward,
        SanitizeSet,
        AlwaysForwardOnly,
    }
}
