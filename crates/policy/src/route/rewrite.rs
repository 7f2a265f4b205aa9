//! What routes make of paths and hosts.

use weft_model::request::RequestView;
use weft_model::route::{HostRewrite, RedirectPath};
use weft_model::table::path_alone;
use weft_model::table::route::{Path, Redirect, Route, without_port};

use super::{Choice, Forwarding};

/// Writes the path with which a request is forwarded, query included, if a rewrite changes it; says whether one did.
/// `x-envoy-original-path` then holds the old one.
pub fn rewritten_path(to: &Forwarding<'_>, request: &impl RequestView, out: &mut String) -> bool {
    let settings = &to.forward.settings;
    let path = path_alone(request.path());
    let rest = &request.path()[path.len()..];
    out.clear();
    if let Some(prefix) = &settings.prefix_rewrite {
        out.push_str(prefix);
        out.push_str(&path[matched(to.route, path)..]);
    } else if let Some(rewrite) = &to.forward.regex_rewrite {
        rewrite.replace_all(path, out);
    } else if let (Some(rewrite), Path::Template(template)) = (&settings.template_rewrite, &to.route.path) {
        template.rewrite(path, rewrite, out);
    } else {
        return false;
    }
    // Whatever a rewrite yields, it stays a path.
    if !out.starts_with('/') && path.starts_with('/') {
        out.insert(0, '/');
    }
    if out == path {
        out.clear();
        return false;
    }
    out.push_str(rest);
    true
}

/// The Host with which a request is forwarded, where that is known before an endpoint is chosen; `None`: it stays, or
/// ([`HostRewrite::Auto`]) follows the endpoint.
pub fn rewritten_host<'a>(to: &Forwarding<'a>, request: &'a impl RequestView) -> Option<&'a str> {
    if let Choice::Cluster(destination) = to.to
        && let Some(host) = &destination.host_rewrite
    {
        return Some(host);
    }
    match &to.forward.settings.host_rewrite {
        HostRewrite::Literal(host) => Some(host),
        HostRewrite::Header(name) => {
            let value = request.first_header(name)?;
            std::str::from_utf8(value).ok().filter(|value| !value.is_empty())
        }
        HostRewrite::None | HostRewrite::Auto => None,
    }
}

/// Writes where a request is redirected to.
pub fn location(route: &Route, redirect: &Redirect, request: &impl RequestView, out: &mut String) {
    let settings = &redirect.settings;
    let old = request.scheme();
    let scheme = match &settings.scheme {
        Some(scheme) => scheme,
        None if settings.https => "https",
        None => old,
    };
    out.clear();
    out.push_str(scheme);
    out.push_str("://");
    let authority = request.authority();
    let host = settings.host.as_deref();
    if let Some(port) = settings.port {
        out.push_str(host.unwrap_or_else(|| without_port(authority)));
        out.push_str(&format!(":{port}"));
    } else if let Some(host) = host {
        out.push_str(host);
    } else {
        out.push_str(authority_for(scheme, old, authority));
    }
    let path = path_alone(request.path());
    let rest = &request.path()[path.len()..];
    let query = rest.split('#').next().unwrap_or_default();
    let mut own_query = false;
    match &settings.path {
        None => out.push_str(path),
        Some(RedirectPath::Full(new)) => {
            own_query = new.contains('?');
            out.push_str(new);
        }
        Some(RedirectPath::Prefix(new)) => {
            out.push_str(new);
            out.push_str(&path[matched(route, path)..]);
        }
        Some(RedirectPath::Regex(_)) => {
            if let Some(regex) = &redirect.regex {
                regex.replace_all(path, out);
            }
        }
    }
    if !settings.strip_query && !own_query {
        out.push_str(query);
    }
}

/// Writes where a plain request is sent that must come over TLS.
pub fn tls_location(request: &impl RequestView, out: &mut String) {
    out.clear();
    out.push_str("https://");
    out.push_str(authority_for("https", request.scheme(), request.authority()));
    out.push_str(request.path().split('#').next().unwrap_or_default());
}

/// A port that is the old scheme's own makes no sense under the new one.
fn authority_for<'a>(scheme: &str, old: &str, authority: &'a str) -> &'a str {
    let host = without_port(authority);
    let port = &authority[host.len()..];
    let usual = if old == "https" { ":443" } else { ":80" };
    if scheme != old && port == usual { host } else { authority }
}

/// How much of the path the route's own path matched.
fn matched(route: &Route, path: &str) -> usize {
    match &route.path {
        Path::Prefix { prefix, .. } | Path::Separated { prefix, .. } => prefix.len().min(path.len()),
        Path::Connect | Path::Never | Path::Broken(_) => 0,
        Path::Exact { .. } | Path::Regex(_) | Path::Template(_) => path.len(),
    }
}
