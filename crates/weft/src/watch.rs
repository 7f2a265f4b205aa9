//! Watches folders of YAML: tells when something in them was written, once the writer has paused.

use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Editors and `git checkout` write many files in a row: reading waits for this much quiet, and no longer than
/// the second constant, so that a folder written to without end is read all the same.
const QUIET: Duration = Duration::from_millis(120);
const LONGEST: Duration = Duration::from_millis(500);

/// Changes below some paths.
pub(crate) struct Changes {
    _watcher: notify::RecommendedWatcher,
    settled: mpsc::Receiver<()>,
}

impl Changes {
    /// Watches files and folders (with all that is in them); must be called on a runtime.
    pub(crate) fn of(paths: &[PathBuf]) -> notify::Result<Self> {
        let (sender, mut touched) = mpsc::channel(1);
        let (tell, settled) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and not a change. An error may have swallowed one.
            if event.map_or(true, |event| !event.kind.is_access()) {
                // Full: a change is already waiting to be seen.
                let _ = sender.try_send(());
            }
        })?;
        for path in paths {
            // A file is replaced by most editors, so its folder is what can be watched.
            let (path, mode) = match path.is_dir() {
                true => (path.as_path(), RecursiveMode::Recursive),
                false => (path.parent().unwrap_or(path), RecursiveMode::NonRecursive),
            };
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            watcher.watch(path, mode)?;
        }
        tokio::spawn(async move {
            while touched.recv().await.is_some() {
                let quiet =
                    async { while let Ok(Some(())) = tokio::time::timeout(QUIET, touched.recv()).await {} };
                let _ = tokio::time::timeout(LONGEST, quiet).await;
                // Full: the reading to come will see this one too.
                if let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(()) {
                    return;
                }
            }
        });
        Ok(Self { _watcher: watcher, settled })
    }

    /// Waits for the next change and for the pause after it; may be given up and called again.
    pub(crate) async fn next(&mut self) {
        if self.settled.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
