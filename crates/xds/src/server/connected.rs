//! Who is connected, and how far each client is: what `weft status` shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Client, TypeStatus};

/// One connected proxy.
#[derive(Debug, Clone)]
pub struct ProxyStatus {
    /// Who it is.
    pub client: Arc<Client>,
    /// Since when its stream is open.
    pub since: Instant,
    /// The revision of the newest state made for it; `None` if there is none yet.
    pub target: Option<Arc<str>>,
    /// Each type that it asked for, in push order.
    pub types: Vec<TypeStatus>,
}

/// The streams of one service. Cheap to clone.
#[derive(Clone, Default)]
pub struct Connected(Arc<Mutex<BTreeMap<u64, Entry>>>);

struct Entry {
    status: ProxyStatus,
    /// Dropped to end the stream.
    _stop: oneshot::Sender<()>,
}

/// The stream would be one too many.
#[derive(Debug)]
pub(super) struct Full;

impl Connected {
    /// The state of every connected proxy, oldest stream first.
    #[must_use]
    pub fn list(&self) -> Vec<ProxyStatus> {
        self.0.lock().values().map(|entry| entry.status.clone()).collect()
    }

    /// How many streams are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a stream; what it gets back resolves when the stream has to make room for a newer one of its node.
    ///
    /// A proxy that lost its network comes back before the server notices, so the newest stream wins. It wins only
    /// over streams of the same caller: nobody can cut another's stream by using its node id.
    pub(super) fn enter(
        &self,
        client: Arc<Client>,
        now: Instant,
        most: usize,
        most_per_node: usize,
    ) -> Result<oneshot::Receiver<()>, Full> {
        let mut entries = self.0.lock();
        if entries.len() >= most {
            return Err(Full);
        }
        let same = |other: &Client| other.node.id == client.node.id && other.caller == client.caller;
        let mut siblings: Vec<u64> =
            entries.iter().filter(|(_, e)| same(&e.status.client)).map(|(stream, _)| *stream).collect();
        siblings.truncate((siblings.len() + 1).saturating_sub(most_per_node.max(1)));
        for oldest in siblings {
            entries.remove(&oldest);
        }
        let (stop, stopped) = oneshot::channel();
        let stream = client.stream;
        let status = ProxyStatus { client, since: now, target: None, types: Vec::new() };
        entries.insert(stream, Entry { status, _stop: stop });
        Ok(stopped)
    }

    pub(super) fn update(&self, stream: u64, target: Option<Arc<str>>, types: Vec<TypeStatus>) {
        if let Some(entry) = self.0.lock().get_mut(&stream) {
            entry.status.target = target;
            entry.status.types = types;
        }
    }

    pub(super) fn leave(&self, stream: u64) {
        self.0.lock().remove(&stream);
    }
}
