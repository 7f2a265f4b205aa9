//! What files held at one moment, apart from what it means: so that it can be read again later, as it was.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::Reader;
use super::folder;

/// Files in the order of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources(Vec<Source>);

/// One file, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    File {
        name: String,
        text: String,
        /// The folder that was given, where it was found in one.
        folder: Option<String>,
    },
    /// Bytes that are not text: they are of use for nothing but their error.
    Odd {
        name: String,
        bytes: Vec<u8>,
    },
    Missing {
        name: String,
        message: String,
        hint: Option<String>,
    },
}

impl Sources {
    /// Gathers files and folders; a folder with all that is in it (`.yaml`, `.yml`, `.json`), in the order of names.
    #[must_use]
    pub fn gather(paths: &[PathBuf]) -> Self {
        let mut sources = Self::default();
        for path in paths {
            folder::read(path, &mut sources);
        }
        sources
    }

    pub(super) fn file(&mut self, name: String, bytes: Vec<u8>, folder: Option<String>) {
        self.0.push(match String::from_utf8(bytes) {
            Ok(text) => Source::File { name, text, folder },
            Err(error) => Source::Odd { name, bytes: error.into_bytes() },
        });
    }

    /// Those that are text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|source| match source {
            Source::File { name, text, .. } => Some((name.as_str(), text.as_str())),
            Source::Odd { .. } | Source::Missing { .. } => None,
        })
    }

    pub(super) fn error(&mut self, name: &str, message: String, hint: Option<&str>) {
        self.0.push(Source::Missing { name: name.to_owned(), message, hint: hint.map(str::to_owned) });
    }

    pub(super) fn read_into(&self, reader: &mut Reader) {
        for source in &self.0 {
            match source {
                Source::File { name, text, folder } => {
                    reader.folder = folder.as_deref().map(Arc::from);
                    reader.file(name, text.as_bytes());
                    reader.folder = None;
                }
                Source::Odd { name, bytes } => reader.file(name, bytes),
                Source::Missing { name, message, hint } => {
                    reader.file_error(name, message.clone(), hint.as_deref());
                }
            }
        }
        reader.judge_folders();
    }
}
