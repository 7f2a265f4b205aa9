//! What weft understands and does not do yet. Each line here is a loud warning, with its place, for whoever writes such
//! a field; whoever makes weft honour it deletes the line.

use super::finding::Findings;
use super::node::Node;
use super::path::Path;
use super::place::{has_value, says_something, visit};

/// One field: its kind, its place, and what follows for the user.
///
/// Places are written as `place` has them; `=VALUE` at the end is for that value alone (`=VALUE*`: for what begins so),
/// `=!VALUE` for every other.
pub(super) type Line = (&'static str, &'static str, &'static str);

const TRACING: &str = "no traces are sent";
const PORTS: &str = "the listener is the default one";
const TOKENS: &str =
    "tokens are not checked: this is unknown, so an ALLOW never matches by it and a DENY always does";
const TARGETS: &str = "sidecars heed selectors alone, so this is for none of them";
const LOCALITY: &str = "endpoints are chosen without regard to where they are";
const SECRET: &str = "certificates come from files, not from a Secret";
const PROXY: &str = "the proxy runs with its own defaults";
const BALANCED: &str = "requests go to any endpoint";

/// The kind under which the lines of a ProxyConfig of the mesh's API stand, wherever one is written: in a MeshConfig's
/// `defaultConfig` and in a pod's annotation `proxy.istio.io/config`.
pub(super) const PROXY_SETTINGS: &str = "proxy settings";

pub(super) const NOT_HONOURED: &[Line] = &[
    ("VirtualService", "spec.http[].match[].statPrefix", "no statistics are kept by this name"),
    ("VirtualService", "spec.tcp[].match[].sourceSubnet", "the caller's address is not looked at"),
    ("DestinationRule", "spec.trafficPolicy.portLevelSettings[].tls.credentialName", SECRET),
    (
        "DestinationRule",
        "spec.trafficPolicy.portLevelSettings[].tls.caCrl",
        "no certificate counts as revoked",
    ),
    ("DestinationRule", "spec.trafficPolicy.tls.credentialName", SECRET),
    ("DestinationRule", "spec.trafficPolicy.tls.caCrl", "no certificate counts as revoked"),
    ("DestinationRule", "spec.trafficPolicy.tunnel", "connections go straight to the service"),
    ("DestinationRule", "spec.trafficPolicy.proxyProtocol", "connections begin without the PROXY protocol"),
    ("DestinationRule", "spec.subsets[].trafficPolicy.tls.credentialName", SECRET),
    ("DestinationRule", "spec.subsets[].trafficPolicy.tls.caCrl", "no certificate counts as revoked"),
    ("DestinationRule", "spec.subsets[].trafficPolicy.tunnel", "connections go straight to the service"),
    (
        "DestinationRule",
        "spec.subsets[].trafficPolicy.proxyProtocol",
        "connections begin without the PROXY protocol",
    ),
    ("ServiceEntry", "spec.resolution=DYNAMIC_DNS", "no endpoint is found for it"),
    ("ServiceEntry", "spec.endpoints[].network", "every endpoint is reached directly"),
    ("WorkloadEntry", "spec.network", "every endpoint is reached directly"),
    ("WorkloadGroup", "spec", "no workload registers by itself"),
    ("Sidecar", "spec.ingress", "the proxy takes what its Services say"),
    ("Sidecar", "spec.egress[].bind", PORTS),
    ("Sidecar", "spec.egress[].captureMode", PORTS),
    ("Gateway", "spec.servers", "no gateway serves it"),
    ("ProxyConfig", "spec", PROXY),
    ("AuthorizationPolicy", "spec.action=CUSTOM", "no authorizer is asked: what its rules match is denied"),
    ("AuthorizationPolicy", "spec.targetRef", TARGETS),
    ("AuthorizationPolicy", "spec.targetRefs", TARGETS),
    ("AuthorizationPolicy", "spec.rules[].from[].source.requestPrincipals", TOKENS),
    ("AuthorizationPolicy", "spec.rules[].from[].source.notRequestPrincipals", TOKENS),
    ("AuthorizationPolicy", "spec.rules[].when[].key=request.auth.*", TOKENS),
    (
        "AuthorizationPolicy",
        "spec.rules[].when[].key=experimental.envoy.filters.*",
        "it is unknown, so an ALLOW never matches by it and a DENY always does",
    ),
    ("RequestAuthentication", "spec.jwtRules", "tokens are not checked: whoever brings one is answered 401"),
    ("RequestAuthentication", "spec.targetRef", TARGETS),
    ("RequestAuthentication", "spec.targetRefs", TARGETS),
    ("Telemetry", "spec.tracing", TRACING),
    ("Telemetry", "spec.metrics", "the metrics are Istio's default ones"),
    ("Telemetry", "spec.accessLogging[].filter", "every request is logged"),
    ("Telemetry", "spec.targetRef", TARGETS),
    ("Telemetry", "spec.targetRefs", TARGETS),
    ("IstioOperator", "spec.values.meshConfig", "only spec.meshConfig is read"),
    ("MeshConfig", "enableEnvoyAccessLogService", "access logs go to a file alone"),
    ("MeshConfig", "configSources", "resources come from the files given"),
    ("MeshConfig", "caCertificates", "no root but the mesh's own is trusted"),
    ("MeshConfig", "ca", "certificates come from weft's own authority"),
    ("MeshConfig", "certificates", "no certificates are made for it"),
    ("MeshConfig", "discoverySelectors", "every namespace is read"),
    ("MeshConfig", "serviceSettings", BALANCED),
    ("MeshConfig", "serviceScopeConfigs", BALANCED),
    ("MeshConfig", "verifyCertificateAtClient=false", "certificates are always verified"),
    ("MeshConfig", "inboundClusterStatName", "statistics have Istio's default names"),
    ("MeshConfig", "outboundClusterStatName", "statistics have Istio's default names"),
    ("MeshConfig", "compliancePolicy", "TLS is what weft offers: 1.2 and 1.3"),
    ("MeshConfig", "meshMTLS", "TLS is what weft offers: 1.2 and 1.3"),
    ("MeshConfig", "tlsDefaults", "TLS is what weft offers: 1.2 and 1.3"),
    ("MeshConfig", "defaultProviders.tracing", TRACING),
    (PROXY_SETTINGS, "tracing", TRACING),
    (PROXY_SETTINGS, "zipkinAddress", TRACING),
    (PROXY_SETTINGS, "statsdUdpAddress", "metrics are for Prometheus alone"),
    (PROXY_SETTINGS, "envoyAccessLogService", "access logs go to a file alone"),
    (PROXY_SETTINGS, "envoyMetricsService", "metrics are for Prometheus alone"),
    (PROXY_SETTINGS, "customConfigFile", PROXY),
    (PROXY_SETTINGS, "proxyBootstrapTemplatePath", PROXY),
    (PROXY_SETTINGS, "runtimeValues", PROXY),
    (PROXY_SETTINGS, "extraStatTags", "metrics have Istio's default labels"),
    (PROXY_SETTINGS, "gatewayTopology", "no gateway is served"),
    (PROXY_SETTINGS, "caCertificatesPem", "no root but the mesh's own is trusted"),
    (PROXY_SETTINGS, "privateKeyProvider", "keys are made and kept by the proxy itself"),
    (PROXY_SETTINGS, "drainDuration=!45s", "the connections of a listener that goes away have 45 s to end"),
    (PROXY_SETTINGS, "statusPort=!15020", "probes and /quitquitquit are on port 15020"),
    (PROXY_SETTINGS, "proxyAdminPort=!15000", "the admin pages are on port 15000"),
    (PROXY_SETTINGS, "readinessProbe", "the proxy is ready when /healthz/ready on port 15021 says so"),
    (PROXY_SETTINGS, "proxyStatsMatcher", "the metrics are those that weft has"),
    (PROXY_SETTINGS, "proxyHeaders", "headers are those of Istio's default"),
    ("Service", "spec.sessionAffinity=ClientIP", "a DestinationRule's consistentHash.useSourceIp does that"),
    ("Service", "spec.externalIPs", "the Service has no such address"),
    ("Service", "spec.internalTrafficPolicy=Local", LOCALITY),
    ("Pod", "metadata.annotations{proxy.istio.io/overrides}", PROXY),
    ("Pod", "spec.hostNetwork=true", "the pod gets an address of its own"),
    ("Deployment", "spec.template.metadata.annotations{proxy.istio.io/overrides}", PROXY),
    ("Deployment", "spec.template.spec.hostNetwork=true", "the pod gets an address of its own"),
    ("StatefulSet", "spec.template.metadata.annotations{proxy.istio.io/overrides}", PROXY),
    ("StatefulSet", "spec.template.spec.hostNetwork=true", "the pod gets an address of its own"),
    ("DaemonSet", "spec.template.metadata.annotations{proxy.istio.io/overrides}", PROXY),
    ("DaemonSet", "spec.template.spec.hostNetwork=true", "the pod gets an address of its own"),
];

/// Warns of everything in the document of a kind that weft does not honour.
pub(super) fn check(kind: &str, node: &Node, into: &mut Findings) {
    check_below(kind, node, &Path::ROOT, into);
}

/// The same, where what the lines speak of stands at `root` of the document.
pub(super) fn check_below(kind: &str, node: &Node, root: &Path<'_>, into: &mut Findings) {
    if kind == "MeshConfig" {
        visit(node, "defaultConfig", root, &mut |found, path| check_below(PROXY_SETTINGS, found, path, into));
    }
    for (line_kind, place, consequence) in NOT_HONOURED {
        if *line_kind == kind {
            let (place, value) = place.split_once('=').unwrap_or((place, ""));
            visit(node, place, root, &mut |found, path| {
                let meant = match value.strip_prefix('!') {
                    Some(usual) => !has_value(found, usual),
                    None => value.is_empty() || has_value(found, value),
                };
                if says_something(found) && meant {
                    into.warning(path, "weft does not honour this yet");
                    into.hint(*consequence);
                }
            });
        }
    }
}
