//! Who writes down what happened: weft's own proxies one JSON object a line, others Istio's default text.

use weft_model::access_log::{AccessLog, ISTIO_JSON, ISTIO_TEXT, LogFormat, WEFT_JSON};

use super::Proxy;
use crate::resources::Age;
use crate::resources::mesh_config::AccessLogEncoding;
use crate::resources::telemetry::{AccessLogging, WorkloadMode};
use crate::world::workload::selects;

/// Which side of a call a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The logs of one side.
pub(super) fn logs(proxy: &Proxy<'_>, side: Side) -> Vec<AccessLog> {
    let config = &proxy.world.mesh.config;
    let defaults = config.default_providers.as_ref().map(|of| of.access_logging.clone()).unwrap_or_default();
    let said = said(proxy, side);
    let default = proxy.is_weft() || !config.access_log_file.is_empty() || !defaults.is_empty();
    if !said.as_ref().map_or(default, |said| said.on) {
        return Vec::new();
    }
    let named = said.map(|said| said.providers).filter(|names| !names.is_empty()).unwrap_or(defaults);
    let mut logs: Vec<AccessLog> = named.iter().filter_map(|name| provided(proxy, name)).collect();
    // weft's own proxies log somewhere in any case, for `weft logs`.
    if named.is_empty() || (logs.is_empty() && proxy.is_weft()) {
        logs.push(own(proxy));
    }
    logs
}

/// The log that is there without being defined.
fn own(proxy: &Proxy<'_>) -> AccessLog {
    let said = &proxy.world.mesh.config.access_log_file;
    AccessLog { path: path(said), format: format(proxy), only_no_route: false }
}

/// The provider of that name, if it is a file; `envoy` is there without being defined.
fn provided(proxy: &Proxy<'_>, name: &str) -> Option<AccessLog> {
    let defined = proxy.world.mesh.config.extension_providers.iter().find(|provider| provider.name == name);
    let Some(provider) = defined else { return (name == "envoy").then(|| own(proxy)) };
    let file = provider.envoy_file_access_log.as_ref()?;
    let format = match &file.log_format {
        Some(said) => match (&said.text, &said.labels) {
            (Some(text), _) => LogFormat::Text(line(text)),
            (None, Some(labels)) if !labels.is_empty() => json(labels),
            _ => LogFormat::Json(envoy_json()),
        },
        None => format(proxy),
    };
    Some(AccessLog { path: path(&file.path), format, only_no_route: false })
}

fn path(said: &str) -> String {
    if said.is_empty() { "/dev/stdout" } else { said }.to_owned()
}

/// A format's text with its line end.
fn line(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

fn json(fields: &serde_json::Map<String, serde_json::Value>) -> LogFormat {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    LogFormat::Json(fields.iter().map(|(key, value)| (key.clone(), text(value))).collect())
}

/// The log of connections that found no chain.
pub(super) fn no_route(proxy: &Proxy<'_>, side: Side) -> Vec<AccessLog> {
    if proxy.world.mesh.config.disable_envoy_listener_log {
        return Vec::new();
    }
    let logs = logs(proxy, side);
    logs.into_iter().map(|log| AccessLog { only_no_route: true, ..log }).collect()
}

fn format(proxy: &Proxy<'_>) -> LogFormat {
    let said = &proxy.world.mesh.config;
    let as_json = said.access_log_encoding == AccessLogEncoding::Json;
    if !said.access_log_format.is_empty() {
        let object = serde_json::from_str(&said.access_log_format).ok().filter(|_| as_json);
        return object.map_or_else(|| LogFormat::Text(line(&said.access_log_format)), |fields| json(&fields));
    }
    if proxy.is_weft() {
        return LogFormat::Json(owned(ISTIO_JSON).chain(owned(WEFT_JSON)).collect());
    }
    if as_json { LogFormat::Json(envoy_json()) } else { LogFormat::Text(line(ISTIO_TEXT)) }
}

/// Istio's fields in JSON.
fn envoy_json() -> Vec<(String, String)> {
    owned(ISTIO_JSON).collect()
}

fn owned(fields: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
}

/// What Telemetry says of one side's logs.
struct Said {
    on: bool,
    providers: Vec<String>,
}

/// By Telemetry of the workload, its namespace, the mesh; of each level the oldest. Whoever names no provider logs to those
/// of the next wider one that does.
fn said(proxy: &Proxy<'_>, side: Side) -> Option<Said> {
    let root = proxy.world.mesh.root_namespace.as_str();
    let empty = std::collections::BTreeMap::new();
    let mut levels: [Option<(Age, Said)>; 3] = [None, None, None];
    for object in &proxy.world.resources.telemetries {
        let labels = object.spec.selector.as_ref().map_or(&empty, |selector| &selector.match_labels);
        let here = object.meta.namespace == proxy.namespace;
        let level = match (labels.is_empty(), here) {
            (false, true) if selects(labels, &proxy.labels) => 0,
            (true, true) => 1,
            (true, false) if object.meta.namespace == root => 2,
            _ => continue,
        };
        let concerns = |logging: &&AccessLogging| match logging
            .selector
            .as_ref()
            .map(|selector| selector.mode)
            .unwrap_or_default()
        {
            WorkloadMode::ClientAndServer => true,
            WorkloadMode::Client => side == Side::Client,
            WorkloadMode::Server => side == Side::Server,
        };
        let mine: Vec<&AccessLogging> = object.spec.access_logging.iter().filter(concerns).collect();
        if mine.is_empty() || levels[level].as_ref().is_some_and(|(age, _)| *age <= object.meta.age) {
            continue;
        }
        let on: Vec<&&AccessLogging> = mine.iter().filter(|logging| logging.disabled != Some(true)).collect();
        let providers = on.iter().flat_map(|logging| &logging.providers).map(|of| of.name.clone()).collect();
        levels[level] = Some((object.meta.age, Said { on: !on.is_empty(), providers }));
    }
    let mut said = levels.into_iter().flatten().map(|(_, said)| said);
    let mut nearest = said.next()?;
    if nearest.providers.is_empty() {
        let wider = said.find(|wider| !wider.providers.is_empty());
        nearest.providers = wider.map(|wider| wider.providers).unwrap_or_default();
    }
    Some(nearest)
}
