//! The resource types of the mesh, and the little that a session must know about each.

/// `envoy.config.cluster.v3.Cluster` (CDS).
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// `envoy.config.endpoint.v3.ClusterLoadAssignment` (EDS).
pub const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// `envoy.config.listener.v3.Listener` (LDS).
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// `envoy.config.route.v3.RouteConfiguration` (RDS).
pub const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// `envoy.extensions.transport_sockets.tls.v3.Secret` (SDS).
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// `envoy.config.core.v3.TypedExtensionConfig` (ECDS).
pub const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
/// `istio.networking.nds.v1.NameTable` (NDS): one resource, whose name is empty.
pub const NAME_TABLE: &str = "type.googleapis.com/istio.networking.nds.v1.NameTable";
/// `istio.mesh.v1alpha1.ProxyConfig` (PCDS).
pub const PROXY_CONFIG: &str = "type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig";
/// `istio.v1.HealthInformation`, which a proxy reports upwards.
pub const HEALTH: &str = "type.googleapis.com/istio.v1.HealthInformation";

/// The wrapper that SotW servers may put around a resource to give it a name and a version.
pub(crate) const WRAPPED: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// Place in the push order: CDS, EDS, LDS, RDS, SDS, then the rest.
#[must_use]
pub fn rank(type_url: &str) -> u8 {
    match type_url {
        CLUSTER => 0,
        ENDPOINTS => 1,
        LISTENER => 2,
        ROUTES => 3,
        SECRET => 4,
        _ => 5,
    }
}

/// Whether a SotW response of this type is the whole truth, so that absence from it means removal.
#[must_use]
pub fn full_state(type_url: &str) -> bool {
    matches!(type_url, CLUSTER | LISTENER)
}
