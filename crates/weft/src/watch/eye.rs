//! The kernel's watch over folders (inotify), kept in step with what there is to watch.

use super::WatchError;
use super::follow::{self, Concern};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// All that can change what is read; neither reading nor opening is among it.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_ONLYDIR);
/// Folders that come while others are looked at are looked for this often; one more is an event.
const ROUNDS: usize = 8;

/// So many readings of the kernel's may wait; then the kernel keeps them, and says so when that is too much for it.
const UNREAD: usize = 64;

/// Something that happened to what is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It was written, or came.
    Written(Place),
    /// What was read before is not there any more.
    Gone(Place),
    /// Something else, or more than the kernel could tell.
    Other,
}

/// A name in a watched folder.
pub(super) type Place = (WatchDescriptor, OsString);

/// Watches what some paths lead to.
pub(super) struct Eye {
    paths: Vec<PathBuf>,
    kernel: Arc<Inotify>,
    events: mpsc::Receiver<Vec<InotifyEvent>>,
    concerns: HashMap<WatchDescriptor, Concern>,
}

impl Eye {
    /// One that does not watch yet.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, WatchError> {
        let kernel = Inotify::init(InitFlags::IN_CLOEXEC).map_err(|errno| WatchError::NoEye(errno.into()))?;
        let kernel = Arc::new(kernel);
        let (tell, events) = mpsc::channel(UNREAD);
        let listens = Arc::clone(&kernel);
        // tokio has no safe way to wait for it; a thread that waits costs nothing.
        let thread = std::thread::Builder::new().name("watch".into()).stack_size(256 * 1024);
        thread.spawn(move || hear(&listens, &tell)).map_err(WatchError::NoEye)?;
        Ok(Self { paths: paths.to_vec(), kernel, events, concerns: HashMap::new() })
    }

    /// Watches what there is now. Whoever reads after this misses nothing that is written later.
    pub(super) fn look_anew(&mut self) -> Result<(), WatchError> {
        for _ in 0..ROUNDS {
            let mut concerns: HashMap<WatchDescriptor, Concern> = HashMap::new();
            for (path, concern) in follow::folders(&self.paths) {
                match self.kernel.add_watch(&path, CHANGES) {
                    // The same folder by two names is one watch.
                    Ok(watch) => concerns.entry(watch).or_default().join(concern),
                    Err(errno @ Errno::ENOSPC) => {
                        return Err(WatchError::NoWatch { path, source: errno.into() });
                    }
                    // Gone again, or not to be looked into, of which its reader will speak.
                    Err(_) => {}
                }
            }
            let is_new = concerns.keys().any(|watch| !self.concerns.contains_key(watch));
            for watch in self.concerns.keys().filter(|watch| !concerns.contains_key(watch)) {
                // The kernel has forgotten that of a folder that is gone.
                let _ = self.kernel.rm_watch(*watch);
            }
            self.concerns = concerns;
            if !is_new {
                break;
            }
        }
        Ok(())
    }

    /// The next things that happened; may be given up. Not all need matter.
    pub(super) async fn next(&mut self) -> Vec<Seen> {
        match self.events.recv().await {
            Some(events) => events.iter().filter_map(|event| self.seen(event)).collect(),
            None => std::future::pending().await,
        }
    }

    fn seen(&self, event: &InotifyEvent) -> Option<Seen> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return Some(Seen::Other);
        }
        let concern = self.concerns.get(&event.wd)?;
        let Some(name) = &event.name else { return Some(Seen::Other) };
        if !concern.has(name) {
            return None;
        }
        let place = (event.wd, name.clone());
        let came = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let went = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
        let is_read = event.mask.contains(AddWatchFlags::IN_ISDIR) || concern.reads(name);
        Some(if event.mask.intersects(went) && is_read {
            Seen::Gone(place)
        } else if event.mask.intersects(came) {
            Seen::Written(place)
        } else {
            Seen::Other
        })
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        // Of a watch's end the kernel tells, and so the thread learns that nobody listens.
        self.concerns.keys().for_each(|watch| {
            let _ = self.kernel.rm_watch(*watch);
        });
    }
}

/// Passes on what the kernel tells until nobody listens.
fn hear(kernel: &Inotify, tell: &mpsc::Sender<Vec<InotifyEvent>>) {
    loop {
        match kernel.read_events() {
            Ok(events) => {
                if tell.blocking_send(events).is_err() {
                    return;
                }
            }
            Err(Errno::EINTR) => {}
            Err(error) => {
                // It worked a moment ago: nothing can be done about it, and nothing be spun on.
                return crate::say::say!("weft: cannot hear of edits any more: {error}");
            }
        }
    }
}
