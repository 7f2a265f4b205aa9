//! The sidecar as a process: everything is started here, in order, and ended in order.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weft_model::node::Interception;
use weft_runtime::listen::{ListenError, ListenSettings, listen};
use weft_runtime::live::Live;
use weft_runtime::readiness::{Condition, Readiness};
use weft_runtime::signals::{Signal, Signals};
use weft_runtime::workers::{Workers, worker_count};

use crate::admin::{self, Admin};
use crate::bootstrap::{Bootstrap, DnsCapture, any};
use crate::config::apply::Applier;
use crate::config::subscribe::{self, Conditions};
use crate::dns::resolv_conf::ResolvConf;
use crate::dns::{self, Dns, Naming};
use crate::farewell::{Span, farewell};
use crate::listeners::whole::{WARMING, whole};
use crate::listeners::{self, Listeners};
use crate::probes::{self, Probes, Side};
use crate::snapshot::Snapshot;
use crate::tls::secrets::Secrets;
use crate::worker::{Shared, Worker};
use crate::{identity, observe, upstream};

/// Where probes are asked for.
const PROBES: u16 = 15020;

/// Where interception hands connections over: outbound, inbound.
const INTERCEPTED: [u16; 2] = [15001, 15006];

/// `proxy sidecar`, as Istio's injector starts it.
#[derive(Debug, Args)]
pub struct SidecarArgs {
    /// The DNS domain of the node: `<namespace>.svc.<cluster domain>`.
    #[arg(long, default_value = "default.svc.cluster.local")]
    pub domain: String,
    /// Accepted for the injector's sake; levels are set by --log-level.
    #[arg(long = "proxyLogLevel", hide = true)]
    pub proxy_log_level: Option<String>,
    /// Accepted for the injector's sake.
    #[arg(long = "proxyComponentLogLevel", hide = true)]
    pub proxy_component_log_level: Option<String>,
    /// Accepted for the injector's sake.
    #[arg(long = "log_output_level", hide = true)]
    pub log_output_level: Option<String>,
}

/// Runs a sidecar until it is told to end. The environment is the pod's.
///
/// # Errors
/// If it cannot start: the environment does not do, or one of its own ports is taken.
pub fn sidecar(args: &SidecarArgs, log: Option<weft_telemetry::log::LogControl>) -> anyhow::Result<()> {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let mut bootstrap = Bootstrap::from_environment(&env, &args.domain)?;
    let own = &mut bootstrap.node.metadata;
    if let (true, Some(ip)) = (own.interception != Interception::None, bootstrap.node.ip) {
        own.instance_ips.extend(address_beside(ip));
    }
    let with_app = bootstrap.node.metadata.interception != Interception::None;
    let ends = Ends {
        probes: probes::read(env.get("ISTIO_KUBE_APP_PROBERS").map_or("{}", String::as_str))
            .context("ISTIO_KUBE_APP_PROBERS is not the JSON that an injector writes")?,
        with_app,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(bootstrap, ends, log))
}

