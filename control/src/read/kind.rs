//! Every kind that weft has heard of, and what it does with it.

use super::nearest::nearest;

/// A kind that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Namespace,
    Node,
    Pod,
    Deployment,
    StatefulSet,
    DaemonSet,
    Service,
    ServiceAccount,
    ConfigMap,
    Secret,
    VirtualService,
    DestinationRule,
    ServiceEntry,
    WorkloadEntry,
    WorkloadGroup,
    Sidecar,
    Gateway,
    ProxyConfig,
    PeerAuthentication,
    AuthorizationPolicy,
    RequestAuthentication,
    Telemetry,
    IstioOperator,
    MeshConfig,
}

/// What becomes of a resource of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// It is read.
    Read(Kind),
    /// It does not concern a mesh: counted, not read.
    PassOver,
    /// It concerns traffic, and weft does not do what it says.
    Warn(&'static str),
}

/// One kind of one API group.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) group: &'static str,
    /// The versions that are served; empty takes any.
    pub(crate) versions: &'static [&'static str],
    pub(crate) name: &'static str,
    pub(crate) handling: Handling,
}

impl Known {
    /// Every apiVersion under which it is served.
    pub(crate) fn served(&self) -> impl Iterator<Item = String> {
        let versions = if self.versions.is_empty() { &["v1"] } else { self.versions };
        versions.iter().map(|version| match self.group {
            "" => (*version).to_owned(),
            group => format!("{group}/{version}"),
        })
    }
}

