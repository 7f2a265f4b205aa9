//! Who writes down what happened: weft's own proxies one JSON object a line, others Istio's default text.

use weft_model::access_log::{AccessLog, LogFormat};

use super::Proxy;
use crate::resources::mesh_config::AccessLogEncoding;
use crate::resources::telemetry::WorkloadMode;
use crate::world::workload::selects;

/// Istio's default format.
const ISTIO_TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
    %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Fields that every proxy knows.
const COMMON: [(&str, &str); 23] = [
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
];

/// Fields that weft's proxies know besides: who called whom, and why it went as it did.
const WEFT: [(&str, &str); 11] = [
    ("reason", "%REASON%"),
    ("policy", "%POLICY%"),
    ("route_name", "%ROUTE_NAME%"),
    ("grpc_status", "%GRPC_STATUS_NUMBER%"),
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("reporter", "%REPORTER%"),
    ("source_workload", "%SOURCE_WORKLOAD%"),
    ("source_principal", "%SOURCE_PRINCIPAL%"),
    ("destination_workload", "%DESTINATION_WORKLOAD%"),
    ("destination_principal", "%DESTINATION_PRINCIPAL%"),
    ("connection_security", "%CONNECTION_SECURITY%"),
];

/// Which side of a call a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The logs of one side.
pub(super) fn logs(proxy: &Proxy<'_>, side: Side) -> Vec<AccessLog> {
    if !is_on(proxy, side) {
        return Vec::new();
    }
    let said = &proxy.world.mesh.config;
    let path = if said.access_log_file.is_empty() { "/dev/stdout" } else { &said.access_log_file };
    vec![AccessLog { path: path.to_owned(), format: format(proxy), only_no_route: false }]
}

/// The log of connections that found no chain.
pub(super) fn no_route(proxy: &Proxy<'_>, side: Side) -> Vec<AccessLog> {
    let logs = logs(proxy, side);
    logs.into_iter().map(|log| AccessLog { only_no_route: true, ..log }).collect()
}

fn format(proxy: &Proxy<'_>) -> LogFormat {
    let said = &proxy.world.mesh.config;
    let json = said.access_log_encoding == AccessLogEncoding::Json;
    let owned = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    if !said.access_log_format.is_empty() {
        let object =
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&said.access_log_format);
        if let Some(fields) = object.ok().filter(|_| json) {
            let text =
                |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return LogFormat::Json(fields.iter().map(|(key, value)| (key.clone(), text(value))).collect());
        }
        return LogFormat::Text(said.access_log_format.clone());
    }
    if proxy.is_weft() {
        let mut fields = owned(&COMMON);
        fields.extend(owned(&WEFT));
        return LogFormat::Json(fields);
    }
    if json {
        let mut fields = owned(&COMMON);
        fields.push(("route_name".to_owned(), "%ROUTE_NAME%".to_owned()));
        return LogFormat::Json(fields);
    }
    LogFormat::Text(ISTIO_TEXT.to_owned())
}

/// By Telemetry of the workload, its namespace, the mesh; else by MeshConfig; weft's own proxies log unless told not to.
fn is_on(proxy: &Proxy<'_>, side: Side) -> bool {
    let config = &proxy.world.mesh.config;
    let providers = config.default_providers.as_ref().map(|providers| &providers.access_logging);
    let default = proxy.is_weft()
        || !config.access_log_file.is_empty()
        || providers.is_some_and(|names| !names.is_empty());
    said(proxy, side).unwrap_or(default)
}

fn said(proxy: &Proxy<'_>, side: Side) -> Option<bool> {
    let root = proxy.world.mesh.root_namespace.as_str();
    let empty = std::collections::BTreeMap::new();
    let mut levels: [Option<(crate::resources::Age, bool)>; 3] = [None; 3];
    for object in &proxy.world.resources.telemetries {
        let labels = object.spec.selector.as_ref().map_or(&empty, |selector| &selector.match_labels);
        let here = object.meta.namespace == proxy.namespace;
        let level = match (labels.is_empty(), here) {
            (false, true) if selects(labels, &proxy.labels) => 0,
            (true, true) => 1,
            (true, false) if object.meta.namespace == root => 2,
            _ => continue,
        };
        let concerns = |mode: WorkloadMode| match mode {
            WorkloadMode::ClientAndServer => true,
            WorkloadMode::Client => side == Side::Client,
            WorkloadMode::Server => side == Side::Server,
        };
        let mut mine = object.spec.access_logging.iter().filter(|logging| {
            concerns(logging.selector.as_ref().map(|selector| selector.mode).unwrap_or_default())
        });
        let Some(first) = mine.next() else { continue };
        let on = std::iter::once(first).chain(mine).any(|logging| logging.disabled != Some(true));
        if levels[level].is_none_or(|(age, _)| object.meta.age < age) {
            levels[level] = Some((object.meta.age, on));
        }
    }
    levels.into_iter().flatten().next().map(|(_, on)| on)
}
