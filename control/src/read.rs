//! Reading: from the files that people write for a cluster to typed [`Resources`], and to a [`Diagnostic`] with its
//! place for everything in them that is wrong or that weft does not honour.
//!
//! A document that cannot be used hides nothing of the others, and one reading names as many of its errors as it can.
//! Nothing here compares resources with each other, except that no two of a kind share a name: whether a host exists
//! or a selector matches is for whoever builds the world from them.
//!
//! The way of a document: `folder` finds files, `yaml` cuts them into trees of values with places, `kind` knows
//! every kind's name, `document` takes the tree for what it says it is, `shape` fits it into the type,
//! `validate` checks values, `not_honoured` names what will not happen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::resources::Resources;
use crate::resources::mesh_config::ProxySettings;

mod boolean_key;
mod diagnostic;
mod document;
mod emptied;
mod encoding;
mod finding;
mod folder;
mod header;
mod json;
mod kind;
mod kustomize;
mod locate;
mod mesh;
pub(crate) mod nearest;
mod node;
mod not_honoured;
mod path;
mod place;
mod report;
mod scalar;
mod shape;
mod sources;
mod stranger;
mod validate;
mod yaml;

pub use diagnostic::{Diagnostic, Severity};
use document::Reader;
pub(crate) use nearest::nearest;
pub use sources::Sources;

/// What came of reading.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Whatever can be used. Where there are errors, some of it is missing here.
    pub resources: Resources,
    /// What fits its kind and has a value that may not be. No part of a configuration: it is there to find out what else
    /// is wrong, whatever becomes of it.
    pub doubted: Resources,
    /// Something is wrong of which not even that much could be read.
    pub is_unclear: bool,
    /// What is wrong, file by file in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
    /// How many resources of which kind do not concern a mesh (`Job`: 3); those of which a diagnostic speaks are not
    /// among them.
    pub passed_over: BTreeMap<String, usize>,
}

impl Reading {
    /// The diagnostics that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error())
    }

    /// The diagnostics that are warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| !diagnostic.is_error())
    }

    /// Whether anything was refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }
}

/// Reads files and folders; a folder with all that is in it (`.yaml`, `.yml`, `.json`), in the order of names.
#[must_use]
pub fn read(paths: &[PathBuf]) -> Reading {
    read_sources(&Sources::gather(paths))
}

/// Reads what was gathered before.
#[must_use]
pub fn read_sources(sources: &Sources) -> Reading {
    let mut reader = Reader::default();
    sources.read_into(&mut reader);
    reader.finish()
}

/// Reads a text as if it were the file `name`.
#[must_use]
pub fn read_str(name: &str, text: &str) -> Reading {
    read_bytes(name, text.as_bytes())
}

/// Reads any bytes as if they were the file `name`.
#[must_use]
pub fn read_bytes(name: &str, bytes: &[u8]) -> Reading {
    let mut reader = Reader::default();
    reader.file(name, bytes);
    reader.finish()
}

/// What a pod's annotation `proxy.istio.io/config` says; `None` where it cannot be read, which reading the pod has told.
#[must_use]
pub fn proxy_settings(text: &str) -> Option<ProxySettings> {
    validate::proxy_annotation::settings(text, &path::Path::ROOT, &mut finding::Findings::default())
}

#[cfg(test)]
mod tests;
