//! Where a request goes and how, decided once on one snapshot; what is kept of the decision is owned by the request.

use std::time::Duration;

use weft_model::route::{Forward, HeaderOperations, HostRewrite, NO_PORT};
use weft_model::table::ClusterId;
use weft_model::table::RouteTable;
use weft_model::table::chain::HttpManager;
use weft_model::table::retry::Retry;
use weft_model::table::route::{Action, Mirror, without_port};
use weft_policy::hash_key;
use weft_policy::route::{self, Choice, Decision, Forwarding};
use weft_telemetry::ResponseFlag;

use super::call::{Call, View};
use super::clock::{Allowed, grpc_timeout};
use super::exchange::called;
use super::reply::Reply;
use super::{filters, hop, mirror, operations};
use crate::connection::Conn;
use crate::snapshot::{ClusterView, Current, Local, Snapshot};
use crate::upstream::outbound::Outbound;
use crate::upstream::outside;

/// Envoy's default for routes that say nothing.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);

/// Envoy's default for connection managers that say nothing.
const STREAM_IDLE: Duration = Duration::from_secs(300);

/// What was decided.
pub struct Plan {
    /// Which cluster.
    pub id: ClusterId,
    /// The cluster.
    pub cluster: Local<ClusterView>,
    /// The key of consistent hashing.
    pub hash: Option<u64>,
    /// A cookie that the client gets, so that it comes back to the same endpoint.
    pub cookie: Option<String>,
    /// How long it may take.
    pub allowed: Allowed,
    /// When it is tried again.
    pub retry: Option<Local<Retry>>,
    /// Where copies of it go.
    pub mirrors: Vec<mirror::To>,
    /// Sets `x-envoy-attempt-count`.
    pub count_attempts: bool,
    /// Host follows the endpoint.
    pub auto_host: bool,
}

impl Plan {
    /// What is decided for a copy: it goes to its cluster, once.
    pub(super) fn for_copy(id: ClusterId, cluster: Local<ClusterView>, allowed: Allowed) -> Self {
        Self {
            id,
            cluster,
            hash: None,
            cookie: None,
            allowed,
            retry: None,
            mirrors: Vec::new(),
            count_attempts: false,
            auto_host: false,
        }
    }
}

/// Routes a request and makes its head what the route asks for.
///
/// # Errors
/// The answer, where the request goes nowhere.
// As [`super::admit::prepare`].
#[inline(never)]
pub fn plan(
    conn: &Conn,
    manager: &HttpManager,
    snapshot: &Current,
    table: &RouteTable,
    call: &mut Call,
    scheme: &str,
) -> Result<Plan, Reply> {
    let mut rng = conn.worker.rng.borrow_mut();
    let (view, worker) = (View { head: &call.request, scheme }, conn.worker.index);
    let decision = match &conn.tunnel {
        None => route::route(table, &view, worker, &mut *rng),
        Some(asked) => route::route_at(table, &asked.routed(view.head.authority()), &view, worker, &mut *rng),
    };
    if let Some(route) = decision.route() {
        call.ledger.route = Some(snapshot.keep_name(&route.name));
        call.ledger.cluster = leads_to(&decision, snapshot);
        call.ledger.on_response = on_response(&decision, table);
        let began = conn.worker.shared.observer.began;
        filters::ask(manager, route, &view, &mut call.ledger, began, &mut *rng)?;
    }
    let mut forwarding = match decision {
        Decision::Forward(forwarding) => forwarding,
        other => return Err(answer(conn, snapshot, &other, table, &view)),
    };
    let settings = &forwarding.forward.settings;
    let (hash, cookie) = if settings.hash.is_empty() {
        (None, None)
    } else {
        let (key, cookie) = hash_key::of_request(&settings.hash, &view, conn.source.ip(), &mut *rng);
        (key, cookie.map(|c| c.header()))
    };
    if let Some(key) = hash {
        forwarding.stick(key);
        call.ledger.on_response = on_response(&Decision::Forward(forwarding), table);
    }
    let (id, name, destination) = match forwarding.to {
        Choice::Cluster(destination) => {
            (Some(destination.cluster.id), &*destination.cluster.name, Some(destination))
        }
        Choice::NamedByHeader(header) => {
            let name = call.request.headers.text(header).unwrap_or_default();
            (None, name, None)
        }
    };
    let found = match id {
        Some(id) => Some(id),
        None => snapshot.cluster_by_name(name).map(|(id, _)| id),
    };
    let found = found.and_then(|id| Some((id, snapshot.keep_cluster(id)?)));
    let Some((id, cluster)) = found else {
        return Err(no_cluster(settings.cluster_not_found, name, snapshot));
    };
    let mut path = String::new();
    let rewritten = route::rewritten_path(&forwarding, &view, &mut path);
    let host = route::rewritten_host(&forwarding, &view).map(str::to_owned);

    let found = forwarding.route;
    let of_others = [&found.operations, &forwarding.host.headers, &table.headers];
    let layers = || destination.iter().map(|d| &d.headers).chain(of_others).filter(|o| !o.is_empty());
    let plan = Plan {
        id,
        cluster: cluster.clone(),
        hash,
        cookie,
        allowed: allowed(settings, forwarding.forward.retry.as_deref(), manager, call),
        retry: forwarding.forward.retry.as_ref().map(|retry| snapshot.keep_retry(retry)),
        mirrors: mirrors(&forwarding.forward.mirrors, snapshot, &mut *rng),
        count_attempts: forwarding.host.include_request_attempt_count,
        auto_host: settings.host_rewrite == HostRewrite::Auto,
    };
    let no_upgrade = call.request.headers.get("upgrade").is_some_and(|asked| {
        let of_route = settings.upgrades.iter().find(|u| asked.eq_ignore_ascii_case(u.token.as_bytes()));
        of_route.is_some_and(|u| !u.enabled)
    });
    if no_upgrade {
        weft_http1::strip_hop_by_hop(&mut call.request.headers, weft_http1::Upgrade::Drop);
    }
    call.ledger.cluster = Some(cluster);
    let alters = |o: &&HeaderOperations| !o.request_set.is_empty() || !o.request_remove.is_empty();
    if rewritten || host.is_some() || plan.auto_host || layers().any(|o| alters(&o)) {
        // Authorization has seen this one, and would see it again.
        call.ledger.admitted = Some(Box::new(call.request.clone()));
    }
    let write = |call: &mut Call| -> Result<(), Reply> {
        let bad = |_| {
            Reply::new(500, "", "header_operation_failed")
                .because("a route's header or host is no valid header")
        };
        if rewritten {
            let old = call.request.target().to_owned();
            call.request.headers.set("x-envoy-original-path", &old).map_err(bad)?;
            call.request.set_target(&path).map_err(Reply::bad_request)?;
            call.ledger.original_path = Some(old);
        }
        if host.is_some() || plan.auto_host {
            call.request.headers.remove(hop::ORIGINAL_HOST);
        }
        if let Some(host) = &host {
            hop::rewrite_host(&mut call.request, host).map_err(bad)?;
        }
        for operations in layers() {
            operations::on_request(operations, &mut call.request.headers, conn).map_err(bad)?;
        }
        Ok(())
    };
    write(call)?;
    Ok(plan)
}

