//! What is done with a request: to a cluster, elsewhere, or answered in place.

use std::time::Duration;

use weft_model::route::{
    Forward, HeaderOperations, HostRewrite, Mirror, Redirect, RedirectPath, RegexRewrite, RouteAction,
    Target, WeightedCluster,
};

use super::{Context, cluster, filters, headers, retry};
use crate::annotations;
use crate::resources::Object;
use crate::resources::virtual_service::{
    self as resource, DerivePort, Destination, HttpDestination, HttpRoute, Percent, VirtualService,
};
use crate::world::host;

/// The action of one route. The headers of an only destination are added to the route's.
pub(super) fn of(
    service: &Object<VirtualService>,
    written: &HttpRoute,
    authority: Option<String>,
    route_headers: &mut HeaderOperations,
    context: &Context<'_>,
) -> RouteAction {
    if let Some(written) = &written.redirect {
        return redirect(written, context);
    }
    if let Some(written) = &written.direct_response {
        let body = written.body.as_ref().map(|body| body.0.clone()).unwrap_or_default();
        return match u16::try_from(written.status) {
            Ok(status) => RouteAction::DirectResponse { status, body },
            Err(_) => refused(format!("{} is no status", written.status)),
        };
    }
    if written.delegate.is_some() {
        return refused("a delegate's routes are not looked up".to_owned());
    }
    forward(service, written, authority, route_headers, context)
}

/// What cannot be done is answered, by any proxy, and says why.
fn refused(why: String) -> RouteAction {
    RouteAction::DirectResponse { status: 500, body: why.into_bytes() }
}

fn forward(
    service: &Object<VirtualService>,
    written: &HttpRoute,
    authority: Option<String>,
    route_headers: &mut HeaderOperations,
    context: &Context<'_>,
) -> RouteAction {
    let namespace = service.meta.namespace.as_str();
    let mut forward = Forward::to("");
    time(&mut forward, written.timeout.map(|span| span.0));
    let mut host = authority;
    if let Some(rewrite) = &written.rewrite {
        if let Some(regex) = &rewrite.uri_regex_rewrite {
            let (pattern, substitution) = (regex.pattern.clone(), regex.rewrite.clone());
            forward.regex_rewrite = Some(RegexRewrite { pattern, substitution });
        } else if !rewrite.uri.is_empty() {
            forward.prefix_rewrite = Some(rewrite.uri.clone());
        }
        if !rewrite.authority.is_empty() {
            host = Some(rewrite.authority.clone());
        }
    }
    forward.mirrors = mirrors(written, namespace, context);
    let consistent_hash = match &written.route[..] {
        [only] => {
            let (operations, authority) = headers::operations(only.headers.as_ref());
            headers::append(route_headers, operations);
            // What is said for the route as a whole comes first.
            host = host.or(authority);
            forward.target = Target::Cluster(destination(&only.destination, namespace, context));
            forward.hash = hash(only, namespace, context);
            !forward.hash.is_empty()
        }
        several => {
            let with_share = |to: &&HttpDestination| to.weight.is_some_and(|weight| weight > 0);
            let several: Vec<&HttpDestination> = several.iter().filter(with_share).collect();
            if several.is_empty() {
                return refused("no destination has a share of the requests".to_owned());
            }
            forward.hash = several.iter().flat_map(|to| hash(to, namespace, context)).collect();
            if let Some(session) = annotations::sticky(&service.meta.annotations) {
                forward.hash.insert(0, session);
                forward.sticky = true;
            }
            forward.target =
                Target::Weighted(several.iter().map(|to| weighted(to, namespace, context)).collect());
            false
        }
    };
    if let Some(host) = host {
        forward.host_rewrite = HostRewrite::Literal(host);
    }
    let policy = written.retries.as_ref().or(context.mesh.default_http_retry_policy.as_ref());
    forward.retry = retry::policy(policy, consistent_hash);
    RouteAction::Forward(Box::new(forward))
}

/// How long a request may take, without limit unless it is said; `grpc-timeout` counts within that.
pub(super) fn time(forward: &mut Forward, written: Option<Duration>) {
    let timeout = written.unwrap_or(Duration::ZERO);
    forward.timeout = Some(timeout);
    forward.grpc_timeout_cap = Some(timeout);
}

fn weighted(to: &HttpDestination, namespace: &str, context: &Context<'_>) -> WeightedCluster {
    let (headers, host_rewrite) = headers::operations(to.headers.as_ref());
    WeightedCluster {
        name: destination(&to.destination, namespace, context),
        weight: to.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0),
        headers,
        host_rewrite,
    }
}

/// The cluster of a destination: on the port that it names, else the service's only one, else the one that requests
/// arrive at. Whether there is such a service is for others to say: a missing cluster is answered with 503.
pub(super) fn destination(to: &Destination, namespace: &str, context: &Context<'_>) -> String {
    let host = host::full(&to.host, namespace);
    let named = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
    let port = named.unwrap_or_else(|| match (context.ports_of)(&host).as_deref() {
        Some([only]) => *only,
        _ => context.port,
    });
    cluster(port, &to.subset, &host)
}

fn hash(to: &HttpDestination, namespace: &str, context: &Context<'_>) -> Vec<weft_model::route::HashPolicy> {
    let to = &to.destination;
    let port = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
    (context.hash)(&host::full(&to.host, namespace), &to.subset, port)
}

fn mirrors(written: &HttpRoute, namespace: &str, context: &Context<'_>) -> Vec<Mirror> {
    let copy = |to: &Destination, percentage: Option<&Percent>, whole: Option<u32>| {
        let fraction = filters::copied(percentage, whole)?;
        let cluster = destination(to, namespace, context);
        Some(Mirror { cluster, fraction: Some(fraction), keep_host: true })
    };
    let one = written.mirror.as_ref();
    let one = one.and_then(|to| copy(to, written.mirror_percentage.as_ref(), written.mirror_percent));
    let more = written.mirrors.iter().filter_map(|to| copy(&to.destination, to.percentage.as_ref(), None));
    one.into_iter().chain(more).collect()
}

fn redirect(written: &resource::Redirect, context: &Context<'_>) -> RouteAction {
    let status = match written.redirect_code {
        0 => 301,
        code @ (301 | 302 | 303 | 307 | 308) => code,
        code => return refused(format!("{code} is no redirect")),
    };
    let port = match (written.port, written.derive_port) {
        (Some(port), _) => u16::try_from(port).ok(),
        (None, Some(DerivePort::FromRequestPort)) => Some(context.port),
        (None, Some(DerivePort::FromProtocolDefault) | None) => None,
    };
    let scheme = match written.scheme.as_str() {
        "" if context.tls => "https",
        "" => "http",
        scheme => scheme,
    };
    // The scheme's own port is not written out.
    let port = port.filter(|port| !matches!((*port, scheme), (0, _) | (80, "http") | (443, "https")));
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    RouteAction::Redirect(Redirect {
        scheme: given(&written.scheme),
        https: false,
        host: given(&written.authority),
        port,
        path: given(&written.uri).map(RedirectPath::Full),
        status: u16::try_from(status).unwrap_or(301),
        strip_query: false,
    })
}
