//! A call to begin with: one that an app of this mesh would make, or could, and that is let through. Pure.

use super::judges::Judges;
use crate::up::plan::{Plan, Pod};
use crate::up::protocol::Protocol;
use crate::up::services::{self, Port, Service, Target};
use std::collections::HashMap;

/// As many calls are judged: where that many are denied, so may be all.
const MOST: usize = 1000;

/// Who calls, and what; `None` where nobody with a sidecar could call anything that speaks HTTP.
pub(super) fn of<'a>(plan: &'a Plan, services: &[Service], judges: &Judges) -> Option<(&'a Pod, String)> {
    let mesh = Mesh::of(plan, services);
    let through = mesh.calls().take(MOST).find(|call| mesh.lets_through(call, judges));
    let call = through.or_else(|| mesh.calls().next())?;
    Some((call.from, call.url()))
}

/// Who is there to call and to be called.
struct Mesh<'a, 's> {
    pods: &'a [Pod],
    services: &'s [Service],
    /// The pods behind a service, by its namespace and its name.
    behind: HashMap<&'a str, HashMap<&'a str, Vec<&'a Pod>>>,
    /// The services with pods that speak HTTP, and the port at which they do.
    open: Vec<(&'s Service, &'s Port)>,
}

/// A call that somebody could make.
struct Call<'a, 's> {
    from: &'a Pod,
    service: &'s Service,
    port: &'s Port,
    /// The URL that stands in the caller's environment, if it does.
    written: Option<&'a str>,
}

impl<'a, 's> Mesh<'a, 's> {
    fn of(plan: &'a Plan, services: &'s [Service]) -> Self {
        let mut behind: HashMap<_, HashMap<_, Vec<_>>> = HashMap::new();
        for pod in &plan.pods {
            let here = behind.entry(pod.namespace.as_str()).or_default();
            for name in &pod.services {
                here.entry(name.as_str()).or_default().push(pod);
            }
        }
        let mut mesh = Self { pods: &plan.pods, services, behind, open: Vec::new() };
        let http = |service: &'s Service| {
            let speaks = |protocol| service.ports.iter().find(|port| port.protocol == protocol);
            Some((service, speaks(Protocol::Http).or_else(|| speaks(Protocol::Auto))?))
        };
        mesh.open = services.iter().filter(|service| mesh.runs(service)).filter_map(http).collect();
        mesh
    }

    fn behind(&self, service: &Service) -> &[&'a Pod] {
        let here = self.behind.get(service.namespace.as_str());
        let pods = here.and_then(|here| here.get(service.name.as_str()));
        pods.filter(|_| !service.outside).map_or(&[], Vec::as_slice)
    }

    fn runs(&self, service: &Service) -> bool {
        !self.behind(service).is_empty()
    }

    /// All calls, the least strange first: those that are written down, then those to what is declared to speak HTTP, and of
    /// these the near ones. An app's call to itself shows nothing of a mesh. There may be a million: none is made before
    /// it is asked for.
    fn calls(&self) -> impl Iterator<Item = Call<'a, 's>> {
        let callers = move || self.pods.iter().filter(|pod| pod.sidecar);
        let kinds = [(true, true), (true, false), (false, true), (false, false)];
        [false, true].into_iter().flat_map(move |own| {
            let written = callers().flat_map(move |pod| self.written(pod));
            let possible = kinds.into_iter().flat_map(move |(declared, near)| {
                callers().flat_map(move |pod| self.possible(pod, declared, near))
            });
            written.chain(possible).filter(move |call| call.is_own() == own)
        })
    }

    /// The URLs of the mesh that stand in an app's environment.
    fn written(&self, from: &'a Pod) -> impl Iterator<Item = Call<'a, 's>> {
        from.environment.iter().filter_map(move |(name, url)| {
            let (authority, _) = parts(url).filter(|_| !name.to_ascii_lowercase().ends_with("_proxy"))?;
            let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
            let service = services::find(self.services, host, &from.namespace)?;
            let port = service.port(port.parse().ok()?).filter(|_| self.runs(service))?;
            Some(Call { from, service, port, written: Some(url) })
        })
    }

    /// What each service that speaks HTTP is called.
    fn possible(&self, from: &'a Pod, declared: bool, near: bool) -> impl Iterator<Item = Call<'a, 's>> {
        let is_so = move |(service, port): &&(&Service, &Port)| {
            (port.protocol == Protocol::Http) == declared && (from.namespace == service.namespace) == near
        };
        self.open.iter().filter(is_so).map(move |&(service, port)| Call {
            from,
            service,
            port,
            written: None,
        })
    }

    /// Whether every pod of the service would answer it.
    fn lets_through(&self, call: &Call<'_, '_>, judges: &Judges) -> bool {
        let url = call.url();
        let (authority, path) = parts(&url).unwrap_or_default();
        let path = if path.starts_with('/') { path } else { "/" };
        self.behind(call.service).iter().all(|to| {
            let target = match &call.port.target {
                Target::Number(number) => Some(*number),
                Target::Name(name) => {
                    to.ports.iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.number)
                }
            };
            target.is_some_and(|port| judges.let_through(call.from, to, port, authority, path))
        })
    }
}

impl Call<'_, '_> {
    fn is_own(&self) -> bool {
        self.is_near() && self.from.services.contains(&self.service.name)
    }

    fn is_near(&self) -> bool {
        self.from.namespace == self.service.namespace
    }

    fn url(&self) -> String {
        if let Some(url) = self.written {
            return url.to_owned();
        }
        let namespace = if self.is_near() { String::new() } else { format!(".{}", self.service.namespace) };
        let port = if self.port.number == 80 { String::new() } else { format!(":{}", self.port.number) };
        format!("http://{}{namespace}{port}/", self.service.name)
    }
}

/// The authority and the path of a URL.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    Some(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
}
