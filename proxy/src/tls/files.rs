//! Certificates and keys that stand in files (DestinationRules with `caCertificates`, `clientCertificate`, `privateKey`):
//! looked at now and then, off the way of any request, and read again when they changed. The next handshake uses what was
//! read last; a file that does not do is said so once, and what was good before stays in force.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::roots::Named;
use super::secrets::Svid;
use super::server::TlsError;

/// Files are looked at this often.
const LOOK: Duration = Duration::from_secs(2);

/// What is read from files, once for all who ask for the same, and for as long as somebody holds it; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Files {
    identities: Holders<CertifiedKey>,
    roots: Holders<Named>,
    system: Arc<ArcSwapOption<Named>>,
}

type Holders<T> = Arc<Mutex<Vec<Weak<Held<T>>>>>;

/// A key and its certificates, or roots: made anew of the same files.
#[derive(Debug)]
pub struct Held<T> {
    paths: Vec<String>,
    read: fn(&[String]) -> Result<T, TlsError>,
    /// As it was read last; why not, if it never could be.
    current: ArcSwap<Result<Arc<T>, String>>,
    stamps: Mutex<Vec<Option<Stamp>>>,
}

/// What tells that a file is another: written to, or put in the place of one that was (as Kubernetes does with secrets).
type Stamp = (SystemTime, u64, u64);

impl Files {
    /// A certificate chain and its key.
    pub fn identity(&self, chain: &str, key: &str) -> Arc<Held<CertifiedKey>> {
        hold(&self.identities, vec![chain.to_owned(), key.to_owned()], identity)
    }

    /// Roots.
    pub fn roots(&self, path: &str) -> Arc<Held<Named>> {
        hold(&self.roots, vec![path.to_owned()], roots)
    }

    /// What the system trusts. It is read when a handshake first asks for it: it is a hundred and more certificates, and
    /// most sidecars never do.
    ///
    /// # Errors
    /// There is none; whoever asks next looks again.
    pub fn system(&self) -> Result<Arc<Named>, String> {
        if let Some(known) = self.system.load_full() {
            return Ok(known);
        }
        let read = Named::new(rustls_native_certs::load_native_certs().certs).map(Arc::new).ok_or(
            "the system has no root certificates: install ca-certificates, or name a CA in caCertificates",
        )?;
        self.system.store(Some(read.clone()));
        Ok(read)
    }

    /// Looks at every file that is held, for as long as it is polled.
    pub async fn keep_fresh(self) {
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            self.look();
        }
    }

    /// Looks at every file once.
    pub fn look(&self) {
        held(&self.identities).iter().for_each(|one| one.look());
        held(&self.roots).iter().for_each(|one| one.look());
    }
}

/// What somebody still holds.
fn held<T>(holders: &Holders<T>) -> Vec<Arc<Held<T>>> {
    let mut all = holders.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|one| one.strong_count() > 0);
    all.iter().filter_map(Weak::upgrade).collect()
}

fn hold<T>(
    holders: &Holders<T>,
    paths: Vec<String>,
    read: fn(&[String]) -> Result<T, TlsError>,
) -> Arc<Held<T>> {
    if let Some(known) = held(holders).into_iter().find(|one| one.paths == paths) {
        // Whoever asks now is not to meet what stood there before.
        known.look();
        return known;
    }
    // Before they are read: what changes in between is read again.
    let stamps = Mutex::new(stamps(&paths));
    let current = read(&paths).map(Arc::new).map_err(|why| why.to_string());
    let held = Arc::new(Held { paths, read, current: ArcSwap::from_pointee(current), stamps });
    holders.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&held));
    held
}

impl<T> Held<T> {
    /// As it was read last.
    ///
    /// # Errors
    /// It never could be read, and why.
    pub fn current(&self) -> Result<Arc<T>, String> {
        (**self.current.load()).clone()
    }

    fn look(&self) {
        let now = stamps(&self.paths);
        {
            let mut known = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
            if *known == now {
                return;
            }
            *known = now;
        }
        let files = self.paths.join(" and ");
        match (self.read)(&self.paths) {
            Ok(good) => {
                tracing::info!(%files, "read again: new handshakes use what stands there now");
                self.current.store(Arc::new(Ok(Arc::new(good))));
            }
            Err(why) if self.current().is_ok() => {
                tracing::warn!(%files, %why, "changed, but cannot be used; what was read before stays in force");
            }
            Err(why) => {
                tracing::warn!(%files, %why, "changed, but still cannot be used");
                self.current.store(Arc::new(Err(why.to_string())));
            }
        }
    }
}

fn stamps(paths: &[String]) -> Vec<Option<Stamp>> {
    use std::os::unix::fs::MetadataExt as _;
    let stamp = |path: &String| {
        let found = std::fs::metadata(Path::new(path)).ok()?;
        Some((found.modified().ok()?, found.len(), found.ino()))
    };
    paths.iter().map(stamp).collect()
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| TlsError::File { path: path.to_owned(), error: e.to_string() })
}

fn identity(paths: &[String]) -> Result<CertifiedKey, TlsError> {
    let [chain, key] = paths else {
        return Err(TlsError::Refused("a chain and a key make an identity".into()));
    };
    let file = |path: &str, error: String| TlsError::File { path: path.to_owned(), error };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| file(key, e.to_string()))?;
    let svid = Svid::new(certificates(chain)?, private).map_err(|e| file(chain, e.to_string()))?;
    Ok((*svid.key).clone())
}

fn roots(paths: &[String]) -> Result<Named, TlsError> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(certificates(path)?);
    }
    let none =
        || TlsError::File { path: paths.join(", "), error: "it holds no usable root certificate".into() };
    Named::new(all).ok_or_else(none)
}

#[cfg(test)]
mod tests;