/// What a pair of apiVersion and kind is.
pub(crate) enum Found {
    Known(&'static Known),
    /// A known kind in a version that is not served.
    Version(&'static Known),
    /// No kind of a group whose kinds are all known.
    NoSuchKind(Option<&'static Known>),
    /// Somebody else's.
    Foreign(Option<&'static Known>),
}

/// Looks a kind up.
pub(crate) fn find(group: &str, version: &str, kind: &str) -> Found {
    let here = || KINDS.iter().filter(|known| known.group == group);
    if let Some(known) = here().find(|known| known.name == kind) {
        let served = known.versions.is_empty() || known.versions.contains(&version);
        return if served { Found::Known(known) } else { Found::Version(known) };
    }
    let near = nearest(kind, here().map(|known| known.name))
        .and_then(|name| here().find(|known| known.name == name))
        .or_else(|| KINDS.iter().find(|known| known.name == kind))
        .or_else(|| {
            let name = nearest(kind, KINDS.iter().map(|known| known.name))?;
            KINDS.iter().find(|known| known.name == name)
        });
    // Who writes a kind of Istio's under a group that Istio has not, means that kind; a mesh without it is another than was
    // asked for, be it a policy.
    let is_istios = |group: &str| group == "istio.io" || group.ends_with(".istio.io");
    let misses_group =
        is_istios(group) && KINDS.iter().any(|known| known.name == kind && is_istios(known.group));
    if misses_group || (here().next().is_some() && COMPLETE.contains(&group)) {
        Found::NoSuchKind(near)
    } else {
        Found::Foreign(near)
    }
}

/// Groups of which every kind is listed here.
const COMPLETE: &[&str] = &[
    "",
    "apps",
    "batch",
    "autoscaling",
    "policy",
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
    "extensions.istio.io",
    "install.istio.io",
];

const NETWORKING: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const SECURITY: &[&str] = &["v1", "v1beta1"];

const fn read(
    group: &'static str,
    versions: &'static [&'static str],
    name: &'static str,
    kind: Kind,
) -> Known {
    Known { group, versions, name, handling: Handling::Read(kind) }
}

const fn pass(group: &'static str, name: &'static str) -> Known {
    Known { group, versions: &[], name, handling: Handling::PassOver }
}

const fn warn(group: &'static str, name: &'static str, why: &'static str) -> Known {
    Known { group, versions: &[], name, handling: Handling::Warn(why) }
}

const GATEWAY_API: &str = "the Kubernetes Gateway API is not honoured: no route comes of this";

const KINDS: &[Known] = &[
    read("", &["v1"], "Namespace", Kind::Namespace),
    read("", &["v1"], "Node", Kind::Node),
    read("", &["v1"], "Pod", Kind::Pod),
    read("", &["v1"], "Service", Kind::Service),
    read("", &["v1"], "ServiceAccount", Kind::ServiceAccount),
    read("", &["v1"], "ConfigMap", Kind::ConfigMap),
    read("", &["v1"], "Secret", Kind::Secret),
    read("apps", &["v1"], "Deployment", Kind::Deployment),
    read("apps", &["v1"], "StatefulSet", Kind::StatefulSet),
    read("apps", &["v1"], "DaemonSet", Kind::DaemonSet),
    read("networking.istio.io", NETWORKING, "VirtualService", Kind::VirtualService),
    read("networking.istio.io", NETWORKING, "DestinationRule", Kind::DestinationRule),
    read("networking.istio.io", NETWORKING, "ServiceEntry", Kind::ServiceEntry),
    read("networking.istio.io", NETWORKING, "WorkloadEntry", Kind::WorkloadEntry),
    read("networking.istio.io", NETWORKING, "WorkloadGroup", Kind::WorkloadGroup),
    read("networking.istio.io", NETWORKING, "Sidecar", Kind::Sidecar),
    read("networking.istio.io", NETWORKING, "Gateway", Kind::Gateway),
    read("networking.istio.io", &["v1beta1"], "ProxyConfig", Kind::ProxyConfig),
    read("security.istio.io", SECURITY, "PeerAuthentication", Kind::PeerAuthentication),
    read("security.istio.io", SECURITY, "AuthorizationPolicy", Kind::AuthorizationPolicy),
    read("security.istio.io", SECURITY, "RequestAuthentication", Kind::RequestAuthentication),
    read("telemetry.istio.io", &["v1", "v1alpha1"], "Telemetry", Kind::Telemetry),
    read("install.istio.io", &["v1alpha1"], "IstioOperator", Kind::IstioOperator),
    read("mesh.istio.io", &["v1alpha1"], "MeshConfig", Kind::MeshConfig),
    warn(
        "networking.istio.io",
        "EnvoyFilter",
        "an EnvoyFilter is not honoured: no proxy's configuration is patched",
    ),
    warn("extensions.istio.io", "WasmPlugin", "a WasmPlugin is not honoured: no proxy runs it"),
    warn("extensions.istio.io", "TrafficExtension", "a TrafficExtension is not honoured: no proxy runs it"),
    warn("gateway.networking.k8s.io", "Gateway", GATEWAY_API),
    warn("gateway.networking.k8s.io", "GatewayClass", GATEWAY_API),
    warn("gateway.networking.k8s.io", "HTTPRoute", GATEWAY_API),
    warn("gateway.networking.k8s.io", "GRPCRoute", GATEWAY_API),
    warn("gateway.networking.k8s.io", "TCPRoute", GATEWAY_API),
    warn("gateway.networking.k8s.io", "TLSRoute", GATEWAY_API),
    warn("gateway.networking.k8s.io", "UDPRoute", GATEWAY_API),
    warn("gateway.networking.k8s.io", "ReferenceGrant", GATEWAY_API),
    warn("gateway.networking.k8s.io", "BackendTLSPolicy", GATEWAY_API),
    warn("gateway.networking.k8s.io", "ListenerSet", GATEWAY_API),
    warn("networking.k8s.io", "NetworkPolicy", "a NetworkPolicy is not honoured: it stops no traffic here"),
    warn("networking.k8s.io", "Ingress", "an Ingress is not honoured: it lets no traffic in here"),
    pass("networking.k8s.io", "IngressClass"),
    warn("", "Endpoints", "Endpoints are not honoured: a Service's endpoints are the pods that it selects"),
    warn(
        "discovery.k8s.io",
        "EndpointSlice",
        "an EndpointSlice is not honoured: a Service's endpoints are the pods that it selects",
    ),
    warn("", "ReplicationController", "a ReplicationController is not honoured: it makes no pods here"),
    warn("apps", "ReplicaSet", "a ReplicaSet is not honoured: it makes no pods here"),
    warn(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "weft does not read custom resources beyond Istio's",
    ),
    pass("apps", "ControllerRevision"),
    pass("batch", "Job"),
    pass("batch", "CronJob"),
    pass("autoscaling", "HorizontalPodAutoscaler"),
    pass("autoscaling.k8s.io", "VerticalPodAutoscaler"),
    pass("policy", "PodDisruptionBudget"),
    pass("policy", "PodSecurityPolicy"),
    pass("", "PersistentVolume"),
    pass("", "PersistentVolumeClaim"),
    pass("", "Event"),
    pass("", "LimitRange"),
    pass("", "ResourceQuota"),
    pass("", "PodTemplate"),
    pass("", "Binding"),
    pass("", "ComponentStatus"),
    pass("storage.k8s.io", "StorageClass"),
    pass("scheduling.k8s.io", "PriorityClass"),
    pass("coordination.k8s.io", "Lease"),
    pass("events.k8s.io", "Event"),
    pass("certificates.k8s.io", "CertificateSigningRequest"),
    pass("node.k8s.io", "RuntimeClass"),
    pass("rbac.authorization.k8s.io", "Role"),
    pass("rbac.authorization.k8s.io", "RoleBinding"),
    pass("rbac.authorization.k8s.io", "ClusterRole"),
    pass("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    pass("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    pass("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    pass("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    pass("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    pass("apiregistration.k8s.io", "APIService"),
    pass("cert-manager.io", "Certificate"),
    pass("cert-manager.io", "Issuer"),
    pass("cert-manager.io", "ClusterIssuer"),
    pass("monitoring.coreos.com", "ServiceMonitor"),
    pass("monitoring.coreos.com", "PodMonitor"),
    pass("monitoring.coreos.com", "PrometheusRule"),
];
