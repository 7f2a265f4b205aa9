//! Processes whose parents ended before them. In a container they are left to its first process, and if that is this one,
//! whoever it does not wait for stays a zombie for as long as the pod lives.

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// One of our own that ended hides the others until whoever waits for it has its status: so soon is looked again.
const AGAIN: Duration = Duration::from_millis(20);

/// The processes that this one started itself, and whose ends somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The command.
    pub(super) command: Cell<Option<u32>>,
    /// The sidecar, if it is a child of this process.
    pub(super) sidecar: Cell<Option<u32>>,
}

/// Waits for those that nobody else does.
pub(super) struct Orphans {
    ended: Signal,
    own: Rc<Own>,
}

/// What there is to wait for.
enum Ended {
    Nobody,
    /// Whose status is not ours to take.
    Own,
    Orphan(nix::unistd::Pid),
}

impl Orphans {
    /// Begins to hear of ends; of those of `own` nothing is taken.
    pub(super) fn of(own: &Rc<Own>) -> io::Result<Self> {
        Ok(Self { ended: signal(SignalKind::child())?, own: Rc::clone(own) })
    }

    /// Takes away whoever ended, for ever.
    pub(super) async fn reap(&mut self) -> Infallible {
        loop {
            match self.next() {
                Ended::Orphan(process) => drop(waitpid(process, Some(WaitPidFlag::WNOHANG))),
                Ended::Own => tokio::time::sleep(AGAIN).await,
                Ended::Nobody => {
                    // Without a signal to come there is no runtime either.
                    let _ = self.ended.recv().await;
                }
            }
        }
    }

    fn next(&self) -> Ended {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let ended = waitid(Id::All, look).ok().filter(|status| *status != WaitStatus::StillAlive);
        let Some(process) = ended.and_then(|status| status.pid()) else { return Ended::Nobody };
        let own = [&self.own.command, &self.own.sidecar];
        let number = u32::try_from(process.as_raw()).ok();
        if own.iter().any(|own| own.get() == number) { Ended::Own } else { Ended::Orphan(process) }
    }
}
