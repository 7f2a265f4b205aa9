//! What VirtualServices mean, shown end to end: translated, compiled as a proxy would, and asked about requests.

mod actions;
mod captured;
mod checks;
mod connections;
mod hosts;
mod matches;
mod random;
mod retries;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::compile;
use weft_model::route::{RouteConfiguration, VirtualHost};
use weft_model::table::{Names, RouteTable};
use weft_policy::route::{Decision, Forwarding, location, rewritten_host, rewritten_path, route};

use super::*;
use crate::translate::authorization::tests::sample::Request;

/// The VirtualServices of a text.
fn read(text: &str) -> Vec<Object<VirtualService>> {
    let reading = crate::read::read_str("t.yaml", text);
    assert_eq!(reading.errors().collect::<Vec<_>>(), Vec::<&crate::read::Diagnostic>::new());
    reading.resources.virtual_services
}

/// One VirtualService `foo/v` by its spec without hosts, which are `[svc]`.
fn written(spec: &str) -> Object<VirtualService> {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v, namespace: foo}}\nspec:\n  hosts: [svc]\n{spec}\n"
    );
    read(&text).swap_remove(0)
}

/// The same by its routes, as YAML flow: `[{route: ...}]`.
fn http(routes: &str) -> Object<VirtualService> {
    written(&format!("  http: {routes}"))
}

/// A proxy: who it is, and what it knows.
struct Proxy {
    namespace: &'static str,
    labels: BTreeMap<String, String>,
    gateways: Vec<&'static str>,
    port: u16,
    tls: bool,
    mesh: MeshConfig,
}

fn sidecar() -> Proxy {
    Proxy {
        namespace: "foo",
        labels: [("app".to_owned(), "client".to_owned())].into(),
        gateways: vec![MESH],
        port: 80,
        tls: false,
        mesh: MeshConfig::default(),
    }
}

impl Proxy {
    fn with<T>(&self, ask: impl FnOnce(&Context<'_>) -> T) -> T {
        let ports_of = |host: &str| match host {
            "single.foo.svc.cluster.local" => Some(vec![8080]),
            "svc.foo.svc.cluster.local" => Some(vec![80, 9000]),
            _ => None,
        };
        let hash = |host: &str, _: &str, _: Option<u16>| match host {
            "sticky.foo.svc.cluster.local" => {
                vec![HashPolicy { key: weft_model::route::HashKey::SourceIp, terminal: false }]
            }
            _ => Vec::new(),
        };
        ask(&Context {
            namespace: self.namespace,
            labels: &self.labels,
            gateways: &self.gateways,
            port: self.port,
            tls: self.tls,
            ports_of: &ports_of,
            hash: &hash,
            mesh: &self.mesh,
        })
    }

    fn routes(&self, service: &Object<VirtualService>) -> Vec<Route> {
        self.with(|context| http_routes(service, context))
    }

    fn table(&self, service: &Object<VirtualService>) -> RouteTable {
        let host = VirtualHost {
            name: "h".into(),
            domains: vec!["*".into()],
            routes: self.routes(service),
            ..VirtualHost::default()
        };
        let configuration = RouteConfiguration { virtual_hosts: vec![host], ..RouteConfiguration::default() };
        compile::route_table(&configuration, &mut Names::default()).unwrap().part
    }
}

/// The routes of a sidecar.
fn routes(service: &Object<VirtualService>) -> Vec<Route> {
    sidecar().routes(service)
}

fn forward(route: &Route) -> &Forward {
    match &route.action {
        RouteAction::Forward(forward) => forward,
        other => panic!("{other:?} goes to no cluster"),
    }
}

/// What becomes of a request: `NAME to CLUSTER [as HOST/PATH]`, `NAME 301 LOCATION`, `NAME 410`, `404`, `refused`.
fn becomes(service: &Object<VirtualService>, request: &Request) -> String {
    becomes_at(&sidecar(), service, request)
}

fn becomes_at(proxy: &Proxy, service: &Object<VirtualService>, request: &Request) -> String {
    use weft_model::request::RequestView;
    use weft_policy::route::Choice;
    let table = proxy.table(service);
    let mut text = String::new();
    match route(&table, request, 0, &mut SmallRng::seed_from_u64(7)) {
        Decision::Forward(to @ Forwarding { route, .. }) => {
            let cluster = match to.to {
                Choice::Cluster(destination) => destination.cluster.name.to_string(),
                Choice::NamedByHeader(name) => name.to_owned(),
            };
            let host = rewritten_host(&to, request).unwrap_or(request.authority()).to_owned();
            if !rewritten_path(&to, request, &mut text) {
                text = request.path().to_owned();
            }
            format!("{} to {cluster} as {host}{text}", route.name)
        }
        Decision::Redirect { route, redirect, .. } => {
            location(route, redirect, request, &mut text);
            format!("{} {} {text}", route.name, redirect.settings.status)
        }
        Decision::DirectResponse { route, status, .. } => format!("{} {status}", route.name),
        Decision::NoRoute { .. } | Decision::NoHost => "404".to_owned(),
        Decision::Refused { .. } | Decision::TlsRedirect { .. } => "refused".to_owned(),
    }
}

fn get(path: &str) -> Request {
    Request::get("svc", path)
}
