//! A call to begin with: one that an app of this mesh would make, or could, and that is let through. Pure.

use super::judges::Judges;
use crate::up::plan::{Plan, Pod};
use crate::up::protocol::Protocol;
use crate::up::services::{self, Port, Service, Target};

/// Who calls, and what; `None` where nobody with a sidecar could call anything that speaks HTTP.
pub(super) fn of<'a>(plan: &'a Plan, services: &[Service], judges: &Judges) -> Option<(&'a Pod, String)> {
    let running: Vec<&Service> =
        services.iter().filter(|service| plan.pods.iter().any(|pod| is_behind(pod, service))).collect();
    let callers = || plan.pods.iter().filter(|pod| pod.sidecar);
    let written = callers().flat_map(|pod| written(pod, services, &running));
    let mut calls: Vec<Call<'_, '_>> =
        written.chain(callers().flat_map(|pod| possible(pod, &running))).collect();
    calls.sort_by_key(Call::strangeness);
    let place = calls.iter().position(|call| call.is_let_through(plan, judges)).unwrap_or_default();
    let call = calls.into_iter().nth(place)?;
    Some((call.from, call.url))
}

/// A call that somebody could make.
struct Call<'a, 's> {
    from: &'a Pod,
    service: &'s Service,
    port: &'s Port,
    url: String,
    /// It stands in the caller's environment.
    written: bool,
}

impl Call<'_, '_> {
    /// The least first. An app's call to itself shows nothing of a mesh.
    fn strangeness(&self) -> (bool, bool, bool, bool) {
        let own = is_behind(self.from, self.service);
        if self.written {
            return (own, false, false, false);
        }
        (own, true, self.port.protocol != Protocol::Http, self.from.namespace != self.service.namespace)
    }

    /// Whether every pod of the service would answer it.
    fn is_let_through(&self, plan: &Plan, judges: &Judges) -> bool {
        let (authority, path) = parts(&self.url).unwrap_or_default();
        let path = if path.starts_with('/') { path } else { "/" };
        plan.pods.iter().filter(|pod| is_behind(pod, self.service)).all(|to| {
            let target = match &self.port.target {
                Target::Number(number) => Some(*number),
                Target::Name(name) => {
                    to.ports.iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.number)
                }
            };
            target.is_some_and(|port| judges.let_through(self.from, to, port, authority, path))
        })
    }
}

/// The URLs of the mesh that stand in an app's environment.
fn written<'a, 's>(
    pod: &'a Pod,
    services: &'s [Service],
    running: &[&Service],
) -> impl Iterator<Item = Call<'a, 's>> {
    pod.environment.iter().filter_map(|(name, url)| {
        let (authority, _) = parts(url).filter(|_| !name.to_ascii_lowercase().ends_with("_proxy"))?;
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let service = services::find(services, host, &pod.namespace)?;
        let port = service.port(port.parse().ok()?).filter(|_| running.contains(&service))?;
        Some(Call { from: pod, service, port, url: url.clone(), written: true })
    })
}

/// The authority and the path of a URL.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    Some(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
}

/// What each service that speaks HTTP is called.
fn possible<'a, 's>(pod: &'a Pod, running: &[&'s Service]) -> Vec<Call<'a, 's>> {
    let call = |service: &&'s Service| {
        let speaks = |protocol| service.ports.iter().find(|port| port.protocol == protocol);
        let port = speaks(Protocol::Http).or_else(|| speaks(Protocol::Auto))?;
        let host = match pod.namespace == service.namespace {
            true => service.name.clone(),
            false => format!("{}.{}", service.name, service.namespace),
        };
        let number = if port.number == 80 { String::new() } else { format!(":{}", port.number) };
        Some(Call { from: pod, service, port, url: format!("http://{host}{number}/"), written: false })
    };
    running.iter().filter_map(call).collect()
}

fn is_behind(pod: &Pod, service: &Service) -> bool {
    !service.outside && pod.namespace == service.namespace && pod.services.contains(&service.name)
}
