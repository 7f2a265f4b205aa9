//! Listener settings to chains that know what they do.

use std::sync::Arc;

use super::{CompileError, Compiled, Notes, rbac, route};
use crate::http::{self, HttpConnectionManager, HttpFilter};
use crate::listener::{self as settings, NetworkFilter};
use crate::table::chain::{Chain, Filters, HttpManager, Listener, RouteSource, TcpProxy, Terminal};
use crate::table::kept::Turns;
use crate::table::limit::Limit;
use crate::table::rbac::Gate;
use crate::table::{ClusterRef, Names};
use crate::tls::Transport;

/// Compiles a listener.
///
/// # Errors
/// If it has no chain at all, or the routes that stand in it are refused.
pub fn listener(
    listener: Arc<settings::Listener>,
    names: &mut Names,
) -> Result<Compiled<Listener>, CompileError> {
    let mut notes = Notes::new(format!("listener {}", listener.name));
    if listener.filter_chains.is_empty() && listener.default_filter_chain.is_none() {
        return Err(notes.error("filter_chains", "there is none, so no connection could be served"));
    }
    for filter in &listener.listener_filters {
        if let settings::ListenerFilter::Unknown(name) = filter {
            notes.warn("listener_filters", format!("{name} is not known; connections are judged without it"));
        }
    }
    let mut chains = Vec::new();
    for (number, of) in listener.filter_chains.iter().enumerate() {
        let field = format!("filter_chains[{number}]");
        if let Some(other) =
            listener.filter_chains[..number].iter().position(|other| other.matches == of.matches)
        {
            let why = format!("the same as that of filter_chains[{other}], which takes its connections");
            notes.warn(format!("{field}.filter_chain_match"), why);
        }
        chains.push(Arc::new(chain(of, names, &mut notes, &field)?));
    }
    let default = match &listener.default_filter_chain {
        Some(of) => Some(Arc::new(chain(of, names, &mut notes, "default_filter_chain")?)),
        None => None,
    };
    Ok(notes.done(Listener { settings: listener, chains, default }))
}

