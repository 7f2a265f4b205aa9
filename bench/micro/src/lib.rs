//! What the benchmarks of single decisions decide on: a mesh larger than most.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use weft_model::cluster::{self, Balancing, LbPolicy};
use weft_model::compile;
use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, LocalityEndpoints};
use weft_model::matcher::{HeaderMatcher, HeaderValueMatch, Pattern, StringMatcher};
use weft_model::rbac::{Action, Permission, Policy, Principal, Rbac, RbacFilter};
use weft_model::request::{Connection, Peer, Written as Request};
use weft_model::route::{
    Forward, HeaderOperations, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch, Target,
    VirtualHost, WeightedCluster,
};
use weft_model::table::rbac::Gate;
use weft_model::table::{Cluster, Names, RouteTable};

/// A GET with the headers that most requests have.
pub fn get(authority: impl Into<String>, path: impl Into<String>) -> Request {
    let headers = [
        ("accept", "application/json"),
        ("user-agent", "selfmonitor/1.0"),
        ("x-request-id", "7b1ff7a4-7c06-4b34-9f5b-5a0c6d4fd0a5"),
        ("x-forwarded-proto", "http"),
        ("x-tenant", "gold-7"),
        ("content-type", "application/json"),
    ];
    headers.iter().fold(Request::get(authority, path), |request, (name, value)| request.with(name, value))
}

/// The SPIFFE ID of the n-th client.
pub fn principal(number: usize) -> String {
    format!("spiffe://cluster.local/ns/ns-{}/sa/client-{number}", number % 10)
}

/// A connection of the n-th client to port 8000.
pub fn connection(peer: &Peer) -> Connection<'_> {
    let source: SocketAddr = "10.244.0.10:4711".parse().expect("an address");
    let destination = "10.0.0.1:8000".parse().expect("an address");
    Connection { peer: Some(peer), source, remote: source.ip(), destination, sni: None }
}

fn header(name: &str, pattern: Pattern) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        value: HeaderValueMatch::String(pattern.into()),
        invert: false,
        treat_missing_as_empty: false,
    }
}

/// `count` policies in the shapes that Istio makes: DENY rules first, then ALLOW rules by account, namespace, path,
/// template, method, port and header.
pub fn policies(count: usize) -> Vec<Gate> {
    let denies = count / 5;
    let filter = |action, range: std::ops::Range<usize>| {
        let policies =
            range.map(|number| (format!("ns[selfmonitor]-policy[{number:03}]-rule[0]"), policy(number)));
        let rules = Rbac { action, policies: policies.collect::<BTreeMap<_, _>>() };
        let filter = RbacFilter { rules: Some(rules), ..RbacFilter::default() };
        Gate::Rbac(Box::new(compile::rbac_filter(&filter, "bench").part))
    };
    vec![filter(Action::Deny, count..count + denies), filter(Action::Allow, 0..count - denies)]
}

/// `count` ALLOW policies for the same client and path, each for a tenant of its own that nobody is.
pub fn alike(count: usize) -> Vec<Gate> {
    let policy = |number: usize| {
        let path = Permission::UrlPath(Pattern::Prefix("/".into()).into());
        let tenant = Principal::Header(header("x-tenant", Pattern::Exact(format!("tenant-{number}"))));
        let client = Principal::Authenticated(Some(StringMatcher::exact(principal(0))));
        let principals = vec![Principal::And(vec![Principal::Or(vec![client]), Principal::Or(vec![tenant])])];
        Policy { permissions: vec![Permission::And(vec![path])], principals, has_condition: false }
    };
    let policies = (0..count).map(|number| (format!("ns[a]-policy[{number:03}]-rule[0]"), policy(number)));
    let rules = Rbac { action: Action::Allow, policies: policies.collect() };
    let filter = RbacFilter { rules: Some(rules), ..RbacFilter::default() };
    vec![Gate::Rbac(Box::new(compile::rbac_filter(&filter, "bench").part))]
}

