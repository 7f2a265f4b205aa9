//! What is in force, and what an update makes of it. A bad resource keeps its last good value and is named in the NACK.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use weft_model::cluster::{Cluster, Discovery};
use weft_model::compile;
use weft_model::endpoint::LoadAssignment;
use weft_model::listener::Listener;
use weft_model::names::NameTable;
use weft_model::route::RouteConfiguration;
use weft_model::table::Names;
use weft_wire::decode::{self, NotHonoured};
use weft_xds::{Resource, type_url};

use crate::snapshot::{ListenerView, Memory, Snapshot};
use crate::tls::secrets::Secrets;

/// One resource as it is held, for `/config_dump` and `weft status`.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its version; istiod's are empty.
    pub version: String,
    /// Since when.
    pub since: SystemTime,
    /// As it came.
    pub bytes: bytes::Bytes,
    /// What of it is not honoured.
    pub not_honoured: Vec<NotHonoured>,
    /// What is in force otherwise than it was written.
    pub warnings: Vec<String>,
}

/// A resource that was refused and has not been mended since, for `/config_dump`.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its version.
    pub version: String,
    /// When.
    pub at: SystemTime,
    /// Why, in words.
    pub why: String,
    /// As it came.
    pub bytes: bytes::Bytes,
}

/// The configuration in force and everything needed to change it.
#[derive(Debug)]
pub struct Applier {
    names: Names,
    memory: Memory,
    secrets: Secrets,
    clusters: BTreeMap<String, Arc<Cluster>>,
    assignments: HashMap<String, LoadAssignment>,
    resolved: HashMap<String, LoadAssignment>,
    wanted_routes: BTreeMap<String, BTreeSet<String>>,
    held: BTreeMap<&'static str, BTreeMap<String, Held>>,
    refused: BTreeMap<&'static str, BTreeMap<String, Refused>>,
    snapshot: Snapshot,
    name_table: Option<NameTable>,
}

/// What came of an update.
#[derive(Debug, Default)]
pub struct Applied {
    /// Why resources were refused; empty: all is in force.
    pub refused: Vec<String>,
    /// Something in the snapshot is different now.
    pub changed: bool,
    /// The name table is another.
    pub renamed: bool,
}

