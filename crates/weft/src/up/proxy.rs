//! What a pod asks of its proxy: the mesh's `defaultConfig`, over that the pod's annotation `proxy.istio.io/config`, and
//! over that the annotations for one thing alone. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use weft_control::read::proxy_settings;
use weft_control::resources::mesh_config::{
    INTERCEPTION_MODE, InterceptionMode, PROXY_CONFIG, ProxySettings,
};

/// The settings of one pod's proxy, as far as it is started by them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proxy {
    /// How its connections get to it, where they can be turned at all: in a network namespace.
    pub(crate) mode: InterceptionMode,
    /// The app starts when the proxy is ready.
    pub(crate) holds_app: bool,
    /// How long the proxy drains when it is told to end; `None`: as long as it does by itself.
    pub(crate) drain: Option<Duration>,
    /// Its threads; `None`: one, since one core serves one pod on a machine that runs them all.
    pub(crate) concurrency: Option<u32>,
    /// The mesh's name for telemetry.
    pub(crate) mesh_id: String,
    /// Heeded as if it were the proxy's environment.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What begins the names of annotations about whose connections are turned.
const TRAFFIC: &str = "traffic.sidecar.istio.io/";

impl Proxy {
    /// What a pod of these annotations asks for.
    pub(crate) fn of(mesh: &ProxySettings, annotations: &BTreeMap<String, String>) -> Self {
        let own = annotations.get(PROXY_CONFIG).and_then(|text| proxy_settings(text)).unwrap_or_default();
        let settings = mesh.overlaid(&own);
        Self {
            mode: mode(&settings, annotations),
            holds_app: settings.hold_application_until_proxy_starts.unwrap_or_default(),
            drain: settings.termination_drain_duration.map(|span| span.0),
            concurrency: settings.concurrency.and_then(|threads| u32::try_from(threads).ok()),
            mesh_id: settings.mesh_id,
            metadata: settings.proxy_metadata,
        }
    }

    /// Whether the proxy answers the pod's DNS, in a namespace of its own.
    pub(crate) fn answers_dns(&self) -> bool {
        self.metadata
            .get("ISTIO_META_DNS_CAPTURE")
            .is_none_or(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The ProxyConfig that an injector would pass on, as JSON.
    pub(crate) fn json(&self) -> String {
        let mut config = serde_json::json!({ "proxyMetadata": self.metadata });
        if let Some(drain) = self.drain {
            config["terminationDrainDuration"] = format!("{}s", drain.as_secs_f64()).into();
        }
        config.to_string()
    }
}

fn mode(settings: &ProxySettings, annotations: &BTreeMap<String, String>) -> InterceptionMode {
    let own = annotations.get(INTERCEPTION_MODE).and_then(|mode| InterceptionMode::named(mode));
    own.or(settings.interception_mode).unwrap_or_default()
}

/// What a pod's own annotations ask for about its interception and it does not get, in words: in namespaces all of it is
/// done, on loopback nothing is intercepted.
pub(crate) fn unheeded(annotations: &BTreeMap<String, String>, in_namespace: bool) -> Option<String> {
    if in_namespace {
        return None;
    }
    let own = annotations.get(PROXY_CONFIG).and_then(|text| proxy_settings(text)).unwrap_or_default();
    let traffic = annotations.keys().find(|name| name.starts_with(TRAFFIC));
    let heedless = "says which connections are intercepted: none are on loopback, `weft up --netns` heeds it";
    traffic
        .map(|name| format!("{name} {heedless}"))
        .or_else(|| unheeded_mode(mode(&own, annotations)).map(str::to_owned))
}

/// The same of the mesh.
pub(crate) fn unheeded_of_mesh(mesh: &ProxySettings, in_namespace: bool) -> Option<&'static str> {
    if in_namespace { None } else { unheeded_mode(mesh.interception_mode.unwrap_or_default()) }
}

const fn unheeded_mode(mode: InterceptionMode) -> Option<&'static str> {
    match mode {
        InterceptionMode::Tproxy => {
            Some("interceptionMode TPROXY: nothing is intercepted on loopback, `weft up --netns` heeds it")
        }
        InterceptionMode::Redirect | InterceptionMode::None => None,
    }
}

#[cfg(test)]
mod tests;
