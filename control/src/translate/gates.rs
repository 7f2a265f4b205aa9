//! The filters that judge what comes to a proxy's app: tokens, then AuthorizationPolicies.

use weft_model::http::HttpFilter;
use weft_model::listener::NetworkFilter;

use super::authorization::{self, Authorizer, Context, Gate, Gates, Layer, Target, Trust};
use super::{Proxy, jwt, names};
use crate::world::World;

/// In front of requests.
pub(super) fn http(proxy: &Proxy<'_>) -> Vec<HttpFilter> {
    let Gates { custom, judges } = gates(proxy, Layer::Http);
    let tokens = jwt::applying(&proxy.world.resources.request_authentications, &target(proxy));
    let tokens = jwt::filter(&tokens, &|host, port| {
        let known = proxy.scope.service(host).is_some_and(|service| service.port(port).is_some());
        known.then(|| names::outbound(port, "", host))
    });
    let mut filters: Vec<HttpFilter> = custom.into_iter().map(HttpFilter::from).collect();
    filters.extend(tokens.map(HttpFilter::JwtAuthn));
    filters.extend(judges.into_iter().map(HttpFilter::from));
    filters
}

/// In front of connections.
pub(super) fn tcp(proxy: &Proxy<'_>) -> Vec<NetworkFilter> {
    let Gates { custom, judges } = gates(proxy, Layer::Tcp);
    let all: Vec<Gate> = custom.into_iter().chain(judges).collect();
    all.into_iter().map(NetworkFilter::from).collect()
}

fn gates(proxy: &Proxy<'_>, layer: Layer) -> Gates {
    let policies = authorization::applying(&proxy.world.resources.authorization_policies, &target(proxy));
    let find = |name: &str| authorizer(proxy.world, name);
    let context = Context { trust: trust(proxy.world), authorizer: &find };
    authorization::gates(&policies, layer, &context)
}

fn target<'a>(proxy: &'a Proxy<'_>) -> Target<'a> {
    Target {
        namespace: &proxy.namespace,
        labels: &proxy.labels,
        root_namespace: &proxy.world.mesh.root_namespace,
    }
}

/// Trust domains that count as the mesh's.
pub(crate) fn trust(world: &World) -> Trust<'_> {
    Trust { domain: &world.mesh.trust_domain, aliases: &world.mesh.trust_domain_aliases }
}

/// The external authorizer of that name, if its service exists.
pub(crate) fn authorizer(world: &World, name: &str) -> Option<Authorizer> {
    let known = |host: &str| world.services.iter().any(|service| service.host == host);
    authorization::authorizer(&world.mesh.config.extension_providers, name, &known)
}
