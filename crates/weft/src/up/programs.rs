//! The processes of a planned mesh: which program, with which arguments and environment.

use super::addresses::Base;
use super::plan::{HTTP_PROXY_PORT, Plan, Pod, Port};
use super::protocol::Protocol;
use super::shell;
use crate::netns::network::{APP_USER, SIDECAR_USER};
use crate::supervisor::Program;
use serde_json::json;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use weft_control::resources::mesh_config::InterceptionMode;

/// The port of xDS and of the certificate API.
pub(crate) const CONTROL_PORT: u16 = 15012;
/// The control plane's status, as JSON.
pub(crate) const STATUS_PORT: u16 = 15014;
/// A sidecar's readiness.
pub(crate) const READY_PORT: u16 = 15021;
/// Probes of the app, and `/quitquitquit`.
pub(crate) const PROBES_PORT: u16 = 15020;
/// A sidecar's admin, on the pod's localhost.
pub(crate) const ADMIN_PORT: u16 = 15000;

const GRACE: Duration = Duration::from_secs(4);
/// What a sidecar needs to end, beyond its drain.
const MARGIN: Duration = Duration::from_secs(1);

/// What all programs of a mesh share.
#[derive(Debug, Clone)]
pub(crate) struct Mesh {
    /// This binary.
    pub(crate) weft: PathBuf,
    pub(crate) run: PathBuf,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) trust_domain: String,
    /// `WEFT_LOG` of the mesh's own processes.
    pub(crate) log: Option<String>,
}

/// What runs as an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum App {
    /// weft's own.
    StandIn,
    /// The user's command, for a shell.
    Command(String),
}

/// The name of a pod's sidecar among the supervisor's children.
pub(crate) fn sidecar_name(pod: &Pod) -> String {
    format!("sidecar {}/{}", pod.namespace, pod.name)
}

/// The name of a pod's app among the supervisor's children.
pub(crate) fn app_name(pod: &Pod) -> String {
    format!("app {}/{}", pod.namespace, pod.name)
}

/// How long a sidecar that is told to end stays at least, though nobody is there.
const LEAST_DRAIN: &str = "MINIMUM_DRAIN_DURATION";

/// Names the file that tells a sidecar which servers it may ask.
const RESOLV_CONF: &str = "WEFT_RESOLV_CONF";
/// That file in a pod's folder.
pub(crate) const SIDECAR_RESOLV_CONF: &str = "sidecar-resolv.conf";
/// In a pod's folder, if the machine has such a file: whom programs ask for names.
pub(crate) const NSSWITCH: &str = "nsswitch.conf";

impl Mesh {
    /// The control plane.
    pub(crate) fn control(&self, base: Base) -> Program {
        let words = ["--parent-pipe", "control", "--trust-domain", &self.trust_domain, "--run"];
        let mut args = words.map(OsString::from).to_vec();
        args.extend([self.run.clone().into(), "--".into()]);
        args.extend(self.folders.iter().map(|folder| folder.clone().into_os_string()));
        let log = self.run.join("control.log");
        let args = match base.hub() {
            Some(hub) => enter(&hub, &[], args),
            None => args,
        };
        self.program("control plane".to_owned(), args, self.own_environment(), log.clone(), log)
    }

