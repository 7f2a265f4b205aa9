//! What sidecars do as they were told to, and people should know of: whom they leave alone, and why. Whoever sees the same is
//! named in one line.

use crate::admin::{Endpoint, Sidecar};
use crate::up::plan::Plan;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What is to be told, and by whom it is seen.
pub(super) struct Notes<'a> {
    plan: &'a Plan,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    by: Vec<String>,
    /// How long it lasts at most.
    left: Option<f64>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { plan, seen: BTreeMap::new() }
    }

    /// Takes what one sidecar does, that of the pod called `name`.
    pub(super) fn add(&mut self, name: &str, sidecar: &Sidecar) {
        for endpoint in &sidecar.endpoints {
            let whom = self.whom(endpoint);
            if let Some(left) = endpoint.ejected_seconds {
                let seen = self.note(format!("{whom} is ejected"), name);
                seen.left = Some(seen.left.unwrap_or_default().max(left));
            }
            let is_in_panic = sidecar.panics.contains(&endpoint.cluster);
            let what = match endpoint.health.as_deref() {
                Some("failed") if is_in_panic => "fails its health checks, and gets requests all the same",
                Some("failed") => "fails its health checks and gets no requests",
                Some("degraded") => "says that it is degraded and gets what others cannot take",
                _ => continue,
            };
            self.note(format!("{whom} {what} (weft.dev/health-check)"), name);
        }
        for cluster in &sidecar.panics {
            let of = called(cluster);
            self.note(
                format!(
                    "too few endpoints of {of} were well when one was picked last, so all are used (outlierDetection.minHealthPercent)"
                ),
                name,
            );
        }
        let again = sidecar.retries.after_the_app;
        if again > 0 {
            let requests =
                if again == 1 { "1 request was".to_owned() } else { format!("{again} requests were") };
            let what = format!(
                "{name}: {requests} tried again that an app may have seen before (by retries of its routes, or weft's own)"
            );
            self.seen.entry(what).or_default();
        }
    }

    fn note(&mut self, what: String, name: &str) -> &mut Seen {
        let seen = self.seen.entry(what).or_default();
        seen.by.push(name.to_owned());
        seen
    }

    /// `cart-1 (127.64.1.1:8080) of cart.shop:80`
    fn whom(&self, endpoint: &Endpoint) -> String {
        let (address, of) = (&endpoint.address, called(&endpoint.cluster));
        let ip = address.parse().map(|address: SocketAddr| address.ip().to_canonical()).ok();
        let is_its = |pod: &&crate::up::plan::Pod| {
            ip.is_some_and(|ip| ip == pod.address || pod.six.is_some_and(|six| ip == six))
        };
        match self.plan.pods.iter().find(is_its) {
            Some(pod) => format!("{} ({address}) of {of}", pod.name),
            None => format!("{address} of {of}"),
        }
    }

    /// A line for each.
    pub(super) fn lines(self) -> impl Iterator<Item = String> {
        self.seen.into_iter().map(|(what, seen)| {
            let left = seen.left.map(|left| format!(" for {left:.1} s more (outlierDetection)"));
            let by = match seen.by.as_slice() {
                [] => String::new(),
                [one] => format!(", for {one}"),
                [one, other] => format!(", for {one} and {other}"),
                [one, other, rest @ ..] => format!(", for {one}, {other} and {} more", rest.len()),
            };
            format!("{what}{}{by}", left.unwrap_or_default())
        })
    }
}

/// A cluster by the name of its service: of `outbound|80|v1|cart.shop.svc.cluster.local` it is `cart.shop:80 subset v1`.
fn called(cluster: &str) -> String {
    let parts: Vec<&str> = cluster.split('|').collect();
    let [_, port, subset, host] = parts.as_slice() else { return cluster.to_owned() };
    let host = host.strip_suffix(".svc.cluster.local").unwrap_or(host);
    let subset = if subset.is_empty() { String::new() } else { format!(" subset {subset}") };
    format!("{host}:{port}{subset}")
}

#[cfg(test)]
mod tests;
