//! The ports of a stand-in: which it has, and how that changes while it runs.

use super::{App, Listen, Protocol, grpc, http, line};
use anyhow::Context;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// All ports of a stand-in.
pub(super) struct Ports {
    app: Arc<App>,
    open: BTreeMap<SocketAddr, Port>,
    serving: JoinSet<()>,
}

/// One that is open.
struct Port {
    protocol: Protocol,
    listener: Arc<TcpListener>,
    stop: CancellationToken,
}

impl Ports {
    /// None yet.
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, open: BTreeMap::new(), serving: JoinSet::new() }
    }

    /// Opens and closes ports until there are just these. One that speaks something else from now on keeps its socket, so
    /// that nobody is refused; of a port that goes or changes, requests under way go on to their end.
    pub(super) async fn become_these(&mut self, listens: &[Listen]) -> anyhow::Result<()> {
        self.open.retain(|address, port| {
            let stays = listens.iter().any(|listen| listen.address == *address);
            if !stays {
                port.stop.cancel();
            }
            stays
        });
        for Listen { protocol, address } in listens {
            let listener = match self.open.get(address) {
                Some(port) if port.protocol == *protocol => continue,
                Some(port) => {
                    port.stop.cancel();
                    Arc::clone(&port.listener)
                }
                None => Arc::new(
                    bind(*address)
                        .await
                        .with_context(|| format!("cannot listen on {address} for {protocol:?}"))?,
                ),
            };
            let stop = CancellationToken::new();
            self.serving.spawn(serve(Arc::clone(&self.app), *protocol, Arc::clone(&listener), stop.clone()));
            self.open.insert(*address, Port { protocol: *protocol, listener, stop });
        }
        // Those that closed before are over, most likely; nobody else asks.
        while self.serving.try_join_next().is_some() {}
        Ok(())
    }

    /// Closes all, and waits until what is under way on them is over.
    pub(super) async fn ended(mut self) {
        self.open.into_values().for_each(|port| port.stop.cancel());
        while self.serving.join_next().await.is_some() {}
    }
}

/// Who listens on all addresses does so on those of IPv6, too, where the machine has any: as most programs do in a pod.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() == Ipv4Addr::UNSPECIFIED
        && let Ok(both) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, address.port())).await
    {
        return Ok(both);
    }
    TcpListener::bind(address).await
}

/// Serves one port until `stop`.
pub(super) async fn serve(
    app: Arc<App>,
    protocol: Protocol,
    listener: Arc<TcpListener>,
    stop: CancellationToken,
) {
    match protocol {
        Protocol::Http => http::serve(app, listener, stop).await,
        Protocol::Grpc => grpc::serve(app, listener, stop).await,
        Protocol::Tcp => line::serve(listener, stop).await,
    }
}