    /// The sidecar of `pod`, with the environment that Istio's injector would give it.
    pub(crate) fn sidecar(&self, plan: &Plan, pod: &Pod, folder: &Path) -> Program {
        let domain = format!("{}.svc.cluster.local", pod.namespace);
        let args = ["--parent-pipe", "proxy", "sidecar", "--domain", &domain];
        let control = format!("{}:{CONTROL_PORT}", plan.base.control());
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut environment = self.own_environment();
        let root = text(self.run.join("root-cert.pem"));
        let interception = if pod.is_turned() { pod.proxy.mode } else { InterceptionMode::None };
        let asked = &pod.proxy;
        let mesh_id = if asked.mesh_id.is_empty() { &self.trust_domain } else { &asked.mesh_id };
        for (name, value) in [
            ("POD_NAME", pod.name.clone()),
            ("HOSTNAME", pod.hostname().to_owned()),
            ("POD_NAMESPACE", pod.namespace.clone()),
            ("INSTANCE_IP", pod.address.to_string()),
            ("SERVICE_ACCOUNT", pod.service_account.clone()),
            ("HOST_IP", plan.base.control().to_string()),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes".to_owned()),
            ("ISTIO_META_WORKLOAD_NAME", pod.workload.clone()),
            ("ISTIO_META_OWNER", pod.owner()),
            ("ISTIO_META_MESH_ID", mesh_id.clone()),
            ("ISTIO_META_NODE_NAME", pod.node.clone()),
            ("ISTIO_META_INTERCEPTION_MODE", interception.name().to_owned()),
            ("ISTIO_META_APP_CONTAINERS", pod.containers.join(",")),
            ("ISTIO_METAJSON_LABELS", json!(pod.injected_labels()).to_string()),
            ("ISTIO_METAJSON_ANNOTATIONS", json!(pod.annotated()).to_string()),
            ("TRUST_DOMAIN", self.trust_domain.clone()),
            ("XDS_ADDR", control.clone()),
            ("CA_ADDR", control),
            ("XDS_ROOT_CA", root.clone()),
            ("CA_ROOT_CA", root),
            ("TOKEN_PATH", text(folder.join("token"))),
            ("WEFT_LOCALHOST", pod.localhost.to_string()),
            ("PROXY_CONFIG", asked.json()),
            ("PROXY_CONCURRENCY", asked.concurrency.unwrap_or(1).to_string()),
        ] {
            environment.push((name.into(), value.into()));
        }
        if !pod.probers.is_empty() {
            environment.push(("ISTIO_KUBE_APP_PROBERS".into(), pod.probers.clone().into()));
        }
        if pod.is_turned() && asked.answers_dns() {
            environment.push(("ISTIO_META_DNS_CAPTURE".into(), "true".into()));
            // A server that the pod's own settings name is one that they can reach.
            if !asked.metadata.contains_key(RESOLV_CONF) {
                environment.push((RESOLV_CONF.into(), folder.join(SIDECAR_RESOLV_CONF).into()));
            }
        }
        // Its app is ended before it, and its callers are told before that: nobody is left whom it should stay for.
        if !asked.metadata.contains_key(LEAST_DRAIN) {
            environment.push((LEAST_DRAIN.into(), "0s".into()));
        }
        let (output, errors) = (folder.join("access.log"), folder.join("sidecar.log"));
        let args = args.map(OsString::from).to_vec();
        let args = match &pod.netns {
            Some(netns) => enter(netns, &own_files(folder, pod.hostname(), sidecar_user(pod)), args),
            None => args,
        };
        let program = self.program(sidecar_name(pod), args, environment, output, errors);
        let grace = asked.drain.map_or(GRACE, |drain| (drain + MARGIN).max(GRACE));
        Program { grace, ..program }
    }

    /// The app of `pod`.
    pub(crate) fn app(&self, pod: &Pod, app: &App, folder: &Path) -> Program {
        let log = folder.join("app.log");
        let (args, environment) = match app {
            App::StandIn => (stand_in(pod), variables(pod)),
            App::Command(command) => {
                let environment = shell::around(std::env::vars_os(), variables(pod));
                let args = ["--parent-pipe", "child", "--", "/bin/sh", "-c", command];
                (args.map(OsString::from).to_vec(), environment)
            }
        };
        let args = match &pod.netns {
            Some(netns) => enter(netns, &own_files(folder, pod.hostname(), (APP_USER, APP_USER)), args),
            None => args,
        };
        self.program(app_name(pod), args, environment, log.clone(), log)
    }

