//! A call to begin with: one that an app of this mesh would make, or could. Pure.

use crate::up::plan::{Plan, Pod};
use crate::up::protocol::Protocol;
use crate::up::services::{self, Port, Service};

/// Who calls, and what; `None` where nobody with a sidecar could call anything that speaks HTTP.
pub(super) fn of<'a>(plan: &'a Plan, services: &[Service]) -> Option<(&'a Pod, String)> {
    let running: Vec<&Service> =
        services.iter().filter(|service| plan.pods.iter().any(|pod| is_behind(pod, service))).collect();
    written(plan, services, &running).or_else(|| possible(plan, &running))
}

/// A URL of the mesh that stands in an app's environment.
fn written<'a>(plan: &'a Plan, services: &[Service], running: &[&Service]) -> Option<(&'a Pod, String)> {
    plan.pods.iter().filter(|pod| pod.sidecar).find_map(|pod| {
        let leads_inside = |url: &str| {
            let authority = url.strip_prefix("http://").and_then(|rest| rest.split(['/', '?', '#']).next());
            let host = authority.and_then(|authority| authority.split(':').next());
            let service = host.and_then(|host| services::find(services, host, &pod.namespace));
            service.is_some_and(|service| running.contains(&service))
        };
        let calls = |(name, value): &&(String, String)| {
            leads_inside(value) && !name.to_ascii_lowercase().ends_with("_proxy")
        };
        let (_, url) = pod.environment.iter().find(calls)?;
        Some((pod, url.clone()))
    })
}

/// The name of a service that speaks HTTP, rather in its own namespace, and rather another's than the caller's own.
fn possible<'a>(plan: &'a Plan, running: &[&Service]) -> Option<(&'a Pod, String)> {
    let callers = plan.pods.iter().filter(|pod| pod.sidecar);
    let calls = callers.flat_map(|pod| {
        running.iter().filter_map(move |service| {
            let port = [Protocol::Http, Protocol::Auto]
                .iter()
                .find_map(|speaks| service.ports.iter().find(|port| port.protocol == *speaks))?;
            Some((pod, *service, port))
        })
    });
    let strange = |(pod, service, port): &(&Pod, &Service, &Port)| {
        (is_behind(pod, service), port.protocol != Protocol::Http, pod.namespace != service.namespace)
    };
    let (pod, service, port) = calls.min_by_key(strange)?;
    let host = match pod.namespace == service.namespace {
        true => service.name.clone(),
        false => format!("{}.{}", service.name, service.namespace),
    };
    let port = if port.number == 80 { String::new() } else { format!(":{}", port.number) };
    Some((pod, format!("http://{host}{port}/")))
}

fn is_behind(pod: &Pod, service: &Service) -> bool {
    !service.outside && pod.namespace == service.namespace && pod.services.contains(&service.name)
}
