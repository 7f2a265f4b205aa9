//! One proxy of the two, and a scene before it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use weft_testkit::envoy::Envoy;
use weft_testkit::mesh::Sidecar;

use crate::app::{App, Seen, Witness};
use crate::mesh::NAMESPACE;

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    pub(crate) log: PathBuf,
    asks: AtomicU32,
}

pub(crate) enum Program {
    Weft(Box<Sidecar>),
    Envoy(Envoy),
}

/// A scene before a proxy.
#[derive(Clone)]
pub(crate) struct Place {
    proxy: Arc<Proxy>,
    name: &'static str,
    pub(crate) apps: Vec<App>,
    witness: Witness,
    bytes: SocketAddr,
}

/// What the access log says of a request.
pub(crate) struct Logged {
    pub(crate) flags: String,
    pub(crate) details: String,
    pub(crate) tries: String,
}

/// Waits for something, at most ten seconds.
struct Patience(String, Instant);

impl Patience {
    fn new(what: String) -> Self {
        Self(what, Instant::now())
    }

    async fn wait(&self) {
        assert!(self.1.elapsed() < Duration::from_secs(10), "not within ten seconds: {}", self.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Proxy {
    pub(crate) fn new(program: Program, address: SocketAddr, log: PathBuf) -> Self {
        Self { program, address, log, asks: AtomicU32::default() }
    }

    /// Statistics by Envoy's names: `cluster.NAME.statistic`.
    async fn statistics(self: &Arc<Self>) -> BTreeMap<String, u64> {
        let this = self.clone();
        let page = tokio::task::spawn_blocking(move || match &this.program {
            Program::Weft(sidecar) => sidecar.metrics(),
            Program::Envoy(envoy) => envoy.admin("/stats?usedonly").unwrap_or_default(),
        });
        let of = |line: &str| match &self.program {
            Program::Weft(_) => {
                let (name, rest) = line.strip_prefix("envoy_cluster_")?.split_once("{cluster_name=\"")?;
                let (cluster, value) = rest.split_once("\"} ")?;
                Some((format!("cluster.{cluster}.{name}"), value.parse().ok()?))
            }
            Program::Envoy(_) => {
                let (name, value) = line.split_once(": ")?;
                // Istio ends a cluster's name in statistics with a semicolon.
                let name = name.replace("local;.", "local.").replace("detection.", "detection_");
                Some((name, value.parse().ok()?))
            }
        };
        page.await.unwrap().lines().filter_map(of).collect()
    }
}

impl Place {
    pub(crate) fn new(
        proxy: Arc<Proxy>,
        name: &'static str,
        (apps, witness): (Vec<App>, Witness),
        bytes: SocketAddr,
    ) -> Self {
        Self { proxy, name, apps, witness, bytes }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until all workers know who is out. Envoy tells them of that once in a second (`update_merge_window`), and nothing
    /// that it shows says when it has: its statistics count an ejection before.
    pub(crate) async fn until_workers_know(&self) {
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }

    /// Whose it is, for what is printed besides the table.
    pub(crate) fn program(&self) -> &'static str {
        match self.proxy.program {
            Program::Weft(_) => "weft",
            Program::Envoy(_) => "Envoy",
        }
    }

    pub(crate) fn proxy(&self) -> SocketAddr {
        self.proxy.address
    }

    /// Where connections are only passed on.
    pub(crate) fn bytes(&self) -> SocketAddr {
        self.bytes
    }

    /// A name for the next request.
    pub(crate) fn next_ask(&self) -> String {
        format!("{}-{}", self.name, self.proxy.asks.fetch_add(1, Ordering::Relaxed))
    }

    /// A statistic of the service's cluster, by Envoy's name.
    pub(crate) async fn count(&self, statistic: &str) -> u64 {
        self.count_of("80||", statistic).await
    }

    /// The same of another port, or a subset: `80|v1|`.
    pub(crate) async fn count_of(&self, cluster: &str, statistic: &str) -> u64 {
        let all = self.proxy.statistics().await;
        let name =
            format!("cluster.outbound|{cluster}{}.{NAMESPACE}.svc.cluster.local.{statistic}", self.name);
        all.get(&name).copied().unwrap_or(0)
    }

    /// Waits until a statistic of the service's cluster is so.
    pub(crate) async fn until(&self, statistic: &str, value: u64) {
        let patience = Patience::new(format!("{}: {statistic} is {value}", self.name));
        while self.count(statistic).await != value {
            patience.wait().await;
        }
    }

    /// Every try of a request, as the apps saw it.
    pub(crate) fn tries(&self, ask: &str) -> Vec<Seen> {
        self.witness.tries(ask)
    }

    /// How many requests each app saw.
    pub(crate) fn seen(&self) -> Vec<usize> {
        self.witness.count(self.apps.len())
    }

    /// How many requests for a path each app saw.
    pub(crate) fn seen_of(&self, path: &str) -> Vec<usize> {
        self.witness.count_of(path, self.apps.len())
    }

    /// Waits until the apps have seen so many requests in all.
    pub(crate) async fn until_seen(&self, count: usize) {
        let patience = Patience::new(format!("{}: {count} requests are at the apps", self.name));
        while self.seen().iter().sum::<usize>() < count {
            patience.wait().await;
        }
    }

    /// What the access log says of a request.
    pub(crate) async fn logged(&self, ask: &str) -> Logged {
        let patience = Patience::new(format!("{ask} is logged"));
        let named = format!("\"{ask}\"");
        let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let found = loop {
            let text = std::fs::read_to_string(&self.proxy.log).unwrap_or_default();
            let mine = text.lines().rev().filter(|line| line.contains(&named));
            if let Some(line) = mine.filter_map(of).next() {
                break line;
            }
            patience.wait().await;
        };
        let text = |name: &str| match &found[name] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        // Their order says nothing; what stands behind the reason is the system's own text.
        let mut flags: Vec<String> = text("flags").split(',').map(str::to_owned).collect();
        flags.sort_unstable();
        let details = text("details");
        let details = match details.split_once('|') {
            Some((reason, _)) => format!("{reason}}}"),
            None => details,
        };
        Logged { flags: flags.join(","), details, tries: text("tries") }
    }

    /// Flags and details of the access log.
    pub(crate) async fn said(&self, ask: &str) -> String {
        let Logged { flags, details, .. } = self.logged(ask).await;
        format!("{flags} {details}")
    }
}
