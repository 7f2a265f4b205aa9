//! Compiled clusters.

use std::sync::Arc;

use crate::cluster as settings;
use crate::table::endpoints::EndpointSet;

/// A compiled cluster. Its endpoints are a part of their own, so that a change of theirs costs no more than them.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// As it arrived.
    pub settings: Arc<settings::Cluster>,
    /// Its endpoints.
    pub endpoints: Arc<EndpointSet>,
}

impl Cluster {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The same cluster with other endpoints.
    pub fn with_endpoints(&self, endpoints: EndpointSet) -> Self {
        Self { settings: self.settings.clone(), endpoints: Arc::new(endpoints) }
    }
}