/// The pod's address of the other family than `ip`, if it has one: whence it would go to an address outside. Nothing is sent.
fn address_beside(ip: IpAddr) -> Option<IpAddr> {
    // Documentation's, which nobody has.
    let outside: IpAddr = match ip {
        IpAddr::V4(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        IpAddr::V6(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
    };
    let socket = std::net::UdpSocket::bind((any(outside), 0)).ok()?;
    socket.connect((outside, 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

/// Begins to answer the pod's DNS; until `known` is met, with nothing.
fn answer_dns(
    capture: &DnsCapture,
    bootstrap: &Bootstrap,
    shared: &Shared,
    known: Condition,
) -> anyhow::Result<(Dns, Naming)> {
    let path = &capture.resolv_conf;
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "no resolvers can be read: DNS is forwarded to 127.0.0.1:53");
        String::new()
    });
    let resolv = ResolvConf::parse(&text);
    let naming = Naming {
        live: Live::new(None),
        namespace: bootstrap.node.namespace().to_owned(),
        search: resolv.search.first().cloned(),
        known,
    };
    let sockets = dns::Sockets::bind(&capture.listen)?;
    let dns = dns::start(sockets, resolv, naming.live.clone(), &shared.observer.metrics)?;
    Ok((dns, naming))
}

/// The sockets that the kernel hands connections over to, wherever it is told to.
fn intercepted(bootstrap: &Bootstrap) -> Result<Listeners, ListenError> {
    let interception = bootstrap.node.metadata.interception;
    if interception == Interception::None {
        return Ok(Listeners::default());
    }
    let mut addresses = Vec::new();
    for own in bootstrap.node.addresses() {
        addresses.extend(INTERCEPTED.map(|port| SocketAddr::new(any(own), port)));
    }
    Listeners::early(&addresses, interception == Interception::Tproxy, bootstrap.startup_hold)
}

/// One of the sidecar's own ports. Who has it already is told.
fn own_port(address: SocketAddr) -> anyhow::Result<TcpListener> {
    Ok(TcpListener::from_std(listen(address, ListenSettings::default())?)?)
}

/// Where probes are asked for, and `/quitquitquit`.
fn probed(bootstrap: &Bootstrap) -> Vec<(SocketAddr, Side)> {
    let at = |ip| SocketAddr::new(ip, PROBES);
    let known = at(bootstrap.status.ip());
    match bootstrap.own_side() {
        Some(own) => vec![(known, Side::Kubelets), (at(own), Side::Own)],
        None => vec![(known, Side::Both)],
    }
}

/// What a sidecar shares with the app beside it: how that is asked for its health, and how both end.
struct Ends {
    probes: Probes,
    with_app: bool,
}

async fn run(
    bootstrap: Bootstrap,
    ends: Ends,
    log: Option<weft_telemetry::log::LogControl>,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    if let Err(error) = weft_runtime::descriptors::raise() {
        tracing::warn!(%error, "no more files can be open than this process began with");
    }
    let secrets = Secrets::default();
    let readiness = Readiness::new();
    let certificate = readiness.expect("certificate", "the authority's answer");
    let mut conditions = Conditions {
        clusters: readiness.expect("clusters", "the control plane's first answer to CDS"),
        listeners: readiness.expect("listeners", "the control plane's first answer to LDS"),
        rest: readiness.expect("configuration", "endpoints and routes"),
        complete: false.into(),
        refused: false.into(),
        naming: None,
    };
    let sockets = readiness.expect("sockets", "listeners that are bound");
    let shared = Arc::new(Shared::new(bootstrap.clone(), secrets.clone()));
    let count = bootstrap.concurrency.and_then(NonZeroUsize::new).unwrap_or_else(worker_count);
    shared.overload.set_workers(count.get());
    let for_workers = shared.clone();
    let workers = Workers::start(count, "worker", move |index| Worker::new(for_workers.clone(), index))?;
    workers.handle().run_on_each(Worker::housekeeping)?;

    let early = intercepted(&bootstrap)?;
    let admin_socket = own_port(bootstrap.admin)?;
    let mut status_sockets = vec![own_port(bootstrap.status)?];
    if let Some(own) = bootstrap.own_side() {
        status_sockets.push(own_port((own, bootstrap.status.port()).into())?);
    }
    let prometheus_socket = own_port(bootstrap.prometheus)?;
    let quit = Arc::new(Notify::new());
    let app = bootstrap.own_side().or(bootstrap.node.ip).unwrap_or(bootstrap.localhost);
    let pod = probes::Pod { probes: Arc::new(ends.probes), address: app, end: quit.clone() };
    for (at, side) in probed(&bootstrap) {
        match own_port(at) {
            Ok(socket) => probes::serve(socket, pod.clone(), side),
            Err(error) => tracing::warn!(%at, %error, "probes of the app and /quitquitquit are not served"),
        }
    }
    let _dns = match &bootstrap.dns {
        Some(capture) => {
            let known = readiness.expect("names", "the control plane's first answer to NDS");
            let (dns, naming) = answer_dns(capture, &bootstrap, &shared, known)?;
            conditions.naming = Some(naming);
            Some(dns)
        }
        None => None,
    };

    tokio::spawn(identity::keep_renewed(bootstrap.clone(), secrets.clone(), certificate));
    let node = weft_wire::node::encode(&bootstrap.node);
    tokio::spawn(secrets.files().clone().keep_fresh());
    let mut applier = Applier::new(secrets);
    if let (Interception::None, Some(ip)) = (bootstrap.node.metadata.interception, bootstrap.node.ip) {
        applier = applier.leaving_from(ip);
    }
    let configuration = subscribe::start(&bootstrap, node, applier, shared.live.clone(), conditions)?;
    let listeners = Arc::new(Mutex::new(early));
    let bound = move |listeners: &Listeners, snapshot: &Snapshot| match listeners.failed.values().next() {
        Some(why) => sockets.unmet(why),
        None if snapshot.listeners().next().is_some() => sockets.met(),
        None => {}
    };
    let start = whole(readiness.clone(), WARMING);
    tokio::spawn(listeners::follow(shared.clone(), workers.handle(), listeners.clone(), start, bound));
    tokio::spawn(observe::upkeep(shared.clone()));
    tokio::spawn(upstream::outlier::sweep(shared.clone()));
    tokio::spawn(upstream::health::run(shared.clone()));
    let admin =
        Admin::new(shared.clone(), workers.handle(), configuration, readiness, listeners.clone(), log);
    admin::serve(admin, admin_socket, status_sockets, prometheus_socket);

    let why = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::ReopenLogs => shared.observer.files.reopen(),
                other => break format!("{other:?}"),
            },
            () = quit.notified() => break "/quitquitquit".to_owned(),
        }
    };
    tracing::info!(%why, "ending: connections drain");
    // A Job's last step asks when its work is done: there is nobody to stay for.
    let is_asked = why == "/quitquitquit";
    let least = if is_asked { Duration::ZERO } else { bootstrap.least_drain };
    let span = Span { least, most: bootstrap.drain };
    farewell(&listeners, ends.with_app && !is_asked, span, &mut signals).await;
    listeners.lock().unwrap_or_else(PoisonError::into_inner).close();
    workers.stop(Duration::from_millis(200)).await;
    shared.observer.files.flush(Duration::from_secs(1));
    Ok(())
}
