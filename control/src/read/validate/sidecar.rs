//! Sidecar.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::gateway::Port;
use crate::resources::sidecar::Sidecar;

/// Checks a Sidecar.
pub(in crate::read) fn check(sidecar: &Sidecar, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    if let Some(selector) = &sidecar.workload_selector {
        let at = spec.key("workloadSelector");
        if selector.labels.is_empty() {
            into.warning(&at, "a selector without labels is the namespace's default");
        }
        super::names::selector(&selector.labels, &at.key("labels"), into);
    }
    for (index, listener) in sidecar.egress.iter().enumerate() {
        let list = spec.key("egress");
        let at = list.index(index);
        if listener.hosts.is_empty() {
            into.error(&at, "`hosts` is missing");
        }
        for (index, host) in listener.hosts.iter().enumerate() {
            let list = at.key("hosts");
            if !host.contains('/') {
                into.error(&list.index(index), format!("{host:?} is not namespace/host"));
                into.hint(format!("write */{host} for any namespace, ./{host} for this one"));
            } else if let Err(why) = super::host::in_namespace(host) {
                into.error(&list.index(index), why);
            }
        }
        if let Some(given) = &listener.port {
            port(given, &at.key("port"), into);
        }
    }
    for (index, listener) in sidecar.ingress.iter().enumerate() {
        let list = spec.key("ingress");
        let at = list.index(index);
        match &listener.port {
            Some(given) => port(given, &at.key("port"), into),
            None => into.error(&at, "`port` is missing"),
        }
        if !listener.default_endpoint.is_empty() && !is_endpoint(&listener.default_endpoint) {
            into.error(
                &at.key("defaultEndpoint"),
                format!(
                    "{:?} is not 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT or unix:///PATH",
                    listener.default_endpoint
                ),
            );
        }
        if let Some(pool) = &listener.connection_pool {
            super::destination_rule::connection_pool(pool, &at.key("connectionPool"), into);
        }
    }
    if let Some(pool) = &sidecar.inbound_connection_pool {
        super::destination_rule::connection_pool(pool, &spec.key("inboundConnectionPool"), into);
    }
}

/// Checks a listener's port.
fn port(port: &Port, at: &Path<'_>, into: &mut Findings) {
    super::port::number(port.number, &at.key("number"), into);
    super::port::protocol(&port.protocol, &at.key("protocol"), into);
}

fn is_endpoint(endpoint: &str) -> bool {
    if let Some(path) = endpoint.strip_prefix("unix://") {
        return path.starts_with('/');
    }
    endpoint.rsplit_once(':').is_some_and(|(address, port)| {
        matches!(address, "127.0.0.1" | "0.0.0.0" | "[::1]" | "[::]")
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
