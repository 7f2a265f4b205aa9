//! Route settings to a route table.

use std::sync::Arc;

use super::{CompileError, Compiled, Notes};
use crate::matcher::{MetadataMatcher, MetadataValue};
use crate::route as settings;
use crate::table::affix::{Affixes, Part};
use crate::table::cors::Cors;
use crate::table::header::{HeaderMatch, QueryMatch};
use crate::table::limit::Limit;
use crate::table::re2::{Re2, Re2Error, Substitution};
use crate::table::retry::Retry;
use crate::table::route::{
    Action, Destination, Forward, Host, Mirror, Path, PathIndex, Redirect, Route, RouteTable, Target,
};
use crate::table::template::Template;
use crate::table::{ClusterRef, Names};

/// Compiles a route configuration.
///
/// # Errors
/// If two virtual hosts claim one domain, a domain is none, or weights cannot be chosen by.
pub fn route_table(
    configuration: &settings::RouteConfiguration,
    names: &mut Names,
) -> Result<Compiled<RouteTable>, CompileError> {
    let mut notes = Notes::new(format!("route configuration {}", configuration.name));
    // Its own name is held with it: a table that is in force keeps its number.
    let name = names.route(&configuration.name).name;
    let table = RouteTable { name, ..table(configuration, names, &mut notes, "")? };
    Ok(notes.done(table))
}

