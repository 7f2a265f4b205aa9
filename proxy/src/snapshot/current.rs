//! The configuration as one worker hands it about. Each request takes and gives back a dozen parts of it, and a count that
//! all workers share would go from one processor to the other each time; one worker's own count costs next to nothing.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::HashMap;
use weft_model::table::ClusterId;

use super::{ClusterView, Snapshot};

/// What all workers share, as one of them hands it about.
pub type Local<T> = Rc<Arc<T>>;

/// A snapshot, as one worker hands it about.
#[derive(Debug)]
pub struct Current {
    snapshot: Arc<Snapshot>,
    /// Those that were asked for.
    clusters: RefCell<HashMap<ClusterId, Local<ClusterView>>>,
}

impl Current {
    /// Nothing of it was asked for yet.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, clusters: RefCell::default() }
    }

    /// A cluster, to be kept beyond the snapshot.
    pub fn keep_cluster(&self, id: ClusterId) -> Option<Local<ClusterView>> {
        if let Some(known) = self.clusters.borrow().get(&id) {
            return Some(known.clone());
        }
        let view = Rc::new(self.snapshot.cluster(id)?.clone());
        self.clusters.borrow_mut().insert(id, view.clone());
        Some(view)
    }
}

impl Deref for Current {
    type Target = Arc<Snapshot>;

    fn deref(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}
