//! The loop between the control plane and what is in force.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::TokioResolver;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tonic::metadata::MetadataMap;
use weft_runtime::live::Live;
use weft_runtime::readiness::Condition;
use weft_xds::client::{Handle, Settings, Update, open};
use weft_xds::type_url;

use super::apply::Applier;
use super::resolve::{self, Answer, keep_resolved};
use crate::bootstrap::Bootstrap;
use crate::control_channel;
use crate::dns::Naming;
use crate::snapshot::Snapshot;

/// What people may look at: the configuration as it is held, and the conversation with the control plane.
#[derive(Clone)]
pub struct Configuration {
    /// What is in force and how it came.
    pub applier: Arc<Mutex<Applier>>,
    /// The last refusal of each type.
    pub refusals: Arc<Mutex<HashMap<String, String>>>,
    /// The conversation.
    pub handle: Handle,
}

/// Readiness that configuration brings.
pub struct Conditions {
    /// The first answer to CDS.
    pub clusters: Condition,
    /// The first answer to LDS.
    pub listeners: Condition,
    /// Everything that those asked for.
    pub rest: Condition,
    /// It was all there once.
    pub complete: AtomicBool,
    /// Something was refused.
    pub refused: AtomicBool,
    /// Who answers the pod's DNS and hears of names, where it is captured.
    pub naming: Option<Naming>,
}

/// Begins the conversation: subscribes, applies, answers, until the process ends. `publish` is called with each new snapshot.
pub fn start(
    bootstrap: &Bootstrap,
    node: weft_xds::Node,
    applier: Applier,
    live: Live<Snapshot>,
    conditions: Conditions,
) -> io::Result<Configuration> {
    let address = bootstrap.discovery.clone();
    let uri = format!("https://{address}")
        .parse()
        .map_err(|_| io::Error::other(format!("{address:?} is no host:port")))?;
    let mut settings = Settings::new(uri);
    let credentials = bootstrap.clone();
    settings.credentials = Arc::new(move || {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", control_channel::bearer(&credentials).map_err(io::Error::other)?);
        if let Ok(cluster) = credentials.node.metadata.cluster_id.parse() {
            metadata.insert("clusterid", cluster);
        }
        Ok(metadata)
    });
    let dialer = bootstrap.clone();
    let connect = move || {
        let (dialer, address) = (dialer.clone(), address.clone());
        async move { control_channel::dial(&dialer, &address).await.map_err(io::Error::other) }
    };
    let (handle, updates, driver) = open(node, settings, connect);
    handle.change(|session| {
        session.subscribe_all(type_url::CLUSTER);
        session.subscribe_all(type_url::LISTENER);
        if conditions.naming.is_some() {
            session.subscribe_all(type_url::NAME_TABLE);
        }
    });
    let configuration =
        Configuration { applier: Arc::new(Mutex::new(applier)), refusals: Arc::default(), handle };
    tokio::spawn(driver.run());
    tokio::spawn(apply_all(configuration.clone(), updates, live, conditions));
    Ok(configuration)
}

async fn apply_all(
    configuration: Configuration,
    mut updates: mpsc::Receiver<Update>,
    live: Live<Snapshot>,
    conditions: Conditions,
) {
    let (answers, mut resolved) = mpsc::channel::<Answer>(16);
    let resolver = resolve::resolver()
        .inspect_err(|why| tracing::warn!(%why, "no resolver: clusters known by name have no endpoints"))
        .ok();
    let mut resolvers: HashMap<String, (Arc<weft_model::cluster::Cluster>, AbortHandle)> = HashMap::new();
    loop {
        tokio::select! {
            update = updates.recv() => {
                let Some(update) = update else { return };
                take(&configuration, &update, &live, &conditions);
                let applier = configuration.applier.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(resolver) = &resolver {
                    follow_names(&applier, resolver, &mut resolvers, &answers);
                }
            }
            Some(answer) = resolved.recv() => {
                let mut applier = configuration.applier.lock().unwrap_or_else(PoisonError::into_inner);
                match applier.resolved(&answer.cluster, answer.assignment) {
                    Ok(()) => live.publish(applier.snapshot().clone()),
                    Err(why) => tracing::warn!(%why, "resolved addresses are refused"),
                }
            }
        }
    }
}

