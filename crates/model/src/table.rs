//! The compiled mesh: immutable, made of shared parts, every name resolved to the part it means.
//!
//! A request is decided on one `Table`. A change clones the table (a list of pointers) and replaces one part.

pub mod affix;
pub mod chain;
pub mod cluster;
pub mod cors;
pub mod endpoints;
pub mod header;
pub mod kept;
pub mod limit;
mod names;
pub mod rbac;
pub mod re2;
pub mod retry;
pub mod route;
pub mod template;
pub mod text;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub use self::chain::Listener;
pub use self::cluster::Cluster;
pub use self::names::{ClusterId, ClusterRef, Names, RouteId, RouteRef};
pub use self::route::RouteTable;

/// Everything that connections and requests are decided on.
#[derive(Debug, Clone, Default)]
pub struct Table {
    listeners: BTreeMap<String, Arc<Listener>>,
    by_address: Arc<HashMap<SocketAddr, Arc<Listener>>>,
    routes: Vec<Option<Arc<RouteTable>>>,
    clusters: Vec<Option<Arc<Cluster>>>,
}

impl Table {
    /// The cluster, if it exists.
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<Cluster>> {
        self.clusters.get(id.0 as usize)?.as_ref()
    }

    /// The cluster of that name, looked for one by one: for people's questions and `cluster_header`, not for every request.
    pub fn cluster_named(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters().find(|cluster| cluster.settings.name == name)
    }

    /// All clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.iter().flatten()
    }

    /// The route configuration, if it has arrived.
    pub fn routes(&self, id: RouteId) -> Option<&Arc<RouteTable>> {
        self.routes.get(id.0 as usize)?.as_ref()
    }

    /// All route configurations that came by name.
    pub fn all_routes(&self) -> impl Iterator<Item = &Arc<RouteTable>> {
        self.routes.iter().flatten()
    }

    /// The listener of that name.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    /// All listeners by name.
    pub fn listeners(&self) -> &BTreeMap<String, Arc<Listener>> {
        &self.listeners
    }

    /// The listener that a redirected connection is handed over to: that of exactly this address, else that of its port on any address.
    pub fn listener_for(&self, destination: SocketAddr) -> Option<&Arc<Listener>> {
        let destination = SocketAddr::new(destination.ip().to_canonical(), destination.port());
        let any = |ip: IpAddr| self.by_address.get(&SocketAddr::new(ip, destination.port()));
        self.by_address.get(&destination).or_else(|| match destination.ip() {
            IpAddr::V4(_) => any(Ipv4Addr::UNSPECIFIED.into()).or_else(|| any(Ipv6Addr::UNSPECIFIED.into())),
            IpAddr::V6(_) => any(Ipv6Addr::UNSPECIFIED.into()),
        })
    }

    /// Puts a cluster in its place, or takes it away.
    pub fn set_cluster(&mut self, id: ClusterId, cluster: Option<Arc<Cluster>>) {
        put(&mut self.clusters, id.0, cluster);
    }

    /// Puts a route configuration in its place, or takes it away.
    pub fn set_routes(&mut self, id: RouteId, routes: Option<Arc<RouteTable>>) {
        put(&mut self.routes, id.0, routes);
    }

    /// Puts a listener in its place, or takes it away.
    pub fn set_listener(&mut self, name: &str, listener: Option<Arc<Listener>>) {
        match listener {
            Some(listener) => self.listeners.insert(name.to_owned(), listener),
            None => self.listeners.remove(name),
        };
        let mut by_address = HashMap::new();
        for listener in self.listeners.values() {
            for address in
                std::iter::once(&listener.settings.address).chain(&listener.settings.additional_addresses)
            {
                by_address.entry(*address).or_insert_with(|| listener.clone());
            }
        }
        self.by_address = Arc::new(by_address);
    }
}

/// A request's path without query and fragment: what every rule on paths looks at.
pub fn path_alone(path: &str) -> &str {
    let end = memchr::memchr2(b'?', b'#', path.as_bytes());
    &path[..end.unwrap_or(path.len())]
}

fn put<T>(places: &mut Vec<Option<T>>, place: u32, part: Option<T>) {
    let place = place as usize;
    if places.len() <= place {
        if part.is_none() {
            return;
        }
        places.resize_with(place + 1, || None);
    }
    places[place] = part;
}

#[cfg(test)]
mod tests;
