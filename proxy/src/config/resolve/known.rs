//! What is known of a cluster's names: each one's last addresses, and whether it resolves at the moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use tokio::task::JoinSet;

use super::LATEST;

/// The addresses of each name.
#[derive(Debug, Default)]
pub(super) struct Known {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    /// Those that did not resolve the last time.
    failing: BTreeSet<String>,
}

impl Known {
    /// Asks for all names at once; says for how long what was answered is good.
    pub(super) async fn ask(
        &mut self,
        resolver: &TokioResolver,
        cluster: &str,
        names: Vec<&str>,
    ) -> Duration {
        let mut asked = JoinSet::new();
        for name in names {
            let (resolver, name) = (resolver.clone(), name.to_owned());
            asked.spawn(async move {
                let looked = resolver.lookup_ip(name.as_str()).await;
                let found = looked.map_err(|error| super::why(&error)).and_then(|looked| {
                    let addresses: Vec<IpAddr> = looked.iter().collect();
                    let good_for = looked.valid_until().saturating_duration_since(Instant::now());
                    if addresses.is_empty() {
                        Err("it has no address".to_owned())
                    } else {
                        Ok((addresses, good_for))
                    }
                });
                (name, found)
            });
        }
        let mut good_for = LATEST;
        while let Some(answer) = asked.join_next().await {
            let Ok((name, found)) = answer else { continue };
            match found {
                Ok((addresses, of_this)) => {
                    good_for = good_for.min(of_this);
                    self.resolves(cluster, name, addresses);
                }
                Err(why) => self.fails_with(cluster, name, &why),
            }
        }
        good_for
    }

    /// The last addresses of a name, in the order of the answer.
    pub(super) fn of(&self, name: &str) -> &[IpAddr] {
        self.addresses.get(name).map_or(&[], Vec::as_slice)
    }

    /// Some name does not resolve.
    pub(super) fn fails(&self) -> bool {
        !self.failing.is_empty()
    }

    /// A name has these addresses.
    pub(super) fn resolves(&mut self, cluster: &str, name: String, addresses: Vec<IpAddr>) {
        if self.failing.remove(&name) {
            tracing::info!(cluster, %name, ?addresses, "a name resolves again");
        }
        self.addresses.insert(name, addresses);
    }

    fn fails_with(&mut self, cluster: &str, name: String, why: &str) {
        let kept = self.of(&name);
        // Said once: a name that nobody knows would fill the log.
        if !self.failing.contains(&name) {
            if kept.is_empty() {
                tracing::info!(cluster, %name, why, "a name does not resolve, and has no endpoints");
            } else {
                tracing::warn!(cluster, %name, why, ?kept, "a name does not resolve any more; its last addresses stay");
            }
            self.failing.insert(name);
        } else {
            tracing::debug!(cluster, %name, why, "a name still does not resolve");
        }
    }
}