fn chain(
    chain: &settings::FilterChain,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Chain, CompileError> {
    let mut compiled = Chain {
        name: chain.name.as_str().into(),
        settings: Arc::new(settings::FilterChain { filters: Vec::new(), ..chain.clone() }),
        gates: Vec::new(),
        stats: false,
        metadata_exchange: None,
        terminal: Terminal::Refuse("its filters end without saying where connections go".into()),
    };
    for (number, filter) in chain.filters.iter().enumerate() {
        let field = format!("{field}.filters[{number}]");
        match filter {
            NetworkFilter::Rbac(filter) => {
                let filter = rbac::compiled(filter, notes, &format!("{field}."));
                compiled.gates.push(Gate::Rbac(Box::new(filter)));
            }
            NetworkFilter::ExtAuthz(question) => compiled.gates.push(custom(question, notes, &field)),
            NetworkFilter::Stats(_) => compiled.stats = true,
            NetworkFilter::MetadataExchange { protocol } => {
                compiled.metadata_exchange = Some(protocol.as_str().into());
            }
            NetworkFilter::TcpProxy(proxy) => compiled.terminal = tcp_proxy(proxy, names, notes, &field)?,
            NetworkFilter::Http(manager) => {
                compiled.terminal = Terminal::Http(Box::new(http_manager(manager, names, notes, &field)?));
            }
            NetworkFilter::Unknown { name, type_url } => {
                let why = format!("the filter {name} ({type_url}) is not known");
                notes.warn(field, format!("{why}; the chain closes its connections"));
                compiled.terminal = Terminal::Refuse(why.into());
                return Ok(compiled);
            }
        }
    }
    if let Terminal::Refuse(why) = &compiled.terminal {
        notes.warn(format!("{field}.filters"), format!("{why}; they are closed"));
    }
    if let Transport::Unknown(why) = &chain.transport {
        notes.warn(format!("{field}.transport_socket"), format!("{why}; the chain closes its connections"));
        compiled.terminal = Terminal::Refuse(why.as_str().into());
    }
    Ok(compiled)
}

fn custom(question: &http::ExtAuthz, notes: &mut Notes, field: &str) -> Gate {
    let message = "CUSTOM policies are not asked yet: what they are for is denied";
    notes.warn(field, message);
    Gate::Custom { provider: question.provider.as_str().into() }
}

fn tcp_proxy(
    proxy: &settings::TcpProxy,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<Terminal, CompileError> {
    let targets: Vec<(ClusterRef, u32)> =
        proxy.clusters.iter().map(|(name, weight)| (names.cluster(name), *weight)).collect();
    let total = targets.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if total == 0 {
        return Err(
            notes.error(format!("{field}.cluster"), "there is none, or the weights add up to nothing")
        );
    }
    // Weights may change; who they are for is what it is known by.
    let turns = if targets.len() > 1 {
        let clusters: Vec<&str> = targets.iter().map(|(cluster, _)| &*cluster.name).collect();
        names.turns(notes.kept(format!("tcp {}", clusters.join(","))))
    } else {
        Turns::default()
    };
    Ok(Terminal::Tcp(Box::new(TcpProxy { settings: proxy.clone(), targets, total, turns })))
}

fn http_manager(
    manager: &HttpConnectionManager,
    names: &mut Names,
    notes: &mut Notes,
    field: &str,
) -> Result<HttpManager, CompileError> {
    let routes = match &manager.routes {
        http::RouteSource::Rds(name) => RouteSource::Named(names.route(name)),
        http::RouteSource::Inline(routes) => RouteSource::Inline(Arc::new(route::table(
            routes,
            names,
            notes,
            &format!("{field}.route_config."),
        )?)),
    };
    let mut compiled = HttpManager {
        settings: HttpConnectionManager {
            routes: http::RouteSource::Rds(String::new()),
            filters: Vec::new(),
            ..manager.clone()
        },
        routes,
        gates: Vec::new(),
        limit: None,
        jwt: None,
        stats: None,
        filters: Filters::default(),
        peer_metadata: None,
        refuse: None,
    };
    let mut has_router = false;
    for (number, filter) in manager.filters.iter().enumerate() {
        let field = format!("{field}.http_filters[{number}]");
        let filters = &mut compiled.filters;
        match filter {
            HttpFilter::Rbac(filter) => {
                let filter = rbac::compiled(filter, notes, &format!("{field}."));
                compiled.gates.push(Gate::Rbac(Box::new(filter)));
            }
            HttpFilter::ExtAuthz(question) => compiled.gates.push(custom(question, notes, &field)),
            HttpFilter::JwtAuthn(jwt) => {
                notes.warn(field, "tokens are not verified yet: any bearer token is answered with 401");
                compiled.jwt = Some(jwt.clone());
            }
            HttpFilter::PeerMetadata(metadata) => compiled.peer_metadata = Some(*metadata),
            HttpFilter::Alpn => filters.alpn = true,
            HttpFilter::Stats(stats) => compiled.stats = Some(*stats),
            HttpFilter::GrpcStats => filters.grpc_stats = true,
            HttpFilter::GrpcWeb => filters.grpc_web = true,
            HttpFilter::Fault => filters.fault = true,
            HttpFilter::Cors => filters.cors = true,
            HttpFilter::LocalRateLimit(limit) => {
                filters.limit = true;
                let kept = notes.kept(format!("limit {limit:?}"));
                compiled.limit = Limit::new(limit, names.left(kept));
            }
            HttpFilter::Router => has_router = true,
            HttpFilter::Unknown { name, type_url } => {
                let why = format!("the filter {name} ({type_url}) is not known");
                notes.warn(field, format!("{why}; requests are answered with 500"));
                compiled.refuse.get_or_insert(why.into());
            }
        }
    }
    if !has_router {
        let why = "there is no router among the filters";
        notes.warn(format!("{field}.http_filters"), format!("{why}; requests are answered with 500"));
        compiled.refuse.get_or_insert(why.into());
    }
    Ok(compiled)
}

#[cfg(test)]
mod tests;