fn take(configuration: &Configuration, update: &Update, live: &Live<Snapshot>, conditions: &Conditions) {
    let mut applier = configuration.applier.lock().unwrap_or_else(PoisonError::into_inner);
    let applied = applier.update(&update.type_url, &update.updated, &update.removed);
    if applied.changed {
        live.publish(applier.snapshot().clone());
    }
    if let Some(naming) = &conditions.naming
        && (applied.renamed || (&*update.type_url == type_url::NAME_TABLE && applier.name_table().is_none()))
    {
        naming.publish(applier.name_table());
    }
    let handle = &configuration.handle;
    // What an update refers to is asked for before the update is acknowledged: make before break.
    match &*update.type_url {
        type_url::CLUSTER => handle.subscribe_only(type_url::ENDPOINTS, applier.wanted_endpoints()),
        type_url::LISTENER => handle.subscribe_only(type_url::ROUTES, applier.wanted_routes()),
        _ => {}
    }
    let mut refusals = configuration.refusals.lock().unwrap_or_else(PoisonError::into_inner);
    if applied.refused.is_empty() {
        refusals.remove(&*update.type_url);
        handle.ack(update.ticket);
    } else {
        let reason = applied.refused.join("; ");
        tracing::warn!(type_url = %update.type_url, %reason, "configuration refused; what was in force stays");
        refusals.insert(update.type_url.to_string(), reason.clone());
        handle.nack(update.ticket, &reason);
    }
    conditions.heard(&update.type_url, applier.missing().first(), !applied.refused.is_empty());
}

impl Conditions {
    /// An answer came; what those so far refer to is `missing`, or was refused with it.
    ///
    /// A proxy that serves stays ready: what a later push still refers to concerns only the requests that want it. What was
    /// refused has arrived; waiting longer would not mend it.
    fn heard(&self, of_type: &str, missing: Option<&String>, refused: bool) {
        match of_type {
            type_url::CLUSTER => self.clusters.met(),
            type_url::LISTENER => self.listeners.met(),
            _ => {}
        }
        let refused = self.refused.fetch_or(refused, Ordering::Relaxed) || refused;
        match missing {
            Some(missing) if !self.complete.load(Ordering::Relaxed) && !refused => self.rest.unmet(missing),
            // The other one may refer to more.
            _ if !(self.clusters.is_met() && self.listeners.is_met()) => {}
            _ => {
                self.complete.store(true, Ordering::Relaxed);
                self.rest.met();
            }
        }
    }
}

/// One resolver a cluster that is known by name; one that changed is started anew.
fn follow_names(
    applier: &Applier,
    resolver: &TokioResolver,
    resolvers: &mut HashMap<String, (Arc<weft_model::cluster::Cluster>, AbortHandle)>,
    answers: &mpsc::Sender<Answer>,
) {
    let wanted: HashMap<&str, _> = applier.by_name().map(|c| (c.name.as_str(), c)).collect();
    resolvers.retain(|name, (cluster, task)| {
        let keep = wanted
            .get(name.as_str())
            .is_some_and(|c| c.load_assignment == cluster.load_assignment && c.dns == cluster.dns);
        if !keep {
            task.abort();
        }
        keep
    });
    for (name, cluster) in wanted {
        if !resolvers.contains_key(name) {
            let task = tokio::spawn(keep_resolved(resolver.clone(), cluster.clone(), answers.clone()));
            resolvers.insert(name.to_owned(), (cluster.clone(), task.abort_handle()));
        }
    }
}

#[cfg(test)]
mod tests;
