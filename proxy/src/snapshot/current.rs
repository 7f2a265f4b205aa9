//! The configuration as one worker hands it about. Each request takes and gives back a dozen parts of it, and a count that
//! all workers share would go from one processor to the other each time; one worker's own count costs next to nothing.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::HashMap;
use weft_model::table::ClusterId;
use weft_model::table::retry::Retry;

use super::{ClusterView, Snapshot};

/// What all workers share, as one of them hands it about.
pub type Local<T> = Rc<Arc<T>>;

/// A snapshot, as one worker hands it about.
#[derive(Debug)]
pub struct Current {
    snapshot: Arc<Snapshot>,
    clusters: Handed<ClusterView>,
    names: Handed<str>,
    retries: Handed<Retry>,
}

impl Current {
    /// Nothing of it was handed out yet.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, clusters: Handed::new(), names: Handed::new(), retries: Handed::new() }
    }

    /// A cluster, to be kept beyond the snapshot.
    pub fn keep_cluster(&self, id: ClusterId) -> Option<Local<ClusterView>> {
        self.snapshot.cluster(id).map(|cluster| self.clusters.keep(cluster))
    }

    /// A route's name, to be kept beyond the snapshot.
    pub fn keep_name(&self, name: &Arc<str>) -> Local<str> {
        self.names.keep(name)
    }

    /// A route's retry policy, to be kept beyond the snapshot.
    pub fn keep_retry(&self, retry: &Arc<Retry>) -> Local<Retry> {
        self.retries.keep(retry)
    }
}

impl Deref for Current {
    type Target = Arc<Snapshot>;

    fn deref(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

/// Those that were handed out, by their address: while one is held here, nothing else can have its.
#[derive(Debug)]
struct Handed<T: ?Sized>(RefCell<HashMap<usize, Local<T>>>);

impl<T: ?Sized> Handed<T> {
    fn new() -> Self {
        Self(RefCell::default())
    }

    fn keep(&self, part: &Arc<T>) -> Local<T> {
        let key = Arc::as_ptr(part).addr();
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let local = Rc::new(part.clone());
        self.0.borrow_mut().insert(key, local.clone());
        local
    }
}