/// The cluster that a request was on its way to, even if it never gets there: who refuses it counts it as the service's.
fn leads_to(decision: &Decision<'_>, snapshot: &Current) -> Option<Local<ClusterView>> {
    match decision {
        Decision::Forward(Forwarding { to: Choice::Cluster(destination), .. }) => {
            snapshot.keep_cluster(destination.cluster.id)
        }
        _ => None,
    }
}

/// What the route does to any answer, innermost first.
fn on_response(decision: &Decision<'_>, table: &RouteTable) -> Vec<HeaderOperations> {
    let (host, route, destination) = match decision {
        Decision::Forward(Forwarding { host, route, to: Choice::Cluster(destination), .. }) => {
            (host, route, Some(&destination.headers))
        }
        Decision::Forward(Forwarding { host, route, .. })
        | Decision::Redirect { host, route, .. }
        | Decision::DirectResponse { host, route, .. } => (host, route, None),
        _ => return Vec::new(),
    };
    let layers = destination.into_iter().chain([&route.operations, &host.headers, &table.headers]);
    let alters = |o: &&HeaderOperations| !o.response_set.is_empty() || !o.response_remove.is_empty();
    layers.filter(alters).cloned().collect()
}

/// Where copies of this request go; each mirror draws for itself.
fn mirrors(of: &[Mirror], snapshot: &Current, rng: &mut impl rand::Rng) -> Vec<mirror::To> {
    let mut drawn =
        |mirror: &&Mirror| mirror.settings.fraction.is_none_or(|share| route::falls_in(share, rng));
    let to = |mirror: &Mirror| mirror::To {
        name: mirror.settings.cluster.as_str().into(),
        cluster: snapshot.keep_cluster(mirror.cluster.id).map(|view| (mirror.cluster.id, view)),
        keep_host: mirror.settings.keep_host,
    };
    of.iter().filter(|mirror| drawn(mirror)).map(to).collect()
}

/// The limits of time: the route's, the connection manager's, and for gRPC the client's own deadline.
fn allowed(settings: &Forward, retry: Option<&Retry>, manager: &HttpManager, call: &Call) -> Allowed {
    let some = |limit: Option<Duration>| limit.filter(|limit| !limit.is_zero());
    let mut allowed = Allowed {
        answer: some(Some(settings.timeout.unwrap_or(ROUTE_TIMEOUT))),
        per_try: some(retry.and_then(|retry| retry.per_try_timeout)),
        request: some(manager.settings.request_timeout),
        whole: some(settings.max_stream_duration),
        idle: some(Some(
            settings.idle_timeout.or(manager.settings.stream_idle_timeout).unwrap_or(STREAM_IDLE),
        )),
    };
    if let (true, Some(cap)) = (call.ledger.grpc, settings.grpc_timeout_cap) {
        let asked = call.request.headers.text("grpc-timeout").and_then(grpc_timeout);
        let deadline = match (asked, some(Some(cap))) {
            (Some(asked), Some(cap)) => Some(asked.min(cap)),
            (asked, cap) => asked.or(cap),
        };
        if !settings.grpc_timeout_in_max_stream {
            allowed.answer = deadline;
        } else if asked.is_some() {
            allowed.whole = deadline;
        }
    }
    allowed
}

