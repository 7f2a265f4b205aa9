//! Sidecars within the test's process: real workers, real sockets, real TLS; configuration is put in force by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use weft_certs::Authority;
use weft_model::cluster::Cluster;
use weft_model::endpoint::LoadAssignment;
use weft_model::identity::SpiffeId;
use weft_model::listener::Listener;
use weft_model::route::RouteConfiguration;
use weft_proxy::bootstrap::Bootstrap;
use weft_proxy::config::apply::Applier;
use weft_proxy::listeners::{self, Listeners};
use weft_proxy::observe;
use weft_proxy::tls::secrets::{Secrets, Svid, Trust};
use weft_proxy::upstream::{health, outlier};
use weft_proxy::worker::{Shared, Worker};
use weft_runtime::workers::{WorkerIndex, Workers};
use weft_wire::encode;
use weft_xds::{Resource, type_url};

/// A trust domain with an authority of its own.
pub struct Mesh {
    authority: Authority,
}

/// One sidecar.
pub struct Sidecar {
    /// What its workers share.
    pub shared: Arc<Shared>,
    applier: Mutex<Applier>,
    listeners: Arc<Mutex<Listeners>>,
    workers: Workers<Worker>,
}

impl Mesh {
    /// A new one, `cluster.local`.
    pub fn new() -> Self {
        Self { authority: Authority::fresh("cluster.local", SystemTime::now()).unwrap() }
    }

    /// The SPIFFE ID of an account in namespace `test`.
    pub fn uri(account: &str) -> String {
        format!("spiffe://cluster.local/ns/test/sa/{account}")
    }

    /// The trust bundle, PEM.
    pub fn roots(&self) -> String {
        self.authority.trust_bundle()
    }

    /// A certificate chain (PEM) and key (PEM) for an account.
    pub fn identity(&self, account: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let id = SpiffeId::new("cluster.local", "test", account).unwrap();
        let mut chain = self.authority.issue(&request, &id, None, SystemTime::now()).unwrap();
        chain.pop();
        (chain.concat(), key.serialize_pem())
    }

    /// Secrets of an account, as a sidecar holds them.
    pub fn secrets(&self, account: &str) -> Secrets {
        let secrets = Secrets::default();
        self.certify(&secrets, account);
        secrets
    }

    /// Gives them to whoever has none yet.
    pub fn certify(&self, secrets: &Secrets, account: &str) {
        let (chain, key) = self.identity(account);
        let certs = |pem: &str| {
            CertificateDer::pem_slice_iter(pem.as_bytes()).map(|c| c.unwrap()).collect::<Vec<_>>()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).unwrap());
        secrets.publish_trust(Trust::new(certs(&self.roots())).unwrap());
        secrets.publish_svid(Svid::new(certs(&chain), key).unwrap());
    }

    /// A sidecar of an account, on two workers where nothing else is said. Must be called on a tokio runtime.
    pub fn sidecar(&self, account: &str) -> Sidecar {
        self.sidecar_with(account, |_| {})
    }

    /// The same, started otherwise.
    pub fn sidecar_with(&self, account: &str, change: impl FnOnce(&mut Bootstrap)) -> Sidecar {
        Self::start(self.secrets(account), account, change)
    }

    /// One that has no certificate, and nobody to give it one.
    pub fn nameless(&self, account: &str, change: impl FnOnce(&mut Bootstrap)) -> Sidecar {
        Self::start(Secrets::default(), account, change)
    }

    /// One that listens at `at` before it has any configuration, and holds what comes there until `start` is over.
    pub fn starting(
        &self,
        account: &str,
        at: SocketAddr,
        start: impl Future<Output = ()> + Send + 'static,
    ) -> Sidecar {
        let early = Listeners::early(&[at], false, Duration::from_secs(600)).unwrap();
        Self::begin(self.secrets(account), account, |_| {}, early, start)
    }

    fn start(secrets: Secrets, account: &str, change: impl FnOnce(&mut Bootstrap)) -> Sidecar {
        Self::begin(secrets, account, change, Listeners::default(), std::future::ready(()))
    }

    fn begin(
        secrets: Secrets,
        account: &str,
        change: impl FnOnce(&mut Bootstrap),
        listeners: Listeners,
        start: impl Future<Output = ()> + Send + 'static,
    ) -> Sidecar {
        let env: BTreeMap<String, String> = [
            ("POD_NAME", account),
            ("POD_NAMESPACE", "test"),
            ("INSTANCE_IP", "127.0.0.1"),
            ("SERVICE_ACCOUNT", account),
            ("ISTIO_META_WORKLOAD_NAME", account),
            ("XDS_ADDR", "127.0.0.1:1"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let mut bootstrap = Bootstrap::from_environment(&env, "test.svc.cluster.local").unwrap();
        change(&mut bootstrap);
        let shared = Arc::new(Shared::new(bootstrap, secrets.clone()));
        let for_workers = shared.clone();
        let count = NonZeroUsize::new(shared.bootstrap.concurrency.unwrap_or(2)).unwrap();
        shared.overload.set_workers(count.get());
        let workers =
            Workers::start(count, "worker", move |index| Worker::new(for_workers.clone(), index)).unwrap();
        workers.handle().run_on_each(Worker::housekeeping).unwrap();
        let open = Arc::new(Mutex::new(listeners));
        tokio::spawn(secrets.files().clone().keep_fresh());
        tokio::spawn(outlier::sweep(shared.clone()));
        tokio::spawn(health::run(shared.clone()));
        tokio::spawn(listeners::follow(shared.clone(), workers.handle(), open.clone(), start, |_, _| {}));
        Sidecar { shared, applier: Mutex::new(Applier::new(secrets)), listeners: open, workers }
    }
}

/// A server outside of any mesh: its CA, its certificate for these names, its key; PEM each.
pub fn outside(names: &[&str]) -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    (ca_pem, leaf.pem(), key.serialize_pem())
}

