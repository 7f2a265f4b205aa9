//! Watches files and folders of YAML: tells when something in them was written, once the writer has paused.
//!
//! What is read through symbolic links is watched at every link on the way ([`follow`]), so that a link that is turned
//! elsewhere counts as an edit, as does a file that is edited where it really lies. The kernel says what happens
//! ([`eye`]); after each change it is looked anew what there is to watch, before anybody reads.

mod eye;
mod follow;
mod pause;

use eye::Eye;
use pause::Pause;
use std::path::PathBuf;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::task::AbortOnDropHandle;

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(
        "no more watchers may be made (each mesh has two): {0}; raise the sysctl fs.inotify.max_user_instances"
    )]
    NoEye(std::io::Error),
    #[error("{path}: no more folders may be watched: {source}; raise the sysctl fs.inotify.max_user_watches")]
    NoWatch { path: PathBuf, source: std::io::Error },
}

/// Changes below some paths.
pub(crate) struct Changes {
    settled: mpsc::Receiver<()>,
    _looks: AbortOnDropHandle<()>,
}

impl Changes {
    /// Watches files and folders (with all that is in them); must be called on a runtime.
    pub(crate) fn of(paths: &[PathBuf]) -> Result<Self, WatchError> {
        let (tell, settled) = mpsc::channel(1);
        let mut eye = Eye::open(paths)?;
        eye.look_anew()?;
        let looks = AbortOnDropHandle::new(tokio::spawn(look(eye, tell)));
        Ok(Self { settled, _looks: looks })
    }

    /// Waits for the next change and for the pause after it; may be given up and called again.
    pub(crate) async fn next(&mut self) {
        if self.settled.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Tells of each change, once it is over.
async fn look(mut eye: Eye, tell: mpsc::Sender<()>) {
    loop {
        let mut pause = Pause::default();
        loop {
            let over = async {
                match pause.until() {
                    Some(until) => sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = over => break,
                seen = eye.next() => pause.saw(&seen, Instant::now()),
            }
        }
        if let Err(error) = eye.look_anew() {
            crate::say::say!("weft: {error}; edits there are not seen until then");
        }
        // Full: the reading to come will see this one too.
        let _ = tell.try_send(());
    }
}

#[cfg(test)]
mod tests;
