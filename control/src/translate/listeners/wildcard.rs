//! One port of every address: HTTP services share it, and are told apart by host; TLS by the server name asked for.

use std::net::SocketAddr;

use weft_model::http::RouteSource;
use weft_model::listener::{Direction, FilterChain, Listener, ListenerFilter};

use super::outbound::{self, Bytes};
use crate::translate::Proxy;
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

/// What services want of a port.
#[derive(Default)]
pub(super) struct Wildcard {
    http: bool,
    specific: Vec<FilterChain>,
    /// The first service whose bytes it takes, as nothing tells several apart.
    rest: Option<FilterChain>,
    sniffs: bool,
}

impl Wildcard {
    /// Adds a service's port.
    pub(super) fn add(&mut self, proxy: &Proxy<'_>, service: &Service, port: &Port) {
        if port.protocol.is_http() {
            self.http = true;
            return;
        }
        let Bytes { mut specific, mut rest } = Bytes::of(proxy, service, port);
        // `*` would be every server name, which is no name at all.
        if port.protocol.is_tls() && service.host != "*" {
            if specific.is_empty() {
                rest.matches.server_names = vec![service.host.clone()];
                specific.push(rest);
            }
        } else {
            self.sniffs |= port.protocol == Protocol::Auto;
            // Whoever calls an ExternalName has resolved it to an address outside, by which nothing can be told from what
            // else goes to this port: it is let through as such.
            if !service.is_external_name() {
                self.rest.get_or_insert(rest);
            }
        }
        for chain in specific {
            // A proxy refuses two chains of one match; the older service has it.
            if self.specific.iter().all(|known| known.matches != chain.matches) {
                self.specific.push(chain);
            }
        }
    }

    /// Whether it is for anything.
    pub(super) fn takes_anything(&self) -> bool {
        self.http || self.sniffs || self.rest.is_some() || !self.specific.is_empty()
    }

    /// The listener of the port.
    pub(super) fn listener(self, proxy: &Proxy<'_>, address: SocketAddr) -> Listener {
        let name = format!("{}_{}", address.ip(), address.port());
        let mut listener = Listener::new(name.clone(), address, Direction::Outbound);
        listener.bind_to_port = false;
        listener.listener_filters_timeout = Some(proxy.world.mesh.detection_timeout);
        listener.continue_on_listener_filters_timeout = true;
        if self.specific.iter().any(|chain| !chain.matches.server_names.is_empty()) {
            listener.listener_filters.push(ListenerFilter::TlsInspector { disabled: Vec::new() });
        }
        if self.http || self.sniffs {
            listener.listener_filters.push(ListenerFilter::HttpInspector { disabled: Vec::new() });
            let routes = RouteSource::Rds(address.port().to_string());
            listener.filter_chains.push(outbound::sniffed(proxy, &format!("outbound_{name};"), routes));
        }
        listener.filter_chains.extend(self.specific);
        match self.rest {
            Some(rest) if listener.filter_chains.is_empty() => listener.filter_chains.push(rest),
            Some(rest) => listener.default_filter_chain = Some(Box::new(rest)),
            None => {
                let rest =
                    FilterChain { name: "PassthroughFilterChain".to_owned(), ..outbound::to_unnamed(proxy) };
                listener.default_filter_chain = Some(Box::new(rest));
            }
        }
        listener
    }
}
