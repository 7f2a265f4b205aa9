//! An authority in Istio's plug-in CA files: `ca-key.pem`, `ca-cert.pem`, `cert-chain.pem`, `root-cert.pem`.
//!
//! A set is taken only if it works: after the files are read, a trial leaf is signed and its path verified.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::fresh::{self, Fresh, FreshError};
use super::{Authority, pem};
pub use assemble::SetError;

mod assemble;

/// The issuing certificate's key.
const KEY: &str = "ca-key.pem";
/// The issuing certificate.
const CERTIFICATE: &str = "ca-cert.pem";
/// The issuing certificate and those above it.
const CHAIN: &str = "cert-chain.pem";
/// The roots to be trusted.
const ROOTS: &str = "root-cert.pem";

/// Larger than any honest file of the four.
const MAX_BYTES: u64 = 1024 * 1024;

/// What may be allowed on a key file beyond its owner: reading by the group, which is how Kubernetes lends a Secret to
/// a program that is not root (`fsGroup`).
const FORBIDDEN: u32 = 0o037;

/// Why an authority was not read from files, or not written to them.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Only some of the four files are there.
    #[error("{}: {missing} is missing where {present} is; give all of ca-key.pem, ca-cert.pem, cert-chain.pem and \
             root-cert.pem, or none", dir.display())]
    Incomplete {
        /// The folder.
        dir: PathBuf,
        /// A file that is not there.
        missing: &'static str,
        /// A file that is.
        present: &'static str,
    },
    /// The key is open to others.
    #[error("{} has mode {mode:04o}: others can read or change the key; chmod 600 it, or give the Secret's volume \
             defaultMode 0400", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a file of PEM.
    #[error("{} is larger than {MAX_BYTES} bytes or not text", path.display())]
    Content {
        /// Which.
        path: PathBuf,
    },
    /// An authority stands there already.
    #[error("{} exists already; an authority is never overwritten", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The files do not make an authority.
    #[error("{}: {error}", dir.display())]
    Set {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        error: SetError,
    },
    /// No new authority could be made.
    #[error(transparent)]
    Fresh(#[from] FreshError),
}

impl Authority {
    /// Reads an authority from a folder with Istio's four plug-in CA files.
    ///
    /// # Errors
    /// If a file is missing or its key open to others, or the set does not fit together or is expired.
    pub fn load(dir: &Path, trust_domain: &str, now: SystemTime) -> Result<Self, FileError> {
        let key_path = dir.join(KEY);
        let key = Zeroizing::new(read(&key_path, true)?);
        let certificate = read(&dir.join(CERTIFICATE), false)?;
        let chain = read(&dir.join(CHAIN), false)?;
        let roots = read(&dir.join(ROOTS), false)?;
        let set = assemble::Set { key: &key, certificate: &certificate, chain: &chain, roots: &roots };
        assemble::authority(&set, trust_domain, now)
            .map_err(|error| FileError::Set { dir: dir.to_owned(), error })
    }

    /// A new authority, written to a folder as Istio's four plug-in CA files: the key with mode 0600.
    ///
    /// # Errors
    /// If one of the files exists, or cannot be written.
    pub fn create(dir: &Path, trust_domain: &str, now: SystemTime) -> Result<Self, FileError> {
        let fresh = fresh::make(trust_domain, now)?;
        save(dir, &fresh)?;
        Ok(fresh.authority)
    }

    /// Reads the authority of a folder, or makes one there if the folder holds none of the four files.
    ///
    /// # Errors
    /// As [`Self::load`] and [`Self::create`], and if only some of the files are there.
    pub fn load_or_create(dir: &Path, trust_domain: &str, now: SystemTime) -> Result<Self, FileError> {
        let files = [KEY, CERTIFICATE, CHAIN, ROOTS];
        let present = files.iter().find(|name| dir.join(name).exists());
        let missing = files.iter().find(|name| !dir.join(name).exists());
        match (present, missing) {
            (None, _) => Self::create(dir, trust_domain, now),
            (Some(_), None) => Self::load(dir, trust_domain, now),
            (Some(present), Some(missing)) => {
                Err(FileError::Incomplete { dir: dir.to_owned(), missing, present })
            }
        }
    }
}

/// Reads one file, bounded; `secret` ones must be their owner's alone.
fn read(path: &Path, secret: bool) -> Result<String, FileError> {
    let failed = |error| FileError::Io { path: path.to_owned(), error };
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if secret && mode & FORBIDDEN != 0 {
        return Err(FileError::Open { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    match file.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Ok(_) if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_BYTES) => Ok(text),
        Ok(_) => Err(FileError::Content { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(FileError::Content { path: path.to_owned() })
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes the four files: each under another name first, so that none is ever seen half written.
fn save(dir: &Path, fresh: &Fresh) -> Result<(), FileError> {
    fs::create_dir_all(dir).map_err(|error| FileError::Io { path: dir.to_owned(), error })?;
    let chain: String =
        fresh.authority.chain.iter().map(|certificate| pem::certificate(certificate)).collect();
    let roots = fresh.authority.trust_bundle();
    // ca-cert.pem and cert-chain.pem are the same here: one certificate stands between leaf and root.
    let files = [
        (KEY, fresh.key.as_str(), 0o600),
        (CERTIFICATE, &chain, 0o644),
        (CHAIN, &chain, 0o644),
        (ROOTS, &roots, 0o644),
    ];
    for (name, ..) in files {
        let path = dir.join(name);
        if path.exists() {
            return Err(FileError::Exists { path });
        }
    }
    for (name, text, mode) in files {
        let path = dir.join(format!(".{name}.new"));
        write(&path, text, mode).map_err(|error| FileError::Io { path, error })?;
    }
    for (name, ..) in files {
        let path = dir.join(name);
        fs::rename(dir.join(format!(".{name}.new")), &path).map_err(|error| FileError::Io { path, error })?;
    }
    Ok(())
}

/// Writes a file that must not exist yet, with its mode from the first byte on.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
