//! The pod's DNS, where the redirect brings it (`DNS_CAPTURE`): answers the mesh's names from the control plane's table,
//! forwards everything else to the system's own resolvers as it is, and keeps their answers for as long as they say.
//!
//! A thread of its own: neither traffic nor a large configuration holds an answer up, and no query holds them up.
//! What the mesh answers is decided by [`weft_policy::names`].

mod answer;
mod cache;
mod metrics;
mod query;
pub mod resolv_conf;
mod resolver;
mod sockets;
mod upstreams;
mod wire;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::thread;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};
use weft_model::names::NameTable;
use weft_policy::names::Names;
use weft_runtime::listen::{ListenError, ListenSettings, listen};
use weft_runtime::live::Live;
use weft_runtime::readiness::Condition;
use weft_telemetry::Metrics;

use self::metrics::Counters;
use self::resolv_conf::ResolvConf;
use self::resolver::Resolver;
use self::upstreams::Upstreams;

/// Sockets that are bound and not yet answered on.
#[derive(Debug)]
pub struct Sockets {
    udp: Vec<UdpSocket>,
    tcp: Vec<std::net::TcpListener>,
}

/// How the room hears of names: what the control plane says, as this pod looks things up in it.
pub struct Naming {
    /// Where the room looks.
    pub live: Live<Option<Names>>,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's first search domain.
    pub search: Option<String>,
    /// Readiness that names bring.
    pub known: Condition,
}

impl Naming {
    /// The control plane has spoken; `None`: so that nobody understood it.
    pub fn publish(&self, table: Option<&NameTable>) {
        let names = table.map(|table| Names::new(table, &self.namespace, self.search.as_deref()));
        self.live.publish(Some(names.unwrap_or_default()));
        self.known.met();
    }
}

/// The room at work; dropped, it closes.
#[derive(Debug)]
pub struct Dns {
    _open: oneshot::Sender<()>,
}

impl Sockets {
    /// Binds both kinds at each address. `::1` besides another address is left out where there is no IPv6.
    ///
    /// # Errors
    /// If an address cannot be had.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, ListenError> {
        let mut bound = Self { udp: Vec::new(), tcp: Vec::new() };
        for address in addresses {
            let settings = ListenSettings { backlog: 256, ..ListenSettings::default() };
            let tcp = match listen(*address, settings) {
                Err(ListenError::NotOurs(_) | ListenError::NoFamily(_))
                    if address.ip() == Ipv6Addr::LOCALHOST && !bound.tcp.is_empty() =>
                {
                    continue;
                }
                tcp => tcp?,
            };
            let other = |source| ListenError::Other { address: *address, source };
            let udp = UdpSocket::bind(address).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => ListenError::InUse { address: *address, holder: None },
                _ => other(error),
            })?;
            udp.set_nonblocking(true).map_err(other)?;
            bound.tcp.push(tcp);
            bound.udp.push(udp);
        }
        Ok(bound)
    }
}

/// Answers on `sockets`, on a thread of its own, until the handle is dropped. `None` for names: the control plane has not
/// said yet which there are, and queries wait for it.
///
/// # Errors
/// If the system has no thread to give.
pub fn start(
    sockets: Sockets,
    resolv: ResolvConf,
    names: Live<Option<Names>>,
    metrics: &Metrics,
) -> io::Result<Dns> {
    let counters = Counters::new(metrics);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (open, closed) = oneshot::channel::<()>();
    thread::Builder::new().name("dns".to_owned()).spawn(move || {
        runtime.block_on(LocalSet::new().run_until(async move {
            match answer_on(sockets, &resolv, names, counters) {
                Ok(loops) => {
                    // Told by nobody: it ends when the handle does.
                    let _ = closed.await;
                    loops.iter().for_each(JoinHandle::abort);
                }
                Err(error) => tracing::error!(%error, "the DNS proxy's sockets cannot be used"),
            }
        }));
    })?;
    Ok(Dns { _open: open })
}

/// The same for whoever stands in for a cluster's own DNS server: without names of its own, it asks the servers of `resolv`.
///
/// # Errors
/// If the system has no thread to give.
pub fn forward(sockets: Sockets, resolv: ResolvConf, metrics: &Metrics) -> io::Result<Dns> {
    start(sockets, resolv, Live::new(Some(Names::default())), metrics)
}

fn answer_on(
    sockets: Sockets,
    resolv: &ResolvConf,
    names: Live<Option<Names>>,
    counters: Counters,
) -> io::Result<Vec<JoinHandle<()>>> {
    let ours = sockets.udp.iter().map(UdpSocket::local_addr).collect::<io::Result<Vec<_>>>()?;
    let upstreams = Upstreams::new(resolv, &ours, counters.clone());
    let resolver = Rc::new(Resolver::new(names, upstreams, resolv, counters));
    let mut loops = Vec::new();
    for socket in sockets.udp {
        let socket = Rc::new(tokio::net::UdpSocket::from_std(socket)?);
        let resolver = Rc::clone(&resolver);
        loops.push(again_and_again(move || sockets::datagrams(Rc::clone(&resolver), Rc::clone(&socket))));
    }
    for listener in sockets.tcp {
        let listener = Rc::new(tokio::net::TcpListener::from_std(listener)?);
        let resolver = Rc::clone(&resolver);
        loops.push(again_and_again(move || sockets::connections(Rc::clone(&resolver), Rc::clone(&listener))));
    }
    Ok(loops)
}

/// A panic over one query ends that query, not the pod's DNS.
fn again_and_again<F: Future<Output = ()> + 'static>(work: impl Fn() -> F + 'static) -> JoinHandle<()> {
    tokio::task::spawn_local(async move {
        while let Err(why) = tokio::task::spawn_local(work()).await {
            if !why.is_panic() {
                return;
            }
            tracing::error!(%why, "a DNS query could not be dealt with; the next ones are");
        }
    })
}
