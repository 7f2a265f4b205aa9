//! What a cluster's kubelet would ask an app, as an injector hands it to the sidecar: JSON by the path that it asks the
//! sidecar for instead.

use crate::up::pods::Draft;
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Map, Value, json};

/// An annotation that leaves the probes of a pod as they are.
const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";

/// The probes of the pod's containers; empty if there are none.
pub(super) fn of(draft: &Draft) -> String {
    if draft.annotations.get(REWRITE).is_some_and(|value| value == "false") {
        return String::new();
    }
    let mut probers = Map::new();
    for container in draft.containers() {
        for (name, probe) in [
            ("readyz", &container.readiness_probe),
            ("livez", &container.liveness_probe),
            ("startupz", &container.startup_probe),
        ] {
            if let Some(prober) = probe.as_ref().and_then(|probe| prober(container, probe)) {
                probers.insert(format!("/app-health/{}/{name}", container.name), prober);
            }
        }
    }
    if probers.is_empty() { String::new() } else { Value::Object(probers).to_string() }
}

/// One probe; none where it runs a command in the container, or its port is none.
fn prober(container: &Container, probe: &Probe) -> Option<Value> {
    let mut prober = if let Some(http) = &probe.http_get {
        let mut asked = serde_json::to_value(http).ok()?;
        asked["port"] = number(container, &http.port)?.into();
        json!({ "httpGet": asked })
    } else if let Some(tcp) = &probe.tcp_socket {
        json!({ "tcpSocket": { "port": number(container, &tcp.port)? } })
    } else {
        json!({ "grpc": probe.grpc.as_ref()? })
    };
    if let Some(limit) = probe.timeout_seconds {
        prober["timeoutSeconds"] = limit.into();
    }
    Some(prober)
}

/// A port by its number or by the name that the container gives to it.
fn number(container: &Container, port: &IntOrString) -> Option<u16> {
    let name = match port {
        IntOrString::Int(number) => return u16::try_from(*number).ok(),
        IntOrString::String(name) => name,
    };
    let mut ports = container.ports.iter().flatten();
    let named = ports.find(|known| known.name.as_ref() == Some(name)).map(|known| known.container_port);
    named.and_then(|number| u16::try_from(number).ok()).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests;