pub(super) fn table(
    configuration: &settings::RouteConfiguration,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<RouteTable, CompileError> {
    let mut table = RouteTable {
        name: configuration.name.as_str().into(),
        hosts: Vec::new(),
        headers: configuration.headers.clone(),
        by_domain: Affixes::new(true),
        catch_all: None,
        ignore_port: configuration.ignore_port_in_host_matching,
    };
    let mut taken: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for (number, host) in configuration.virtual_hosts.iter().enumerate() {
        let field = format!("{field}virtual_hosts[{number}]");
        let place = u32::try_from(number).map_err(|_| notes.error(&*field, "too many virtual hosts"))?;
        for domain in &host.domains {
            let domain = domain.to_ascii_lowercase();
            if let Some(other) = taken.insert(domain.clone(), number) {
                let other = &configuration.virtual_hosts[other].name;
                let why = format!("{domain:?} of {:?} is a domain of {other:?} already", host.name);
                return Err(notes.error(format!("{field}.domains"), why));
            }
            match (domain.as_str(), domain.strip_prefix('*'), domain.strip_suffix('*')) {
                ("", ..) => return Err(notes.error(format!("{field}.domains"), "an empty domain")),
                ("*", ..) => table.catch_all = Some(place),
                (_, Some(suffix), _) => *table.by_domain.entry(Part::Suffix, suffix.as_bytes()) = place,
                (_, _, Some(prefix)) => *table.by_domain.entry(Part::Prefix, prefix.as_bytes()) = place,
                (exact, ..) => *table.by_domain.entry(Part::Whole, exact.as_bytes()) = place,
            }
        }
        table.hosts.push(Arc::new(virtual_host(host, names, notes, &field)?));
    }
    Ok(table)
}

fn virtual_host(
    host: &settings::VirtualHost,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Host, CompileError> {
    let mut routes = Vec::new();
    for (number, of) in host.routes.iter().enumerate() {
        routes.push(route(&host.name, of, names, notes, &format!("{field}.routes[{number}]"))?);
    }
    let index = index(&routes);
    Ok(Host {
        name: host.name.as_str().into(),
        routes,
        headers: host.headers.clone(),
        require_tls: host.require_tls,
        include_request_attempt_count: host.include_request_attempt_count,
        index,
    })
}

/// An index pays from a handful of routes on.
fn index(routes: &[Route]) -> Option<PathIndex> {
    if routes.len() <= 8 {
        return None;
    }
    let mut index = PathIndex { by_path: Affixes::new(false), any: Vec::new() };
    for (place, route) in (0u32..).zip(routes) {
        let list = match &route.path {
            Path::Prefix { prefix, ignore_case: false } => {
                index.by_path.entry(Part::Prefix, prefix.as_bytes())
            }
            Path::Separated { prefix, ignore_case: false } => {
                index.by_path.entry(Part::Prefix, prefix.as_bytes())
            }
            Path::Exact { path, ignore_case: false } => index.by_path.entry(Part::Whole, path.as_bytes()),
            Path::Template(template) => index.by_path.entry(Part::Prefix, template.prefix().as_bytes()),
            _ => &mut index.any,
        };
        list.push(place);
    }
    Some(index)
}

fn route(
    host: &str,
    route: &settings::Route,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Route, CompileError> {
    let mut broken = |error: Re2Error| -> Box<str> {
        notes.warn(format!("{field}.match"), format!("{error}; the route answers 500"));
        error.to_string().into()
    };
    let mut path = path(&route.matches, &mut broken);
    let mut headers = Vec::new();
    for matcher in &route.matches.headers {
        let (compiled, error) = HeaderMatch::new(matcher);
        error.map(&mut broken);
        headers.push(compiled);
    }
    let mut query = Vec::new();
    for matcher in &route.matches.query {
        let (compiled, error) = QueryMatch::new(matcher);
        error.map(&mut broken);
        query.push(compiled);
    }
    for matcher in &route.matches.metadata {
        match without_token(matcher) {
            Some(true) => {}
            Some(false) => {
                notes.warn(
                    format!("{field}.match"),
                    "claims of tokens are not known yet: the route never matches",
                );
                path = Path::Never;
            }
            None => {
                let why = format!("metadata of {} is not known", matcher.filter);
                notes.warn(format!("{field}.match"), format!("{why}; the route answers 500"));
                path = Path::Broken(why.into());
            }
        }
    }
    let cors = route.cors.as_ref().map(|policy| {
        let (compiled, errors) = Cors::new(policy);
        for error in errors {
            notes.warn(format!("{field}.cors.allow_origin"), format!("{error}; it allows no origin"));
        }
        compiled
    });
    let limit = route.limit.as_ref().and_then(|limit| {
        let kept = notes.kept(format!("{host} {} {limit:?}", route.name));
        Limit::new(limit, names.left(kept))
    });
    let action = action(host, route, &path, names, notes, field)?;
    Ok(Route {
        name: route.name.as_str().into(),
        path,
        headers,
        query,
        grpc: route.matches.grpc,
        fraction: route.matches.fraction,
        action,
        operations: route.headers.clone(),
        config: route.config.as_str().into(),
        operation: route.operation.as_str().into(),
        fault: route.fault.clone(),
        cors,
        unlimited: route.limit.is_some() && limit.is_none(),
        limit,
    })
}

/// What a matcher says of a request without a verified token, as all are that come so far.
fn without_token(matcher: &MetadataMatcher) -> Option<bool> {
    fn absent(value: &MetadataValue) -> Option<bool> {
        match value {
            MetadataValue::String(_) | MetadataValue::ListOneOf(_) => Some(false),
            MetadataValue::Present(present) => Some(!present),
            MetadataValue::Or(any) => any.iter().map(absent).try_fold(false, |any, one| Some(any | one?)),
            MetadataValue::Unknown(_) => None,
        }
    }
    if matcher.filter != "envoy.filters.http.jwt_authn" {
        return None;
    }
    absent(&matcher.value).map(|verdict| verdict != matcher.invert)
}

fn path(matches: &settings::RouteMatch, broken: &mut impl FnMut(Re2Error) -> Box<str>) -> Path {
    use settings::PathMatch as P;
    let ignore_case = matches.ignore_case;
    match &matches.path {
        P::Prefix(prefix) => Path::Prefix { prefix: prefix.as_str().into(), ignore_case },
        P::Exact(path) => Path::Exact { path: path.as_str().into(), ignore_case },
        P::PathSeparatedPrefix(prefix) => {
            Path::Separated { prefix: prefix.trim_end_matches('/').into(), ignore_case }
        }
        P::Regex(pattern) => Re2::new(pattern).map_or_else(|error| Path::Broken(broken(error)), Path::Regex),
        P::Template(template) => match Template::new(template) {
            Ok(compiled) => Path::Template(Box::new(compiled)),
            Err(error) => Path::Broken(broken(error)),
        },
        P::Connect => Path::Connect,
    }
}

fn action(
    host: &str,
    route: &settings::Route,
    path: &Path,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Action, CompileError> {
    let mut refuse = |field: String, why: String| {
        notes.warn(field, format!("{why}; the route answers 500"));
        Ok(Action::Refuse(why.into()))
    };
    match &route.action {
        settings::RouteAction::Forward(to) => {
            let scope = format!("{host} {}", route.name);
            forward(&scope, to, path, names, notes, &format!("{field}.route"))
        }
        settings::RouteAction::Redirect(to) => {
            let regex = match &to.path {
                Some(settings::RedirectPath::Regex(rewrite)) => {
                    match Substitution::new(&rewrite.pattern, &rewrite.substitution) {
                        Ok(compiled) => Some(compiled),
                        Err(error) => {
                            return refuse(format!("{field}.redirect.regex_rewrite"), error.to_string());
                        }
                    }
                }
                _ => None,
            };
            Ok(Action::Redirect(Box::new(Redirect { settings: to.clone(), regex })))
        }
        settings::RouteAction::DirectResponse { status, body } => {
            Ok(Action::DirectResponse { status: *status, body: body.as_slice().into() })
        }
        settings::RouteAction::Unknown(what) => {
            refuse(field.to_owned(), format!("an action that is not known: {what}"))
        }
    }
}

fn forward(
    scope: &str,
    to: &settings::Forward,
    path: &Path,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Action, CompileError> {
    let target = target(scope, &to.target, names, notes, field)?;
    let regex_rewrite =
        match to.regex_rewrite.as_ref().map(|of| Substitution::new(&of.pattern, &of.substitution)) {
            Some(Err(error)) => {
                notes.warn(format!("{field}.regex_rewrite"), format!("{error}; the route answers 500"));
                return Ok(Action::Refuse(error.to_string().into()));
            }
            other => other.and_then(Result::ok),
        };
    if let Some(rewrite) = &to.template_rewrite
        && !matches!(path, Path::Template(template) if template.can_rewrite(rewrite))
    {
        let why = format!("{rewrite:?} has variables that the route's path does not name");
        notes.warn(format!("{field}.path_rewrite_policy"), format!("{why}; the route answers 500"));
        return Ok(Action::Refuse(why.into()));
    }
    let retry = to.retry.as_ref().map(|policy| {
        let (compiled, remarks) = Retry::new(policy);
        remarks.into_iter().for_each(|remark| notes.warn(format!("{field}.retry_policy"), remark));
        Arc::new(compiled)
    });
    let mirrors = to
        .mirrors
        .iter()
        .map(|mirror| Mirror { cluster: names.cluster(&mirror.cluster), settings: mirror.clone() });
    let mirrors = mirrors.collect();
    let mut settings = to.clone();
    for policy in &mut settings.hash {
        if let settings::HashKey::Header(name) = &mut policy.key {
            name.make_ascii_lowercase();
        }
    }
    Ok(Action::Forward(Box::new(Forward { settings, target, regex_rewrite, retry, mirrors })))
}

fn target(
    scope: &str,
    target: &settings::Target,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Target, CompileError> {
    let plain = |cluster: ClusterRef| Destination {
        cluster,
        weight: 1,
        headers: settings::HeaderOperations::default(),
        host_rewrite: None,
    };
    match target {
        settings::Target::Cluster(name) => Ok(Target::Cluster(plain(names.cluster(name)))),
        settings::Target::Header(name) => Ok(Target::Header(name.to_ascii_lowercase().into())),
        settings::Target::Weighted(several) => {
            let of = several.iter().map(|one| Destination {
                cluster: names.cluster(&one.name),
                weight: one.weight,
                headers: one.headers.clone(),
                host_rewrite: one.host_rewrite.clone(),
            });
            let of: Vec<_> = of.collect();
            let total = of.iter().map(|one| u64::from(one.weight)).sum();
            if total == 0 {
                return Err(
                    notes.error(format!("{field}.weighted_clusters"), "the weights add up to nothing")
                );
            }
            // Its weights may change; who they are for is what it is known by.
            let clusters: Vec<&str> = of.iter().map(|one| &*one.cluster.name).collect();
            let turns = names.turns(notes.kept(format!("{scope} {}", clusters.join(","))));
            Ok(Target::Weighted { of, total, turns })
        }
    }
}

#[cfg(test)]
mod tests;
