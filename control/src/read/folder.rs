//! Finds the files of a folder.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::sources::Sources;

/// No manifest is larger; an accident (a log, a disk image) is.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;
/// How deep folders may stand in each other.
const DEEPEST: usize = 32;
/// How many files one reading takes.
const MOST_FILES: usize = 20_000;

/// What is said of a folder without manifests, and what to do.
pub(super) const NOTHING: &str = "no manifest is in this folder";
pub(super) const READS: &str = "weft reads .yaml, .yml and .json files, in folders below too";

/// Gathers the file or folder at `path`.
pub(super) fn read(path: &Path, sources: &mut Sources) {
    let mut walk = Walk { sources, folder: None, visited: HashSet::new(), files: 0 };
    match fs::metadata(path) {
        Err(error) => walk.sources.error(&name(path), format!("cannot be read: {error}"), None),
        Ok(metadata) if metadata.is_dir() => {
            walk.folder = Some(name(path));
            walk.folder(path, 0);
            if walk.files == 0 {
                walk.sources.error(&name(path), NOTHING.to_owned(), Some(READS));
            }
        }
        // A file that is named is read, whatever it is called.
        Ok(_) => walk.file(path),
    }
}

struct Walk<'s> {
    sources: &'s mut Sources,
    /// The folder that was given, if it is one.
    folder: Option<String>,
    /// Folders by their real path: a link back up does not go round for ever.
    visited: HashSet<PathBuf>,
    files: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) {
        if depth > DEEPEST {
            self.sources.error(&name(folder), format!("more than {DEEPEST} folders deep"), None);
            return;
        }
        let seen = folder.canonicalize().map(|real| !self.visited.insert(real));
        let entries = match seen.and_then(|seen| if seen { Ok(Vec::new()) } else { entries(folder) }) {
            Ok(entries) => entries,
            Err(error) => {
                self.sources.error(&name(folder), format!("cannot be read: {error}"), None);
                return;
            }
        };
        for path in entries {
            // Follows links, as kubectl does.
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.folder(&path, depth + 1),
                Ok(metadata) if metadata.is_file() && is_manifest(&path) => self.file(&path),
                Err(error) if is_manifest(&path) => {
                    self.sources.error(&name(&path), format!("cannot be read: {error}"), None);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn file(&mut self, path: &Path) {
        self.files += 1;
        let name = name(path);
        if self.files > MOST_FILES {
            if self.files == MOST_FILES + 1 {
                self.sources.error(&name, format!("not read: more than {MOST_FILES} files"), None);
            }
            return;
        }
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => self.sources.error(&name, format!("cannot be read: {error}"), None),
            Ok(size) if size as u64 > LARGEST_FILE => {
                let limit = LARGEST_FILE / (1024 * 1024);
                self.sources.error(&name, format!("larger than {limit} MiB: this is no manifest"), None);
            }
            // Editors empty a file before they write it; taking that at its word would drop policies for a moment.
            Ok(0) => {
                let hint = "is it being written? remove the file if nothing is to be in it";
                self.sources.error(&name, "the file is empty".to_owned(), Some(hint));
            }
            Ok(_) => self.sources.file(name, bytes, self.folder.clone()),
        }
    }
}

/// What is in a folder, by name; hidden files are left out.
fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
