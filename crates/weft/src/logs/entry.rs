//! What one sidecar wrote down of one request or TCP connection, as far as `weft logs` tells it.

use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A line of an access log in weft's JSON. What another version, or the user's own format, does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    start_time: String,
    reporter: Option<String>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    protocol: Option<String>,
    response_code: Option<u16>,
    response_flags: Option<String>,
    response_code_details: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) policy: Option<String>,
    connection_termination_details: Option<String>,
    upstream_transport_failure_reason: Option<String>,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    /// In milliseconds.
    pub(super) duration: u64,
    pub(super) request_id: Option<String>,
    pub(super) authority: Option<String>,
    user_agent: Option<String>,
    upstream_host: Option<String>,
    upstream_cluster: Option<String>,
    downstream_local_address: Option<String>,
    downstream_remote_address: Option<String>,
    pub(super) grpc_status: Option<i64>,
    pub(super) attempts: Option<u32>,
    pub(super) source_workload: Option<String>,
    pub(super) source_principal: Option<String>,
    pub(super) destination_workload: Option<String>,
}

/// Which of a call's two sidecars wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// How a request went, by what one sidecar saw of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Fine,
    Failed,
    Denied,
}

/// Flags that are the client's doing: it went away, or did not speak properly.
const CLIENTS: [&str; 3] = ["DC", "DR", "DPE"];

impl Entry {
    /// Reads a line; `None` if it is not in weft's own format.
    pub(super) fn read(line: &str) -> Option<(Self, Side, OffsetDateTime)> {
        let entry: Self = serde_json::from_str(line).ok()?;
        let side = match entry.reporter.as_deref()? {
            "source" => Side::Caller,
            "destination" => Side::Callee,
            _ => return None,
        };
        let started = OffsetDateTime::parse(&entry.start_time, &Rfc3339).ok()?;
        Some((entry, side, started))
    }

    /// Whether it is a connection whose content was only forwarded.
    pub(super) fn is_tcp(&self) -> bool {
        self.method.is_none() && self.protocol.as_deref().is_none_or(|protocol| protocol == "-")
    }

    /// The response's status; none where there was no response.
    pub(super) fn status(&self) -> Option<u16> {
        self.response_code.filter(|code| *code != 0)
    }

    fn flags(&self) -> impl Iterator<Item = &str> {
        self.response_flags.as_deref().unwrap_or("-").split(',').filter(|flag| *flag != "-")
    }

    /// Whether it ended as it did because the client went away, or did not speak properly.
    pub(super) fn is_the_clients_doing(&self) -> bool {
        self.flags().any(|flag| CLIENTS.contains(&flag))
    }

    /// As the metrics count it: what policy refused is no failure, and neither is a client that went away.
    pub(super) fn outcome(&self) -> Outcome {
        let failed = if self.is_tcp() {
            self.flags().any(|flag| !CLIENTS.contains(&flag))
        } else {
            match (self.status(), self.grpc_status) {
                (None, _) => !self.is_the_clients_doing(),
                (Some(500..), _) => true,
                (_, status) => matches!(status, Some(2 | 4 | 12..=15)),
            }
        };
        match self.flags().any(|flag| flag == "UAEX") {
            true => Outcome::Denied,
            false if failed => Outcome::Failed,
            false => Outcome::Fine,
        }
    }

    /// Whether its client went away within the answer. Had the sidecar something to say itself, that stands in the details.
    pub(super) fn was_left(&self) -> bool {
        self.response_code_details.as_deref() == Some("downstream_remote_disconnect")
    }

    /// Whether the status is the app's own, and not a sidecar's.
    pub(super) fn came_from_upstream(&self) -> bool {
        self.response_code_details.as_deref() == Some("via_upstream")
    }

    /// Whether the app's answer came and is whole, as far as this sidecar saw.
    pub(super) fn is_the_apps(&self) -> bool {
        self.came_from_upstream() && self.status().is_some()
    }

    /// Whether it is a question of `weft.dev/health-check`: what `weft status` counts as one, and nothing else (see
    /// `Record::is_health_check` of weft-telemetry).
    pub(super) fn is_a_health_check(&self) -> bool {
        self.reporter.as_deref() == Some("destination")
            && self.source_workload.as_deref().is_none_or(str::is_empty)
            && self.user_agent.as_deref() == Some(weft_model::health::USER_AGENT)
            && !matches!((self.status(), self.grpc_status), (Some(401 | 403), _) | (_, Some(7 | 16)))
    }

    /// Whether a sidecar sent it: these have certificates, and apps have none.
    pub(super) fn is_from_a_sidecar(&self) -> bool {
        self.source_principal.as_deref().is_some_and(|principal| !principal.is_empty())
    }

    /// Whether its route held it up on purpose before it went on.
    pub(super) fn was_held_up(&self) -> bool {
        self.flags().any(|flag| flag == "DI")
    }

    /// Why it went as it did, if the sidecar had something to say about it.
    pub(super) fn why(&self) -> Option<String> {
        let said =
            [&self.reason, &self.upstream_transport_failure_reason, &self.connection_termination_details];
        let meaning = || {
            let flag: Option<weft_telemetry::ResponseFlag> = self.flags().find_map(|flag| flag.parse().ok());
            flag.map(|flag| flag.meaning().to_owned())
        };
        said.into_iter().flatten().find(|text| !text.is_empty()).cloned().or_else(meaning)
    }

    pub(super) fn remote(&self) -> Option<IpAddr> {
        ip(self.downstream_remote_address.as_deref()?)
    }

    pub(super) fn upstream(&self) -> Option<IpAddr> {
        ip(self.upstream_host.as_deref()?)
    }

    /// The host of the cluster `outbound|80||cart.shop.svc.cluster.local`.
    pub(super) fn upstream_service(&self) -> Option<&str> {
        self.upstream_cluster.as_deref()?.split('|').nth(3).filter(|host| !host.is_empty())
    }

    /// The port that was called.
    pub(super) fn port(&self) -> Option<u16> {
        Some(self.downstream_local_address.as_deref()?.parse::<SocketAddr>().ok()?.port())
    }
}

fn ip(address: &str) -> Option<IpAddr> {
    Some(address.parse::<SocketAddr>().ok()?.ip().to_canonical())
}
