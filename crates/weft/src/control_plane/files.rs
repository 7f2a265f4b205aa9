//! What the control plane is made from: the folders of YAML, and the pods of `plan.json`; watched.

use crate::run_directory;
use crate::up::named::Named;
use crate::up::plan::Plan;
use crate::watch::Changes;
use anyhow::Context;
use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use weft_control::read::{Diagnostic, Sources, read, read_sources};
use weft_control::resources::Resources;
use weft_control::world::World;

/// What the last reading brought, for `weft status`.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct LastReading {
    /// Seconds since 1970.
    read_at: u64,
    /// Whether what was read is in use; if not, what was read before it still is.
    in_use: bool,
    /// Whether what is in use was kept by `weft up`, as this control plane has not seen files without errors.
    kept: bool,
    diagnostics: Vec<Diagnostic>,
    pods: usize,
}

/// The files of a mesh, and the last good state of them.
pub(super) struct Files {
    folders: Vec<PathBuf>,
    plan_path: PathBuf,
    /// The revision of the plan that was read last, and of the one that proxies are told of.
    plan: u64,
    plan_in_use: Arc<AtomicU64>,
    changes: Changes,
    resources: Option<Arc<Resources>>,
    pods: Vec<Pod>,
    named: Vec<Named>,
    last: Arc<Mutex<LastReading>>,
}

impl Files {
    /// Begins to watch, then reads for the first time: nothing that is written in between is missed.
    pub(super) fn open(folders: &[PathBuf], run: &Path) -> anyhow::Result<Self> {
        let plan_path = run.join("plan.json");
        let watched: Vec<PathBuf> = folders.iter().chain([&plan_path]).cloned().collect();
        let changes = Changes::of(&watched).context("cannot watch the files")?;
        let last = Arc::default();
        let mut files = Self {
            folders: folders.to_vec(),
            plan_path,
            plan: 0,
            plan_in_use: Arc::default(),
            changes,
            resources: None,
            pods: Vec::new(),
            named: Vec::new(),
            last,
        };
        files.read();
        if files.resources.is_none() {
            files.fall_back(&run.join(run_directory::LAST_GOOD));
        }
        Ok(files)
    }

    /// Half a mesh would be worse than none: what the files said when they were last without errors is whole.
    fn fall_back(&mut self, kept: &Path) {
        let sources: Sources = match run_directory::read(kept) {
            Ok(sources) => sources,
            Err(error) => {
                tracing::error!(%error, "nothing was kept of the files from before their errors: nobody is served until they are mended");
                return;
            }
        };
        let mut reading = read_sources(&sources);
        if !reading.has_errors() {
            give_addresses(&mut reading.resources, &self.named);
            tracing::warn!("the files have errors; proxies get what they said when they were last without");
            self.resources = Some(Arc::new(reading.resources));
            self.last.lock().kept = true;
        }
    }

    /// The revision of the plan that proxies are told of.
    pub(super) fn plan_in_use(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.plan_in_use)
    }

    /// Whoever got the last world serves it now.
    pub(super) fn is_served(&self) {
        self.plan_in_use.store(self.plan, Ordering::Release);
    }

    /// The last reading, as it changes.
    pub(super) fn last_reading(&self) -> Arc<Mutex<LastReading>> {
        Arc::clone(&self.last)
    }

    /// The world as the files last described it without errors; none, if they have not done so yet.
    pub(super) fn world(&self) -> Option<World> {
        Some(World::new(Arc::clone(self.resources.as_ref()?), &self.pods))
    }

    /// The world after the next change that matters.
    pub(super) async fn next(&mut self) -> World {
        loop {
            self.changes.next().await;
            let changed = self.read();
            match self.world() {
                Some(world) if changed => return world,
                // Another plan of the same pods.
                Some(_) => self.is_served(),
                None => {}
            }
        }
    }

    /// Reads everything; whether it differs from what was in use and is without errors.
    fn read(&mut self) -> bool {
        let mut reading = read(&self.folders);
        let good = !reading.has_errors();
        let pods = match planned(&self.plan_path) {
            Ok((plan, pods)) => {
                (self.plan, self.named) = (plan.revision, plan.named);
                pods
            }
            Err(error) => {
                tracing::error!(%error, "the plan cannot be read; the pods stay as they were");
                self.pods.clone()
            }
        };
        give_addresses(&mut reading.resources, &self.named);
        let changed = pods != self.pods || (good && self.resources.as_deref() != Some(&reading.resources));
        self.pods = pods;
        if good {
            self.resources = Some(Arc::new(reading.resources));
        } else {
            tracing::error!("the files have errors; what was read before stays in use");
        }
        *self.last.lock() = LastReading {
            read_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            in_use: good,
            kept: !good && self.last.lock().kept,
            diagnostics: reading.diagnostics,
            pods: self.pods.len(),
        };
        changed
    }
}

fn planned(path: &Path) -> anyhow::Result<(Plan, Vec<Pod>)> {
    let plan: Plan = run_directory::read(path)?;
    let pods =
        plan.pods.iter().map(|pod| serde_json::from_value(pod.resource())).collect::<Result<_, _>>()?;
    Ok((plan, pods))
}

/// What a cluster gives to a Service that asks for no address: one of its own, which the plan chose.
fn give_addresses(resources: &mut Resources, named: &[Named]) {
    for service in &mut resources.services {
        let (meta, spec) = (&service.meta, &mut service.spec);
        let is = |named: &&Named| named.own && named.name == meta.name && named.namespace == meta.namespace;
        let Some(named) = named.iter().find(is) else { continue };
        let mut addresses = named.addresses.iter().map(ToString::to_string);
        if spec.cluster_ip.as_deref().is_none_or(str::is_empty) {
            spec.cluster_ip = addresses.next();
        }
        let given = spec.cluster_ips.get_or_insert_default();
        let beside: Vec<String> = addresses.filter(|address| !given.contains(address)).collect();
        given.extend(beside);
    }
}

#[cfg(test)]
mod tests;
