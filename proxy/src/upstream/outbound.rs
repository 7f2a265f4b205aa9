//! Clusters of the mesh, by the names that Istio gives them.

/// What such a name says: `outbound|80|v1|host`.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// The service's port.
    pub port: &'a str,
    /// Empty for the whole service.
    pub subset: &'a str,
    /// The service.
    pub host: &'a str,
}

impl<'a> Outbound<'a> {
    /// Reads it; `None` for clusters of another kind.
    pub fn of(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix("outbound|")?.splitn(3, '|');
        Some(Self { port: parts.next()?, subset: parts.next()?, host: parts.next()? })
    }

    /// The same of a subset alone.
    pub fn of_subset(name: &'a str) -> Option<Self> {
        Self::of(name).filter(|of| !of.subset.is_empty())
    }
}