impl Applier {
    /// Nothing is in force yet.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            names: Names::default(),
            memory: Memory::new(secrets.clone()),
            secrets,
            clusters: BTreeMap::new(),
            assignments: HashMap::new(),
            resolved: HashMap::new(),
            wanted_routes: BTreeMap::new(),
            held: BTreeMap::new(),
            refused: BTreeMap::new(),
            snapshot: Snapshot::default(),
            name_table: None,
        }
    }

    /// Connections to the pod's peers on this machine leave from its own address, so that they see who calls.
    #[must_use]
    pub fn leaving_from(mut self, source: IpAddr) -> Self {
        self.memory.leave_from(source);
        self
    }

    /// What is in force.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What the pod's DNS answers by itself, once the control plane has said it.
    pub fn name_table(&self) -> Option<&NameTable> {
        self.name_table.as_ref()
    }

    /// Resources as they are held, by type.
    pub fn held(&self) -> &BTreeMap<&'static str, BTreeMap<String, Held>> {
        &self.held
    }

    /// Resources that were refused, by type.
    pub fn refused(&self) -> &BTreeMap<&'static str, BTreeMap<String, Refused>> {
        &self.refused
    }

    /// The EDS resources that clusters ask for.
    pub fn wanted_endpoints(&self) -> BTreeSet<Arc<str>> {
        self.clusters.values().filter_map(|c| service_of(c)).map(Arc::from).collect()
    }

    /// The RDS resources that listeners ask for.
    pub fn wanted_routes(&self) -> BTreeSet<Arc<str>> {
        self.wanted_routes.values().flatten().map(|name| Arc::from(name.as_str())).collect()
    }

    /// Which of those asked for have not arrived.
    pub fn missing(&self) -> Vec<String> {
        let endpoints = self.clusters.values().filter_map(|c| service_of(c));
        let endpoints = endpoints
            .filter(|name| !self.assignments.contains_key(*name))
            .map(|n| format!("endpoints of {n}"));
        let routes = self.wanted_routes.values().flatten();
        let has =
            |name: &&String| !self.held.get(type_url::ROUTES).is_some_and(|held| held.contains_key(*name));
        endpoints.chain(routes.filter(has).map(|n| format!("routes {n}"))).collect()
    }

    /// Clusters that are known by name and must be resolved.
    pub fn by_name(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        let dns = |c: &&Arc<Cluster>| matches!(c.discovery, Discovery::StrictDns | Discovery::LogicalDns);
        self.clusters.values().filter(dns)
    }

    /// Puts new and changed resources of one type in force and takes the removed ones away.
    pub fn update(&mut self, of_type: &str, updated: &[Resource], removed: &[Arc<str>]) -> Applied {
        let mut applied = Applied::default();
        for resource in updated {
            let (of_type, result) = match of_type {
                type_url::CLUSTER => (type_url::CLUSTER, self.cluster(resource)),
                type_url::ENDPOINTS => (type_url::ENDPOINTS, self.endpoints(resource)),
                type_url::LISTENER => (type_url::LISTENER, self.listener(resource)),
                type_url::ROUTES => (type_url::ROUTES, self.routes(resource)),
                type_url::NAME_TABLE => (type_url::NAME_TABLE, self.hosts(resource)),
                _ => continue,
            };
            match result {
                Ok(()) if of_type == type_url::NAME_TABLE => applied.renamed = true,
                Ok(()) => applied.changed = true,
                Err(why) => {
                    self.refuse(of_type, resource, &why);
                    applied.refused.push(why);
                }
            }
        }
        for name in removed {
            applied.changed |= of_type != type_url::NAME_TABLE;
            applied.renamed |= of_type == type_url::NAME_TABLE;
            self.remove(of_type, name);
        }
        applied
    }

    /// Addresses of a cluster that is known by name. The last answer stays until there is a better one.
    pub fn resolved(&mut self, cluster: &str, assignment: LoadAssignment) -> Result<(), String> {
        if self.resolved.get(cluster) == Some(&assignment) {
            return Ok(());
        }
        self.resolved.insert(cluster.to_owned(), assignment);
        match self.clusters.get(cluster).cloned() {
            Some(settings) => self.compile_cluster(settings).map(|_| ()),
            None => Ok(()),
        }
    }

    fn cluster(&mut self, resource: &Resource) -> Result<(), String> {
        let (settings, not_honoured) = decode::cluster(&resource.value).map_err(|e| e.to_string())?;
        let name = settings.name.clone();
        let warnings = self.compile_cluster(Arc::new(settings))?;
        self.hold(type_url::CLUSTER, &name, resource, not_honoured, warnings);
        Ok(())
    }

    fn compile_cluster(&mut self, settings: Arc<Cluster>) -> Result<Vec<String>, String> {
        let assignment = match settings.discovery {
            Discovery::Eds(_) => service_of(&settings).and_then(|name| self.assignments.get(name)),
            Discovery::StrictDns | Discovery::LogicalDns => self.resolved.get(&settings.name),
            _ => None,
        };
        let nothing = LoadAssignment::default();
        let assignment = match settings.discovery {
            Discovery::Static | Discovery::OriginalDst => assignment,
            _ => Some(assignment.unwrap_or(&nothing)),
        };
        let compiled = compile::cluster(settings.clone(), assignment).map_err(|e| e.to_string())?;
        let named = self.names.cluster(&settings.name);
        let (id, before) = (named.id, self.snapshot.cluster(named.id));
        let view = self.memory.view(named, Arc::new(compiled.part), before);
        self.snapshot.set_cluster(id, Some(view));
        self.clusters.insert(settings.name.clone(), settings);
        Ok(compiled.warnings.iter().map(ToString::to_string).collect())
    }

    fn endpoints(&mut self, resource: &Resource) -> Result<(), String> {
        let (assignment, not_honoured) =
            decode::load_assignment(&resource.value).map_err(|e| e.to_string())?;
        let name = assignment.cluster.clone();
        self.assignments.insert(name.clone(), assignment);
        self.recompile_of(&name)?;
        self.hold(type_url::ENDPOINTS, &name, resource, not_honoured, Vec::new());
        Ok(())
    }

    fn recompile_of(&mut self, service: &str) -> Result<(), String> {
        let of: Vec<_> = self.clusters.values().filter(|c| service_of(c) == Some(service)).cloned().collect();
        of.into_iter().try_for_each(|settings| self.compile_cluster(settings).map(|_| ()))
    }

    fn listener(&mut self, resource: &Resource) -> Result<(), String> {
        let (settings, not_honoured) = decode::listener(&resource.value).map_err(|e| e.to_string())?;
        let name = settings.name.clone();
        let routes = routes_of(&settings);
        let compiled = compile::listener(Arc::new(settings), &mut self.names).map_err(|e| e.to_string())?;
        let view = ListenerView::new(Arc::new(compiled.part), &self.secrets);
        self.snapshot.set_listener(&name, Some(Arc::new(view)));
        self.wanted_routes.insert(name.clone(), routes);
        let warnings = compiled.warnings.iter().map(ToString::to_string).collect();
        self.hold(type_url::LISTENER, &name, resource, not_honoured, warnings);
        Ok(())
    }

    fn routes(&mut self, resource: &Resource) -> Result<(), String> {
        let (settings, not_honoured): (RouteConfiguration, _) =
            decode::route_configuration(&resource.value).map_err(|e| e.to_string())?;
        let compiled = compile::route_table(&settings, &mut self.names).map_err(|e| e.to_string())?;
        let named = self.names.route(&settings.name);
        self.snapshot.table.set_routes(named.id, Some(Arc::new(compiled.part)));
        let warnings = compiled.warnings.iter().map(ToString::to_string).collect();
        self.hold(type_url::ROUTES, &settings.name, resource, not_honoured, warnings);
        Ok(())
    }

    fn hosts(&mut self, resource: &Resource) -> Result<(), String> {
        self.name_table = Some(weft_wire::nds::decode(&resource.value).map_err(|e| e.to_string())?);
        self.hold(type_url::NAME_TABLE, &resource.name, resource, Vec::new(), Vec::new());
        Ok(())
    }

    fn hold(
        &mut self,
        of_type: &'static str,
        name: &str,
        resource: &Resource,
        not_honoured: Vec<NotHonoured>,
        warnings: Vec<String>,
    ) {
        for warning in &warnings {
            tracing::warn!(%warning, "configuration in force otherwise than written");
        }
        let held = Held {
            version: resource.version.to_string(),
            since: SystemTime::now(),
            bytes: resource.value.clone(),
            not_honoured,
            warnings,
        };
        self.held.entry(of_type).or_default().insert(name.to_owned(), held);
        if let Some(refused) = self.refused.get_mut(of_type) {
            refused.remove(&*resource.name);
        }
    }

    fn refuse(&mut self, of_type: &'static str, resource: &Resource, why: &str) {
        let refused = Refused {
            version: resource.version.to_string(),
            at: SystemTime::now(),
            why: why.to_owned(),
            bytes: resource.value.clone(),
        };
        self.refused.entry(of_type).or_default().insert(resource.name.to_string(), refused);
    }

    fn remove(&mut self, of_type: &str, name: &str) {
        match of_type {
            type_url::CLUSTER => {
                let service = self.clusters.remove(name).and_then(|c| service_of(&c).map(str::to_owned));
                if let Some(service) = service
                    && !self.clusters.values().any(|c| service_of(c) == Some(&service))
                {
                    self.assignments.remove(&service);
                }
                self.resolved.remove(name);
                if let Some(id) = self.names.known_cluster(name) {
                    self.snapshot.set_cluster(id, None);
                }
            }
            type_url::ENDPOINTS => {
                // Known to be empty, as long as somebody asks.
                if self.clusters.values().any(|c| service_of(c) == Some(name)) {
                    self.assignments.insert(name.to_owned(), LoadAssignment::default());
                }
                // An empty assignment compiles; there is nothing to report.
                let _ = self.recompile_of(name);
            }
            type_url::LISTENER => {
                self.snapshot.set_listener(name, None);
                self.wanted_routes.remove(name);
            }
            type_url::ROUTES => {
                if let Some(id) = self.names.known_route(name) {
                    self.snapshot.table.set_routes(id, None);
                }
            }
            type_url::NAME_TABLE => self.name_table = Some(NameTable::default()),
            _ => {}
        }
        if let Some(held) = self.held.get_mut(of_type) {
            held.remove(name);
        }
        if let Some(refused) = self.refused.get_mut(of_type) {
            refused.remove(name);
        }
    }
}

/// The EDS resource that a cluster asks for.
fn service_of(cluster: &Cluster) -> Option<&str> {
    match &cluster.discovery {
        Discovery::Eds(service) if service.is_empty() => Some(&cluster.name),
        Discovery::Eds(service) => Some(service),
        _ => None,
    }
}

fn routes_of(listener: &Listener) -> BTreeSet<String> {
    use weft_model::http::RouteSource;
    use weft_model::listener::NetworkFilter;
    let chains = listener.filter_chains.iter().chain(listener.default_filter_chain.as_deref());
    let filters = chains.flat_map(|chain| &chain.filters);
    filters
        .filter_map(|filter| match filter {
            NetworkFilter::Http(manager) => match &manager.routes {
                RouteSource::Rds(name) => Some(name.clone()),
                RouteSource::Inline(_) => None,
            },
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