fn no_cluster(status: Option<u16>, name: &str, snapshot: &Snapshot) -> Reply {
    let is_known = |host: &str| {
        let mut known = snapshot.clusters().filter_map(|view| Outbound::of(&view.cluster.settings.name));
        known.any(|of| of.host == host)
    };
    let (details, why) = match Outbound::of(name) {
        Some(Outbound { host, .. }) if !is_known(host) => {
            let why = format!("the route leads to {host}, and this proxy knows no service of that name");
            ("cluster_not_found", why)
        }
        Some(Outbound { subset: "", host, port }) => {
            let lacks = outside::without_port(snapshot, host, "", port.parse().unwrap_or_default());
            (
                "cluster_not_found",
                lacks.unwrap_or_else(|| format!("the route leads to {host}, which has no such port")),
            )
        }
        Some(Outbound { subset, host, .. }) => {
            let why =
                format!("the route leads to subset {subset:?} of {host}, which no DestinationRule defines");
            ("subset_not_found", why)
        }
        None => ("cluster_not_found", format!("the route leads to cluster {name:?}, which does not exist")),
    };
    Reply::new(status.unwrap_or(503), "", details).flag(ResponseFlag::NoClusterFound).because(why)
}

/// Who is not called `authority`, or not by that port; without one it is the port that the connection was going to.
fn unnamed(conn: &Conn, snapshot: &Snapshot, authority: &str) -> String {
    let name = without_port(authority);
    let port = authority[name.len()..].strip_prefix(':').and_then(|port| port.parse().ok());
    let port = port.unwrap_or(if conn.intercepted { conn.destination.port() } else { 80 });
    let namespace = &conn.worker.shared.bootstrap.node.metadata.namespace;
    outside::without_port(snapshot, name, namespace, port)
        .unwrap_or_else(|| format!("no service is called {authority:?}"))
}

/// The answer to a request that is not forwarded.
fn answer(
    conn: &Conn,
    snapshot: &Snapshot,
    decision: &Decision<'_>,
    table: &RouteTable,
    view: &View<'_>,
) -> Reply {
    let not_found = |reason: String| {
        Reply::new(404, "", "route_not_found").flag(ResponseFlag::NoRouteFound).because(reason)
    };
    match decision {
        Decision::NoHost => not_found(format!(
            "route configuration {} has no virtual host for {:?}",
            table.name,
            view.head.authority()
        )),
        Decision::NoRoute { host } => {
            not_found(format!("virtual host {} has no route for this request", host.name))
        }
        Decision::Refused { host, route, why } => Reply::new(500, "", "route_refused")
            .because(format!("virtual host {}, route {:?}: {why}", host.name, route.name)),
        Decision::DirectResponse { route, status, body, .. } if &*route.name == NO_PORT => {
            // By the text of the control plane, which knows the service; here alone is known what was asked for.
            let authority = view.head.authority();
            let port = authority[without_port(authority).len()..].strip_prefix(':').unwrap_or("80");
            let why = format!("port {port}: {}", String::from_utf8_lossy(body));
            Reply::new(*status, "", "port_not_found").flag(ResponseFlag::NoRouteFound).because(why)
        }
        Decision::DirectResponse { route, status, body, .. } => {
            let mut reply = if &*route.name == "block_all" {
                let nobody = unnamed(conn, snapshot, view.head.authority());
                Reply::new(*status, "", "blocked_by_registry_only")
                    .because(format!("outboundTrafficPolicy is REGISTRY_ONLY and {nobody}"))
            } else {
                let why =
                    format!("answered by {} itself (VirtualService directResponse)", called(&route.name));
                Reply::of_route(*status, why)
            };
            reply.body = body.to_vec().into();
            reply
        }
        Decision::Redirect { route, redirect, .. } => {
            let mut location = String::new();
            route::location(route, redirect, view, &mut location);
            let status = if let Action::Redirect(r) = &route.action { r.settings.status } else { 301 };
            let why = format!("redirected by {} (VirtualService redirect)", called(&route.name));
            let status = if status == 0 { 301 } else { status };
            let mut reply = Reply::of_route(status, why);
            reply.headers.push(("location", location));
            reply
        }
        Decision::TlsRedirect { host } => {
            let mut location = String::new();
            route::tls_location(view, &mut location);
            let why = format!("redirected to https, which virtual host {} requires", host.name);
            let mut reply = Reply::new(301, "", "tls_redirect").because(why);
            reply.headers.push(("location", location));
            reply
        }
        Decision::Forward(_) => {
            Reply::new(500, "", "").because("a request to be forwarded has no answer of ours")
        }
    }
}
