//! Keeps a port's own certificate young.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::ServerTls;
use crate::authority::{Authority, ServingCertificate};

/// How long to wait after a renewal that failed, and how often at least a renewal is looked at: a machine that slept
/// has a clock that leapt.
const RETRY: Duration = Duration::from_secs(60);

/// The names that a control plane is dialled by.
#[derive(Debug, Clone, Default)]
pub struct ServingNames {
    /// DNS names, such as `istiod.istio-system.svc`.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

/// Renews `tls`'s certificate each time half of its life is over, for as long as it is polled.
///
/// `current` is what `tls` was made with. A renewal that fails is tried again every minute.
pub async fn keep_fresh(
    tls: Arc<ServerTls>,
    authority: Arc<Authority>,
    names: ServingNames,
    current: ServingCertificate,
) {
    let (mut issued, mut expires) = (current.issued, current.expires);
    drop(current);
    loop {
        let now = SystemTime::now();
        let wait = until_half_life(issued, expires, now);
        if !wait.is_zero() {
            tokio::time::sleep(wait.min(RETRY)).await;
            continue;
        }
        match renewed(&tls, &authority, &names, now) {
            Ok(certificate) => (issued, expires) = (certificate.issued, certificate.expires),
            Err(error) => {
                tracing::error!(%error, "the control plane's own certificate cannot be renewed");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// How long until half of a life is over; zero from then on.
fn until_half_life(issued: SystemTime, expires: SystemTime, now: SystemTime) -> Duration {
    let life = expires.duration_since(issued).unwrap_or_default();
    (issued + life / 2).duration_since(now).unwrap_or_default()
}

fn renewed(
    tls: &ServerTls,
    authority: &Authority,
    names: &ServingNames,
    now: SystemTime,
) -> Result<ServingCertificate, Box<dyn std::error::Error + Send + Sync>> {
    let certificate = authority.serving_certificate(&names.dns_names, &names.addresses, now)?;
    tls.replace(&certificate, authority.roots())?;
    Ok(certificate)
}

#[cfg(test)]
mod tests;
