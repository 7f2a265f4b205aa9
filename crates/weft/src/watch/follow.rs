//! Which folders are to be watched so that no change of what some paths lead to is missed. Nothing is watched here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many links may lead to one another; the kernel follows no more either.
const MOST_LINKS: usize = 40;
/// As the reader of folders: how deep they may stand in each other.
const DEEPEST: usize = 32;

/// What of a folder matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Concern {
    /// Whatever is in it and not hidden: it is read as a whole.
    all: bool,
    /// A file that is read, or a link on the way to one.
    names: BTreeSet<OsString>,
}

impl Concern {
    /// Whether a change of that name matters.
    pub(super) fn has(&self, name: &OsStr) -> bool {
        self.names.contains(name) || (self.all && !is_hidden(name))
    }

    /// Whether it is a name under which something is read: what an editor writes beside it, is not.
    pub(super) fn reads(&self, name: &OsStr) -> bool {
        let extension = Path::new(name).extension();
        self.names.contains(name)
            || extension
                .is_some_and(|of| ["yaml", "yml", "json"].iter().any(|known| of.eq_ignore_ascii_case(known)))
    }

    /// What matters to either.
    pub(super) fn join(&mut self, other: Self) {
        self.all |= other.all;
        self.names.extend(other.names);
    }
}

/// The folders that matter, by their real paths.
pub(super) fn folders(paths: &[PathBuf]) -> BTreeMap<PathBuf, Concern> {
    let mut follower = Follower::default();
    for path in paths {
        if let Some(real) = std::path::absolute(path).ok().and_then(|path| follower.to(&path)) {
            follower.walk(&real, 0);
        }
    }
    follower.folders
}

#[derive(Default)]
struct Follower {
    folders: BTreeMap<PathBuf, Concern>,
    walked: HashSet<PathBuf>,
}

impl Follower {
    /// Follows `path` to its end, and remembers each link and the last name; `None` if it leads nowhere: then the first
    /// name that is missing is what matters.
    fn to(&mut self, path: &Path) -> Option<PathBuf> {
        let mut at = PathBuf::from("/");
        let mut rest = reversed(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            let metadata = fs::symlink_metadata(&next);
            let is_link = metadata.as_ref().is_ok_and(fs::Metadata::is_symlink);
            if is_link || metadata.is_err() || rest.is_empty() {
                self.folders.entry(at.clone()).or_default().names.insert(part);
            }
            if metadata.is_err() {
                return None;
            }
            if is_link {
                links += 1;
                let target = fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(reversed(&target));
            } else {
                at = next;
            }
        }
        Some(at)
    }

    /// All folders below a real path, those that links lead to too.
    fn walk(&mut self, folder: &Path, depth: usize) {
        if depth > DEEPEST || !folder.is_dir() || !self.walked.insert(folder.to_owned()) {
            return;
        }
        self.folders.entry(folder.to_owned()).or_default().all = true;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type();
            if is_hidden(&entry.file_name()) {
                continue;
            }
            if kind.as_ref().is_ok_and(fs::FileType::is_symlink) {
                if let Some(real) = self.to(&entry.path()) {
                    self.walk(&real, depth + 1);
                }
            } else if kind.is_ok_and(|kind| kind.is_dir()) {
                self.walk(&entry.path(), depth + 1);
            }
        }
    }
}

/// Its parts, the last first.
fn reversed(path: &Path) -> Vec<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(named).collect()
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests;
