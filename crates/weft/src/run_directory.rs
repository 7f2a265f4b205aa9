//! Where a running mesh keeps its files: one folder a mesh, its owner's alone, gone when the mesh is.
//!
//! | file | what |
//! |---|---|
//! | `lock` | locked by the `weft up` that lives; a folder whose lock is free is a leftover, and is removed |
//! | `state.json` | [`State`]: which process, since when, of which folders |
//! | `plan.json` | the plan: pods, addresses, environments; written anew when an edit changes it |
//! | `account.json` | [`Account`]: what `weft up` knows and no part of the mesh tells |
//! | `last-good.json` | the files of YAML as they last were without errors, for a control plane that starts anew |
//! | `authority/` | the mesh's certificate authority, as Istio's four plug-in files |
//! | `root-cert.pem`, `tokens.jwks` | what sidecars and control plane check each other with |
//! | `control.log` | the control plane's log |
//! | `pods/NAMESPACE.NAME/` | `token`, `access.log`, `sidecar.log`, `app.log` |

mod running;

use crate::up::plan::Pod;
pub(crate) use running::{Other, Running, others, those};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What names the mesh that a command speaks of: set for `weft up DIR -- COMMAND`.
pub(crate) const VARIABLE: &str = "WEFT_RUN";

/// The files of YAML as they last were without errors.
pub(crate) const LAST_GOOD: &str = "last-good.json";

/// [`Account`]'s file.
pub(crate) const ACCOUNT: &str = "account.json";

/// Why there is no run directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "{path} is not a folder of yours alone (mode 0700): a mesh's keys will not be put there; remove it, or set XDG_RUNTIME_DIR"
    )]
    Foreign { path: PathBuf },
    #[error("{path}: {source}; was it written by another version of weft?")]
    Content { path: PathBuf, source: serde_json::Error },
    #[error("no mesh is running here; start one with `weft up DIR`")]
    NoneRuns,
    #[error("{VARIABLE}={path:?} is not the folder of a running mesh; {}", those(.others))]
    NotThere { path: PathBuf, others: Vec<Other> },
    #[error(
        "the mesh of {folders} died without saying goodbye: its `weft up` (process {pid}, started {ago} ago) was killed, or crashed; `{again}` starts it again and takes away what it left, until then its logs are in {path}"
    )]
    Died { folders: String, again: String, pid: u32, ago: String, path: PathBuf },
}

/// What is known about a running mesh without asking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The `weft up`.
    pub(crate) pid: u32,
    /// Seconds since 1970.
    pub(crate) started: u64,
    /// The folders of YAML.
    pub(crate) folders: Vec<PathBuf>,
    /// The command that starts it again as it was started.
    #[serde(default)]
    pub(crate) again: String,
    /// The control plane's status port.
    pub(crate) control: String,
    /// Whether every pod has been ready.
    pub(crate) ready: bool,
}

/// What `weft up` knows of its mesh and no part of that tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    /// Pods that are not ready.
    pub(crate) waiting: Vec<Waiting>,
    /// What it warned of in the files that are in force.
    pub(crate) warnings: Vec<String>,
    /// Why it refused the last edit, where no file by itself is wrong.
    pub(crate) refused: Option<String>,
}

/// A pod that is not ready, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) why: String,
    /// One of its processes ends by itself, and is started again and again.
    pub(crate) fails: bool,
}

impl Account {
    /// Why that pod is not ready, if it is not.
    pub(crate) fn waiting_for(&self, pod: &Pod) -> Option<&Waiting> {
        let is_it = |waits: &&Waiting| (&waits.namespace, &waits.name) == (&pod.namespace, &pod.name);
        self.waiting.iter().find(is_it)
    }
}

impl State {
    /// The folders of YAML, in words.
    pub(crate) fn of(&self) -> String {
        let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        folders.join(", ")
    }
}

/// A mesh's own folder; held by the `weft up` that runs it.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    /// What leads to it from where its user's meshes are, if it is elsewhere.
    link: Option<PathBuf>,
    _lock: File,
}

impl RunDirectory {
    /// A new folder in `base`; leftovers of meshes that died are removed first.
    pub(crate) fn create(base: &Path) -> Result<Self, RunError> {
        // One at a time: what is half made here must not look like a leftover to another that starts.
        let _turn = turn(base)?;
        sweep(base);
        sweep_namespaces(base);
        let path = base.join(format!("up-{}", std::process::id()));
        make_private(&path)?;
        let lock_path = path.join("lock");
        let lock = open_new(&lock_path).map_err(|source| RunError::Io { path: lock_path.clone(), source })?;
        lock.lock().map_err(|source| RunError::Io { path: lock_path, source })?;
        Ok(Self { path, link: None, _lock: lock })
    }

    /// A new folder in `base` that other users may pass through, to be found in `user` like all others.
    pub(crate) fn create_passable(base: &Path, user: &Path) -> Result<Self, RunError> {
        let mut run = Self::create(base)?;
        let link = user.join(run.path.file_name().unwrap_or_default());
        let io = |source| RunError::Io { path: link.clone(), source };
        let linked = (|| {
            make_passable(base)?;
            make_passable(&run.path)?;
            prepare(user)?;
            sweep(user);
            std::os::unix::fs::symlink(&run.path, &link).map_err(io)
        })();
        match linked {
            Ok(()) => run.link = Some(link),
            Err(error) => {
                let _ = run.remove();
                return Err(error);
            }
        }
        Ok(run)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one pod, made if it is not there.
    pub(crate) fn pod(&self, pod: &Pod) -> Result<PathBuf, RunError> {
        let pods = self.path.join("pods");
        make_private(&pods)?;
        let path = pod_folder(&self.path, pod);
        make_private(&path)?;
        Ok(path)
    }

    /// Replaces a file of the folder as a whole: who reads it sees the old or the new.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), RunError> {
        replace(&self.path.join(name), content)
    }

