//! The service of what went to no cluster: direct answers, redirects, and requests that no route is for. As Istio's client
//! side has it, that is the host that was asked for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::{Record, Reporter};
use crate::service::Service;

/// An app may ask for any host: so many have a name here, the rest is unknown, lest they take the place of real services.
const MOST: usize = 128;
/// No name in the DNS is longer, even with a port.
const LONGEST: usize = 260;

/// Whoever is asked for a host of a mesh that refuses strangers gets there: Istio's route, and the name it counts by.
const BLOCKED: (&str, &str) = ("block_all", "BlackHoleCluster");

/// The hosts that were asked for.
#[derive(Debug, Default)]
pub(super) struct Asked(HashMap<Box<str>, Arc<Service>>);

impl Asked {
    /// The service of `record`, where its cluster does not tell it; only a client knows what it asked for.
    pub(super) fn service(&mut self, record: &Record<'_>) -> Option<Arc<Service>> {
        if record.service.is_some() || record.reporter != Reporter::Source {
            return None;
        }
        let (name, host) = match record.route_name {
            Some(route) if route == BLOCKED.0 => (BLOCKED.1, ""),
            _ => {
                let host = str::from_utf8(record.authority?).ok()?;
                (host, host)
            }
        };
        if name.is_empty() || name.len() > LONGEST {
            return None;
        }
        if let Some(service) = self.0.get(name) {
            return Some(Arc::clone(service));
        }
        if self.0.len() >= MOST {
            return None;
        }
        let service = Arc::new(Service::new(host, name, ""));
        self.0.insert(name.into(), Arc::clone(&service));
        Some(service)
    }
}