impl Default for Mesh {
    fn default() -> Self {
        Self::new()
    }
}

impl Sidecar {
    /// Puts clusters and listeners in force, by way of their wire form, and waits until the listeners listen.
    pub async fn apply(&self, clusters: &[Cluster], listeners: &[Listener]) {
        self.configure(clusters, &[], listeners, &[]).await;
    }

    /// The same for all that a control plane may say.
    pub async fn configure(
        &self,
        clusters: &[Cluster],
        endpoints: &[LoadAssignment],
        listeners: &[Listener],
        routes: &[RouteConfiguration],
    ) {
        let wanted: Vec<_> = listeners.iter().filter(|l| l.bind_to_port).map(|l| l.address).collect();
        let clusters = clusters.iter().map(|c| (c.name.clone(), encode::cluster(c))).collect();
        let endpoints = endpoints.iter().map(|e| (e.cluster.clone(), encode::load_assignment(e))).collect();
        let listeners = listeners.iter().map(|l| (l.name.clone(), encode::listener(l))).collect();
        let routes = routes.iter().map(|r| (r.name.clone(), encode::route_configuration(r))).collect();
        {
            let mut applier = self.applier.lock().unwrap();
            for (of, all) in [
                (type_url::CLUSTER, clusters),
                (type_url::ENDPOINTS, endpoints),
                (type_url::LISTENER, listeners),
                (type_url::ROUTES, routes),
            ] {
                let all: Vec<(String, encode::Any)> = all;
                let resource =
                    |(name, any): (String, encode::Any)| Resource::versioned_by_content(of, name, any.value);
                let resources: Vec<Resource> = all.into_iter().map(resource).collect();
                let applied = applier.update(of, &resources, &[]);
                assert!(applied.refused.is_empty(), "{:?}", applied.refused);
            }
            self.shared.live.publish(applier.snapshot().clone());
        }
        crate::eventually("listeners listen", async || {
            let failed = self.listeners.lock().unwrap().failed.clone();
            assert!(failed.is_empty(), "{failed:?}");
            let mut all = true;
            for address in &wanted {
                all &= tokio::net::TcpStream::connect(address).await.is_ok();
            }
            all
        })
        .await;
    }

    /// Takes a listener away.
    pub fn remove_listener(&self, name: &str) {
        self.remove(type_url::LISTENER, name);
    }

    /// Takes a cluster away.
    pub fn remove_cluster(&self, name: &str) {
        self.remove(type_url::CLUSTER, name);
    }

    fn remove(&self, of_type: &str, name: &str) {
        let mut applier = self.applier.lock().unwrap();
        applier.update(of_type, &[], &[name.into()]);
        self.shared.live.publish(applier.snapshot().clone());
    }

    /// The addresses of a cluster that is known by name are these now.
    pub fn resolved(&self, cluster: &str, assignment: LoadAssignment) {
        let mut applier = self.applier.lock().unwrap();
        applier.resolved(cluster, assignment).unwrap();
        self.shared.live.publish(applier.snapshot().clone());
    }

    /// How many connections each of its workers has.
    pub fn active(&self) -> Vec<usize> {
        self.workers.handle().active()
    }

    /// Keeps one of its workers from all else until what is returned is dropped.
    pub fn keep_busy(&self, worker: usize) -> std::sync::mpsc::Sender<()> {
        let ((busy, over), (begun, begins)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let job = move |_| async move {
            begun.send(()).unwrap();
            let _: Result<(), _> = over.recv();
        };
        self.workers.handle().run_on(WorkerIndex(worker), job).unwrap();
        begins.recv().unwrap();
        busy
    }

    /// The connections to a cluster that are open.
    pub fn open_to(&self, cluster: &str) -> u64 {
        let snapshot = self.shared.live.load();
        snapshot.cluster_named(cluster).map_or(0, |view| view.state.places.open().into())
    }

    /// The metrics page.
    pub fn metrics(&self) -> String {
        let mut text = self.shared.observer.metrics.render(std::time::Instant::now());
        text.push_str(&observe::clusters::render(&self.shared.live.load()));
        text
    }
}
