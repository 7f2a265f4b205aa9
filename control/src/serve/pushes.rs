//! From a world to what each stream is to have.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Shared, Watcher, admit, resources};
use crate::translate::translate;

/// Makes every stream's set of the newest world.
pub(super) async fn all(shared: &Arc<Shared>) {
    let _one_at_a_time = shared.pushing.lock().await;
    let world = shared.world.load_full();
    let watchers: Vec<((u64, u64), Arc<Watcher>)> =
        shared.watchers.lock().iter().map(|(key, watcher)| (*key, Arc::clone(watcher))).collect();
    for (key, watcher) in watchers {
        if admit::check(&world.world, &watcher).is_err() {
            // Who it is has changed: it comes again, and is told why not.
            shared.watchers.lock().remove(&key);
            continue;
        }
        let shared = Arc::clone(shared);
        // Translation is work, not waiting: the runtime's threads have streams to serve meanwhile.
        let done = tokio::task::spawn_blocking(move || set(&shared, &watcher)).await;
        if let Err(error) = done {
            tracing::error!(%error, "a proxy's configuration could not be made; it keeps the last one");
        }
    }
    shared.pushed.fetch_max(world.number, Ordering::Release);
    shared.shelf.tidy();
}

/// Makes one stream's set of the newest world.
pub(super) fn set(shared: &Shared, watcher: &Watcher) {
    let _one_at_a_time = watcher.making.lock();
    let world = shared.world.load_full();
    let configuration = translate(&world.world, &watcher.node);
    watcher.set.send_if_modified(|known| {
        let made = resources::set(&shared.shelf, &configuration, world.number, known.as_deref());
        let changed = made.is_some();
        if let Some(made) = made {
            *known = Some(Arc::new(made));
        }
        changed
    });
}
