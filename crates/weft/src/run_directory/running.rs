//! Finding the mesh that other commands speak of, or what is left of one that died.

use super::{RunError, State, VARIABLE, base, folders, is_alive, read};
use crate::up::plan::Plan;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A mesh that runs, as another command finds it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) path: PathBuf,
    pub(crate) state: State,
    pub(crate) plan: Plan,
}

impl Running {
    /// The mesh that the environment names, or the one started last.
    pub(crate) fn find() -> Result<Self, RunError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) {
            if is_alive(&path) {
                return Self::open(path);
            }
            return Err(dead(&path).map_or(RunError::NotThere { path }, |dead| dead.said(now)));
        }
        Self::newest(&base(), now)
    }

    pub(super) fn newest(base: &Path, now: Duration) -> Result<Self, RunError> {
        let mut newest: Option<Self> = None;
        for path in folders(base).filter(|path| is_alive(path)) {
            // One that is just starting has no plan yet.
            let Ok(running) = Self::open(path) else { continue };
            if newest.as_ref().is_none_or(|known| known.state.started <= running.state.started) {
                newest = Some(running);
            }
        }
        newest.ok_or_else(|| {
            let dead = folders(base).filter_map(|path| dead(&path)).max_by_key(|dead| dead.state.started);
            dead.map_or(RunError::NoneRuns, |dead| dead.said(now))
        })
    }

    fn open(path: PathBuf) -> Result<Self, RunError> {
        let state = read(&path.join("state.json"))?;
        let plan = read(&path.join("plan.json"))?;
        Ok(Self { path, state, plan })
    }
}

/// What is left of a mesh whose end nobody tidied up after.
struct Dead {
    path: PathBuf,
    state: State,
}

/// What died at `path`, if that is what happened: one that ends in peace takes its state away while it has its lock.
fn dead(path: &Path) -> Option<Dead> {
    let state = read(&path.join("state.json")).ok()?;
    (path.join("lock").exists() && !is_alive(path)).then(|| Dead { path: path.to_owned(), state })
}

impl Dead {
    fn said(self, now: Duration) -> RunError {
        let folders: Vec<String> =
            self.state.folders.iter().map(|folder| folder.display().to_string()).collect();
        RunError::Died {
            folders: folders.join(" "),
            pid: self.state.pid,
            ago: ago(now.as_secs().saturating_sub(self.state.started)),
            path: self.path,
        }
    }
}

/// About how long that is.
fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
