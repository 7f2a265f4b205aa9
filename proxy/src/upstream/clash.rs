//! Two ends that do not agree on mTLS: what to look at once a connection has failed, in words.

use std::net::SocketAddr;

use rustls::{Error, InvalidMessage};
use weft_model::cluster::Cluster;

use super::connect::{Carrier, ConnectError};
use super::outbound::Outbound;
use crate::snapshot::ClusterView;

/// What to look at where an endpoint ended a new connection without a word: a DestinationRule may have it called in
/// plaintext, where mTLS alone is taken.
pub fn of_silence(view: &ClusterView, endpoint: SocketAddr) -> Option<String> {
    let settings = &view.cluster.settings;
    let called = view.endpoints.iter().find(|called| called.address == endpoint)?;
    let is_plain = matches!(*called.carrier, Carrier::Raw);
    // Where nobody says it, each endpoint is called as it takes it.
    let is_asked_for = settings.transport_matches.is_empty() && rule(settings).is_some();
    let in_mesh = Outbound::of(&settings.name).is_some_and(|of| of.host.contains(".svc."));
    (is_plain && is_asked_for && in_mesh).then(|| {
        format!(
            "{} has it called in plaintext, which its sidecar does not take under PeerAuthentication STRICT",
            mode(settings)
        )
    })
}

/// What to look at where an endpoint was called in TLS and did not answer in it.
pub fn of_failure(view: &ClusterView, error: &ConnectError) -> Option<String> {
    let ConnectError::Tls { address, error } = error else { return None };
    let what = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let is_plain = matches!(what, Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)));
    if !is_plain && error.kind() != std::io::ErrorKind::UnexpectedEof {
        return None;
    }
    let called = view.endpoints.iter().find(|called| called.address == *address)?;
    let Carrier::Tls(tls) = &*called.carrier else { return None };
    let mode = mode(&view.cluster.settings);
    Some(match tls.istio {
        true => format!(
            "{mode} asks for mTLS, which a pod without a sidecar or under PeerAuthentication DISABLE does not take"
        ),
        false => format!("{mode} asks for TLS, which the server's port may not speak"),
    })
}

/// What decided how an endpoint is called.
fn mode(settings: &Cluster) -> String {
    match rule(settings).filter(|_| settings.transport_matches.is_empty()) {
        Some(rule) => format!("trafficPolicy.tls.mode of {rule}"),
        None => "auto mTLS, by what is known of the pod,".to_owned(),
    }
}

/// The DestinationRule that a cluster is made by: `/apis/networking.istio.io/v1/namespaces/shop/destination-rule/web`.
fn rule(settings: &Cluster) -> Option<String> {
    let (_, rest) = settings.istio.config.split_once("/namespaces/")?;
    let (namespace, name) = rest.split_once("/destination-rule/")?;
    Some(format!("DestinationRule {namespace}/{name}"))
}
