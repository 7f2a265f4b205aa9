//! The service that was called, as Istio's labels name it.

use crate::identifier::Identifier;

/// Host, short name and namespace of a service; made once for a cluster and shared by its requests.
#[derive(Debug)]
pub struct Service {
    id: Identifier,
    host: Box<str>,
    name: Box<str>,
    namespace: Box<str>,
}

impl Service {
    /// The service `name` in `namespace`, called `host` in full. What is not known is empty.
    pub fn new(host: &str, name: &str, namespace: &str) -> Self {
        Self { id: Identifier::next(), host: host.into(), name: name.into(), namespace: namespace.into() }
    }

    /// `destination_service`: the host in full.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `destination_service_name`: the short name, or the cluster's name where there is no service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `destination_service_namespace`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn id(&self) -> Identifier {
        self.id
    }
}
