//! Whom `weft logs` was asked about: some pods, and the services by which they are called.

use super::request::{Account, Request};
use std::collections::BTreeSet;

/// A workload, a service or a pod, as callers and callees of an access log have them.
#[derive(Debug, Default)]
pub(super) struct Whom {
    /// Its pods; none, where nothing runs.
    pub(super) pods: BTreeSet<String>,
    /// All pods of the mesh: what reached one of the others was not for these.
    pub(super) all: BTreeSet<String>,
    /// The services that lead to it, by their names in full.
    pub(super) services: BTreeSet<String>,
}

impl Whom {
    /// Whether it takes part in `request`, as caller or callee.
    pub(super) fn takes_part(&self, request: &Request) -> bool {
        request.accounts().any(|account| self.pods.contains(&account.owner)) || self.was_called(request)
    }

    /// Whether `request` was meant for it, though no sidecar of its own tells of it: what fails on the way (no endpoint, a
    /// fault of the route, a full pool, TLS that does not match) only the caller's knows.
    fn was_called(&self, request: &Request) -> bool {
        if self.all.contains(&request.callee) {
            return self.pods.contains(&request.callee);
        }
        let Some(account) = &request.at_caller else { return false };
        match account.entry.upstream_service() {
            Some(host) => self.services.contains(host),
            None => self.is_named(account),
        }
    }

    /// Whether the caller wrote its name: a route that answers by itself leads to no cluster.
    fn is_named(&self, account: &Account) -> bool {
        let Some(authority) = &account.entry.authority else { return false };
        let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        // A pod's name has its namespace before it only where there are several.
        let is_near = |namespace: &str| match account.owner.split_once('/') {
            Some((own, _)) => own == namespace,
            None => true,
        };
        self.services.iter().any(|service| {
            let Some(short) = service.strip_suffix(".svc.cluster.local") else { return *service == host };
            let Some((name, namespace)) = short.rsplit_once('.') else { return false };
            [service, short].contains(&host.as_str())
                || host.strip_suffix(".svc") == Some(short)
                || (host == name && is_near(namespace))
        })
    }
}

#[cfg(test)]
mod tests;