    fn program(
        &self,
        name: String,
        args: Vec<OsString>,
        environment: Vec<(OsString, OsString)>,
        output: PathBuf,
        errors: PathBuf,
    ) -> Program {
        Program { name, program: self.weft.clone(), args, environment, output, errors, grace: GRACE }
    }

    fn own_environment(&self) -> Vec<(OsString, OsString)> {
        self.log.iter().map(|log| (crate::log::VARIABLE.into(), log.into())).collect()
    }
}

/// The arguments that start this binary inside a namespace.
fn enter(netns: &str, more: &[OsString], args: Vec<OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = ["enter", "--netns", netns, "--own"].map(OsString::from).to_vec();
    all.extend_from_slice(more);
    all.push("--".into());
    all.extend(args);
    all
}

/// A pod's own files, host name and user, as `weft enter` takes them.
pub(crate) fn own_files(folder: &Path, hostname: &str, (user, group): (u32, u32)) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--hosts".into(), folder.join("hosts").into()];
    words.extend(["--resolv".into(), folder.join("resolv.conf").into()]);
    words.extend(["--nsswitch".into(), folder.join(NSSWITCH).into()]);
    words.extend(["--hostname".into(), hostname.into()]);
    words.extend(["--user".into(), user.to_string().into()]);
    words.extend(["--group".into(), group.to_string().into()]);
    words
}

/// The user and the group of a pod's sidecar, as Istio's injector has them: whose connections are to keep the clients'
/// addresses needs root's rights for that.
fn sidecar_user(pod: &Pod) -> (u32, u32) {
    (if pod.proxy.mode == InterceptionMode::Tproxy { 0 } else { SIDECAR_USER }, SIDECAR_USER)
}

/// Ports at which nobody expects HTTP, though their services do not say what they speak: PostgreSQL, Redis,
/// Kafka, AMQP, Memcached, ZooKeeper, NATS, Cassandra.
const DATABASES: [u16; 8] = [5432, 6379, 9092, 5672, 11211, 2181, 4222, 9042];

fn variables(pod: &Pod) -> Vec<(OsString, OsString)> {
    pod.environment.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Where the app of `pod` listens.
pub(crate) fn app_address(pod: &Pod) -> Ipv4Addr {
    match &pod.netns {
        _ if pod.is_bound() => pod.localhost,
        Some(_) => Ipv4Addr::UNSPECIFIED,
        None => pod.address,
    }
}

fn stand_in(pod: &Pod) -> Vec<OsString> {
    let service = pod.services.first().unwrap_or(&pod.workload);
    let version = pod.labels.get("version").or_else(|| pod.labels.get("app.kubernetes.io/version"));
    let mut args: Vec<String> =
        ["--parent-pipe", "stand-in", "--pod", &pod.name, "--service", service].map(String::from).to_vec();
    args.extend(["--namespace".to_owned(), pod.namespace.clone()]);
    args.extend(["--app-version".to_owned(), version.cloned().unwrap_or_default()]);
    for listen in listens(pod) {
        args.extend(["--listen".to_owned(), listen]);
    }
    args.into_iter().map(OsString::from).collect()
}

/// The ports of a stand-in as it is told them: `http=127.64.0.2:8000`.
pub(crate) fn listens(pod: &Pod) -> Vec<String> {
    let of = |port: &Port| {
        let protocol = match port.protocol {
            Protocol::Auto if DATABASES.contains(&port.number) => "tcp",
            Protocol::Http | Protocol::Auto => "http",
            Protocol::Grpc => "grpc",
            // It has no certificate to speak TLS with.
            Protocol::Tcp | Protocol::Tls => "tcp",
            Protocol::Udp => return None,
        };
        Some(format!("{protocol}={}:{}", app_address(pod), port.number))
    };
    pod.ports.iter().filter_map(of).collect()
}

/// Ports of a pod's localhost that its sidecar needs, and its app cannot have.
pub(crate) const RESERVED: [u16; 4] = [ADMIN_PORT, HTTP_PROXY_PORT, PROBES_PORT, READY_PORT];
