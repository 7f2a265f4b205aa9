//! Finding the mesh that other commands speak of, or what is left of one that died.

use super::{ACCOUNT, Account, RunError, State, VARIABLE, base, folders, is_alive, read};
use crate::up::plan::Plan;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A mesh that runs, as another command finds it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) path: PathBuf,
    pub(crate) state: State,
    pub(crate) plan: Plan,
    pub(crate) account: Account,
}

impl Running {
    /// The mesh that the environment names, or the one started last.
    pub(crate) fn find() -> Result<Self, RunError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) {
            if is_alive(&path) {
                return Self::open(path);
            }
            let Some(dead) = dead(&path) else {
                let others = others(&base(), &path);
                return Err(RunError::NotThere { path, others });
            };
            return Err(dead.said(now));
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
        // An older one gives none.
        let account = read(&path.join(ACCOUNT)).unwrap_or_default();
        Ok(Self { path, state, plan, account })
    }
}

/// A mesh that runs too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) path: PathBuf,
    /// The folders of YAML.
    pub(crate) of: String,
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "that of {} ({VARIABLE}={})", self.of, self.path.display())
    }
}

/// The meshes of `base` that run, but for the one at `own`; the newest first.
pub(crate) fn others(base: &Path, own: &Path) -> Vec<Other> {
    // Of one elsewhere a link stands here.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let own = real(own);
    let mut others: Vec<(State, PathBuf)> = folders(base)
        .filter(|path| is_alive(path) && real(path) != own)
        .filter_map(|path| Some((read(&path.join("state.json")).ok()?, path)))
        .collect();
    others.sort_by_key(|(state, _)| std::cmp::Reverse(state.started));
    others.into_iter().map(|(state, path)| Other { path, of: state.of() }).collect()
}

/// Which meshes run, in words.
pub(crate) fn those(others: &[Other]) -> String {
    let names: Vec<String> = others.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "no mesh runs here".to_owned(),
        [one] => format!("one runs: {one}"),
        several => format!("{} run: {}", several.len(), several.join(", ")),
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
        RunError::Died {
            folders: self.state.of(),
            again: match self.state.again.as_str() {
                "" => "weft up".to_owned(),
                again => again.to_owned(),
            },
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