fn policy(number: usize) -> Policy {
    let exact = |number| Principal::Authenticated(Some(StringMatcher::exact(principal(number))));
    let namespace = Pattern::Regex(format!(".*/ns/ns-{}/.*", number % 10));
    let who = match number % 4 {
        0 | 1 => Principal::Or(vec![exact(number), exact(number + 1)]),
        2 => Principal::Authenticated(Some(namespace.into())),
        _ => Principal::Not(Box::new(Principal::Or(vec![exact(number)]))),
    };
    let path = match number % 5 {
        0 => Permission::UrlPath(Pattern::Prefix(format!("/api/v1/{number}/")).into()),
        1 => Permission::UriTemplate(format!("/api/v1/{number}/*/risk")),
        2 => Permission::UrlPath(Pattern::Suffix(format!("/{number}/health")).into()),
        _ => Permission::UrlPath(StringMatcher::exact(format!("/api/v1/{number}"))),
    };
    let methods =
        ["GET", "POST"].map(|method| Permission::Header(header(":method", Pattern::Exact(method.into()))));
    let mut all = vec![Permission::Or(vec![path]), Permission::Or(methods.into())];
    if number.is_multiple_of(3) {
        all.push(Permission::Or(vec![Permission::DestinationPort(8000)]));
    }
    let mut principals = vec![Principal::Or(vec![who])];
    if number.is_multiple_of(7) {
        principals.push(Principal::Header(header("x-tenant", Pattern::Prefix("gold".into()))));
    }
    Policy {
        permissions: vec![Permission::And(all)],
        principals: vec![Principal::And(principals)],
        has_condition: false,
    }
}

/// `hosts` virtual hosts with Istio's domains each; the first has `routes` routes, the others three.
pub fn routes(hosts: usize, routes: usize) -> RouteTable {
    let mut virtual_hosts: Vec<VirtualHost> =
        (0..hosts).map(|number| host(number, if number == 0 { routes } else { 3 })).collect();
    let wildcard =
        VirtualHost { name: "wild".into(), domains: vec!["*.wild.example".into()], ..host(hosts, 3) };
    let any = VirtualHost { name: "allow_any".into(), domains: vec!["*".into()], ..host(hosts + 1, 1) };
    virtual_hosts.extend([wildcard, any]);
    let configuration = RouteConfiguration {
        name: "80".into(),
        virtual_hosts,
        ignore_port_in_host_matching: true,
        headers: HeaderOperations::default(),
    };
    compile::route_table(&configuration, &mut Names::default()).expect("the benchmark's own routes").part
}

fn host(number: usize, routes: usize) -> VirtualHost {
    let name = format!("service-{number}");
    let forms = [
        "",
        ".selfmonitor",
        ".selfmonitor.svc",
        ".selfmonitor.svc.cluster.local",
        ".selfmonitor.svc.cluster.local.",
    ];
    let weighted = |name: &str, weight| WeightedCluster {
        name: format!("outbound|80|{name}|service-{number}"),
        weight,
        headers: HeaderOperations::default(),
        host_rewrite: None,
    };
    let route = |place: usize| {
        let last = place + 1 == routes;
        let path =
            if last { PathMatch::Prefix("/".into()) } else { PathMatch::Prefix(format!("/api/v1/{place}/")) };
        let target = Target::Weighted(vec![weighted("v1", 90), weighted("v2", 10)]);
        let headers =
            if place % 3 == 1 { vec![header("x-canary", Pattern::Exact("true".into()))] } else { Vec::new() };
        Route::new(
            &format!("route-{place}"),
            RouteMatch { headers: if last { Vec::new() } else { headers }, ..RouteMatch::path(path) },
            RouteAction::Forward(Box::new(Forward { target, ..Forward::to("") })),
        )
    };
    VirtualHost {
        domains: forms.iter().map(|form| format!("{name}{form}")).collect(),
        routes: (0..routes).map(route).collect(),
        name,
        ..VirtualHost::default()
    }
}

/// A cluster of `count` endpoints.
pub fn cluster(policy: LbPolicy, count: u16, weight: impl Fn(u16) -> u32) -> Cluster {
    let endpoint = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Endpoint {
            address: Address::Socket(SocketAddr::from(([10, 0, high, low], 8000))),
            weight: weight(number),
            health: Health::Unknown,
            transport_match: BTreeMap::new(),
            workload: String::new(),
            hostname: String::new(),
        }
    };
    let endpoints = (0..count).map(endpoint).collect();
    let localities = vec![LocalityEndpoints { endpoints, ..LocalityEndpoints::default() }];
    let settings = cluster::Cluster {
        name: "outbound|80||service".into(),
        load_assignment: Some(LoadAssignment { localities, ..LoadAssignment::default() }),
        balancing: Balancing { policy, ..Balancing::default() },
        ..cluster::Cluster::default()
    };
    compile::cluster(Arc::new(settings), None).expect("the benchmark's own cluster").part
}

/// Nobody is busy and everybody is well.
#[derive(Debug, Clone, Copy)]
pub struct Calm;

impl weft_policy::balance::Load for Calm {
    fn active(&self, endpoint: usize) -> u32 {
        u32::try_from(endpoint % 3).unwrap_or(0)
    }
    fn usable(&self, _: usize) -> bool {
        true
    }
}
