//! Istio's labels of a request or a connection.

use std::borrow::Cow;

use metrics::Label;

use crate::flags::ResponseFlags;
use crate::peer::Peer;
use crate::record::{Protocol, Record, Reporter};

/// What Istio writes where it does not know.
const UNKNOWN: &str = "unknown";
/// What stands where too many different values came.
const OTHER: &str = "other";

/// The labels of one series, in Istio's names.
#[derive(Debug, Clone)]
pub(super) struct Labels(Vec<(&'static str, Cow<'static, str>)>);

impl Labels {
    /// The labels of a finished HTTP or gRPC request.
    pub(super) fn of_request(record: &Record<'_>) -> Self {
        let mut labels = Self::of_call(record, if record.grpc { "grpc" } else { "http" }, record.flags);
        labels.push("response_code", &record.response_code.unwrap_or(0).to_string());
        let status = record.grpc_status.filter(|_| record.grpc).map(|status| status.to_string());
        labels.push("grpc_response_status", &status.unwrap_or_default());
        labels
    }

    /// The labels of a TCP connection; its flags are known when it ends.
    pub(super) fn of_connection(record: &Record<'_>, flags: ResponseFlags) -> Self {
        Self::of_call(record, "tcp", flags)
    }

    /// Where everything goes that finds no place: only what cannot vary is kept.
    pub(super) fn other(&self) -> Self {
        let kept =
            |label: &str| matches!(label, "reporter" | "request_protocol" | "connection_security_policy");
        let other = |(label, value): &(&'static str, Cow<'static, str>)| {
            (*label, if kept(label) { value.clone() } else { OTHER.into() })
        };
        Self(self.0.iter().map(other).collect())
    }

    /// Whether they are those of a gRPC call.
    pub(super) fn is_grpc(&self) -> bool {
        self.0.iter().any(|(label, value)| *label == "request_protocol" && value == "grpc")
    }

    fn of_call(record: &Record<'_>, protocol: &'static str, flags: ResponseFlags) -> Self {
        debug_assert!(protocol == "tcp" || record.protocol != Protocol::Tcp, "a TCP record has no response");
        let mut labels = Self(Vec::with_capacity(26));
        labels.push(
            "reporter",
            match record.reporter {
                Reporter::Source => "source",
                Reporter::Destination => "destination",
            },
        );
        labels.push_peer(&SOURCE, record.source.map(AsRef::as_ref));
        labels.push_peer(&DESTINATION, record.destination.map(AsRef::as_ref));
        let service = record.service;
        // What reaches a workload is its own, even if it never got as far as a service's port.
        let own = record.destination.filter(|_| record.reporter == Reporter::Destination);
        let own = own.map(|own| own.metadata());
        let canonical = own.map(|own| own.canonical_service.as_str());
        labels.push_known("destination_service", said(service.map(|service| service.host())).or(canonical));
        labels.push_known(
            "destination_service_name",
            said(service.map(|service| service.name())).or(canonical),
        );
        labels.push_known(
            "destination_service_namespace",
            said(service.map(|service| service.namespace())).or(own.map(|own| own.namespace.as_str())),
        );
        labels.push("request_protocol", protocol);
        labels.push("response_flags", &flags.to_string());
        labels.push("connection_security_policy", record.security.name());
        labels
    }

    fn push_peer(&mut self, names: &PeerLabels, peer: Option<&Peer>) {
        let metadata = peer.map(Peer::metadata);
        self.push_known(names.workload, metadata.map(|metadata| metadata.workload.as_str()));
        let principal = peer.and_then(Peer::principal);
        // A certificate proves where its holder lives; what the header says counts where there is none.
        let proven = principal.and_then(namespace_of);
        self.push_known(
            names.workload_namespace,
            proven.or(metadata.map(|metadata| metadata.namespace.as_str())),
        );
        self.push_known(names.principal, principal);
        self.push_known(names.app, metadata.map(|metadata| metadata.app.as_str()));
        self.push_known(names.version, metadata.map(|metadata| metadata.version.as_str()));
        self.push_known(
            names.canonical_service,
            metadata.map(|metadata| metadata.canonical_service.as_str()),
        );
        let revision = metadata.map(|metadata| metadata.canonical_revision.as_str()).unwrap_or_default();
        // Istio's word for a workload that names no revision.
        self.push(names.canonical_revision, if revision.is_empty() { "latest" } else { revision });
        self.push_known(names.cluster, metadata.map(|metadata| metadata.cluster.as_str()));
    }

    fn push_known(&mut self, label: &'static str, value: Option<&str>) {
        self.push(label, said(value).unwrap_or(UNKNOWN));
    }

    fn push(&mut self, label: &'static str, value: &str) {
        self.0.push((label, Cow::Owned(clean_value(value).into_owned())));
    }

    /// One string that two label sets share only if they are equal.
    pub(super) fn identity(&self) -> String {
        self.0.iter().flat_map(|(_, value)| [value.as_ref(), "\n"]).collect()
    }

    /// For a registry of metrics.
    pub(super) fn for_registry(&self) -> Vec<Label> {
        self.0.iter().map(|(label, value)| Label::new(*label, value.to_string())).collect()
    }

    /// As they stand between the braces of the exposition.
    pub(super) fn for_exposition(&self) -> String {
        let labels: Vec<_> = self.0.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        labels.join(",")
    }
}

/// What is not empty.
fn said(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

/// The namespace in an identity of a mesh: `spiffe://trust-domain/ns/namespace/sa/account`.
fn namespace_of(principal: &str) -> Option<&str> {
    let (_, path) = principal.strip_prefix("spiffe://")?.split_once('/')?;
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("ns"), Some(namespace), Some("sa")) => Some(namespace),
        _ => None,
    }
}

/// Replaces what would have to be escaped in the exposition, so that no parser's and no writer's idea of
/// escaping matters.
pub(super) fn clean_value(value: &str) -> Cow<'_, str> {
    let bad = |c: char| c.is_control() || matches!(c, '"' | '\\');
    if value.contains(bad) { value.replace(bad, "_").into() } else { value.into() }
}

struct PeerLabels {
    workload: &'static str,
    workload_namespace: &'static str,
    principal: &'static str,
    app: &'static str,
    version: &'static str,
    canonical_service: &'static str,
    canonical_revision: &'static str,
    cluster: &'static str,
}

const SOURCE: PeerLabels = PeerLabels {
    workload: "source_workload",
    workload_namespace: "source_workload_namespace",
    principal: "source_principal",
    app: "source_app",
    version: "source_version",
    canonical_service: "source_canonical_service",
    canonical_revision: "source_canonical_revision",
    cluster: "source_cluster",
};

const DESTINATION: PeerLabels = PeerLabels {
    workload: "destination_workload",
    workload_namespace: "destination_workload_namespace",
    principal: "destination_principal",
    app: "destination_app",
    version: "destination_version",
    canonical_service: "destination_canonical_service",
    canonical_revision: "destination_canonical_revision",
    cluster: "destination_cluster",
};
