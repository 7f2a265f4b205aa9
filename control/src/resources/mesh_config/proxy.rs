//! MeshConfig's `defaultConfig`, the same as a pod's annotation `proxy.istio.io/config`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Probe;
use serde::de::IgnoredAny;

use crate::resources::duration::Span;
use crate::resources::proxy_config::ProxyImage;

/// The annotation by which a pod has settings of its own.
pub const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// The annotation by which a pod says how its connections get to its proxy.
pub const INTERCEPTION_MODE: &str = "sidecar.istio.io/interceptionMode";

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
        pub interception_mode: Option<InterceptionMode>,
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
    #[derive(serde::Serialize)]
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

impl InterceptionMode {
    /// As Istio writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redirect => "REDIRECT",
            Self::Tproxy => "TPROXY",
            Self::None => "NONE",
        }
    }

    /// The mode of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Redirect, Self::Tproxy, Self::None].into_iter().find(|mode| mode.name() == name)
    }
}

impl ProxySettings {
    /// These, with what `over` says in their place; `proxyMetadata` is merged by its keys. Fields that nobody reads are
    /// not carried over.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
        let mut proxy_metadata = self.proxy_metadata.clone();
        proxy_metadata.extend(over.proxy_metadata.clone());
        let mesh_id = if over.mesh_id.is_empty() { &self.mesh_id } else { &over.mesh_id };
        Self {
            concurrency: over.concurrency.or(self.concurrency),
            interception_mode: over.interception_mode.or(self.interception_mode),
            termination_drain_duration: over.termination_drain_duration.or(self.termination_drain_duration),
            hold_application_until_proxy_starts: over
                .hold_application_until_proxy_starts
                .or(self.hold_application_until_proxy_starts),
            mesh_id: mesh_id.clone(),
            proxy_metadata,
            ..Self::default()
        }
    }
}
