//! Renewal at half life, with jitter so that a mesh started at once does not renew at once.

use std::time::{Duration, Instant, SystemTime};

use rand::RngExt as _;
use weft_runtime::backoff::{Backoff, BackoffSettings};
use weft_runtime::readiness::Condition;

use super::csr::request_svid;
use crate::bootstrap::Bootstrap;
use crate::tls::secrets::Secrets;

/// How long to wait before a certificate valid within these bounds is renewed: half of its life, a tenth sooner or later
/// by `chance` (0..1); counted from `now`, and never negative.
pub fn renewal_delay(
    not_before: SystemTime,
    not_after: SystemTime,
    now: SystemTime,
    chance: f64,
) -> Duration {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    let share = 0.45 + 0.1 * chance.clamp(0.0, 1.0);
    let due = not_before + life.mul_f64(share);
    due.duration_since(now).unwrap_or_default()
}

/// Keeps `secrets` supplied for as long as it is polled. A renewal that fails leaves the old certificate in force.
pub async fn keep_renewed(bootstrap: Bootstrap, secrets: Secrets, ready: Condition) {
    let mut backoff = Backoff::new(BackoffSettings {
        base: Duration::from_millis(100),
        max: Duration::from_secs(10),
        ..BackoffSettings::default()
    });
    loop {
        let wait = match request_svid(&bootstrap).await {
            Ok((svid, trust)) => {
                let wait =
                    renewal_delay(svid.not_before, svid.not_after, SystemTime::now(), rand::rng().random());
                tracing::info!(serial = %svid.serial, uris = ?svid.names.uris, renew_in = ?wait, "certificate in force");
                // The bundle first: whoever meets the new certificate must be able to believe its issuer.
                secrets.publish_trust(trust);
                secrets.publish_svid(svid);
                ready.met();
                backoff.succeeded(Instant::now());
                wait.max(Duration::from_secs(1))
            }
            Err(error) => {
                let wait = backoff.failed(Instant::now(), rand::rng().random());
                tracing::warn!(%error, again_in = ?wait, "no certificate");
                match secrets.svid() {
                    None => ready.unmet(&error.to_string()),
                    // Nobody believes an expired certificate: the pod must not be sent work.
                    Some(svid) if svid.not_after <= SystemTime::now() => {
                        ready.unmet(&format!("a certificate in place of the expired one: {error}"));
                    }
                    Some(_) => {}
                }
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests;