    /// Removes the folder and all that is in it.
    pub(crate) fn remove(self) -> Result<(), RunError> {
        if let Some(link) = &self.link {
            let _ = std::fs::remove_file(link);
        }
        std::fs::remove_dir_all(&self.path)
            .map_err(|source| RunError::Io { path: self.path.clone(), source })?;
        if let Some(base) = self.path.parent().filter(|base| *base == Path::new(NAMESPACES)) {
            // The last mesh leaves nothing. One that is starting at this moment makes the folder anew.
            let _turn = File::open(base).and_then(|base| base.lock());
            let _ = std::fs::remove_dir(base);
        }
        Ok(())
    }
}

/// The folder of one pod in a mesh's folder.
pub(crate) fn pod_folder(run: &Path, pod: &Pod) -> PathBuf {
    run.join("pods").join(format!("{}.{}", pod.namespace, pod.name))
}

/// Replaces a file as a whole, readable for its owner alone.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), RunError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = (|| {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        std::fs::rename(&new, path)
    })();
    written.map_err(|source| RunError::Io { path: path.to_owned(), source })
}

/// Where this user's meshes are: the session's runtime folder, or one below `/tmp`.
pub(crate) fn base() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime.filter(|path| path.is_absolute() && path.is_dir()) {
        Some(path) => path.join("weft"),
        None => std::env::temp_dir().join(format!("weft-{}", own_user())),
    }
}

/// Where meshes in network namespaces are: root's, and passable for the users that sidecars run as.
pub(crate) const NAMESPACES: &str = "/run/weft";

/// Lets other users through `path`, not look into it.
pub(crate) fn make_passable(path: &Path) -> Result<(), RunError> {
    use std::os::unix::fs::PermissionsExt;
    let io = |source| RunError::Io { path: path.to_owned(), source };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711)).map_err(io)
}

/// Reads a JSON file of a run directory.
pub(crate) fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let text = std::fs::read(path).map_err(|source| RunError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| RunError::Content { path: path.to_owned(), source })
}

fn prepare(base: &Path) -> Result<(), RunError> {
    make_private(base)?;
    let metadata =
        std::fs::symlink_metadata(base).map_err(|source| RunError::Io { path: base.to_owned(), source })?;
    // Anyone can make a folder in /tmp, under any name, before we do.
    let own = metadata.is_dir() && metadata.uid() == own_user() && metadata.mode() & 0o066 == 0;
    if own { Ok(()) } else { Err(RunError::Foreign { path: base.to_owned() }) }
}

/// The user of this process: the kernel makes a process's folder in `/proc` belong to it.
fn own_user() -> u32 {
    // Without /proc nobody's folder is ours, and none is used.
    std::fs::metadata("/proc/self").map_or(u32::MAX, |process| process.uid())
}

/// Makes `base`, if it is not there, and waits for its turn there.
fn turn(base: &Path) -> Result<File, RunError> {
    let io = |source| RunError::Io { path: base.to_owned(), source };
    loop {
        prepare(base)?;
        let turn = match File::open(base) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            opened => opened.map_err(io)?,
        };
        turn.lock().map_err(io)?;
        // Whoever had the turn before may have taken the folder away, or somebody made another in its place.
        let of = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let now = std::fs::symlink_metadata(base).map(of);
        if now.is_ok_and(|now| turn.metadata().is_ok_and(|had| of(had) == now)) {
            return Ok(turn);
        }
    }
}

fn make_private(path: &Path) -> Result<(), RunError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(RunError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn open_new(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

fn folders(base: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// Whether the `weft up` of this folder lives: it holds the lock until the kernel takes it back.
fn is_alive(path: &Path) -> bool {
    let Ok(lock) = File::open(path.join("lock")) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn sweep(base: &Path) {
    // Of a mesh elsewhere that died, the way there may be all that is left.
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.path().is_symlink() && !is_alive(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    // A folder without its lock may be one that is being made at this moment.
    for path in folders(base).filter(|path| path.join("lock").exists() && !is_alive(path)) {
        if base == Path::new(NAMESPACES)
            && let Some(id) = path.file_name().and_then(|name| name.to_str()?.strip_prefix("up-"))
        {
            crate::netns::network::remove_mesh(id);
        }
        if let Err(error) = std::fs::remove_dir_all(&path) {
            crate::say::say!(
                "weft: cannot remove the leftovers of a mesh that died, {}: {error}",
                path.display()
            );
        }
    }
}

/// What a mesh in network namespaces left when it died is taken away by one on loopback too, if it may.
fn sweep_namespaces(base: &Path) {
    let other = Path::new(NAMESPACES);
    if base != other
        && own_user() == 0
        && let Ok(turn) = File::open(other)
        && turn.try_lock().is_ok()
    {
        sweep(other);
    }
}

#[cfg(test)]
mod tests;
