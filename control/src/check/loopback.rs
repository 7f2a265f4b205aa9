//! What only works where the kernel tells a proxy the address that a connection was going to.

use super::Checked;

/// What there is of a VirtualService's own fields by which a connection's address counts.
const KIND: &str = "VirtualService";

impl Checked<'_> {
    pub(super) fn loopback(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.virtual_services {
            let tcp = object.spec.tcp.iter().enumerate().flat_map(|(route, written)| {
                let subnets = written.matches.iter().map(|of| &of.destination_subnets);
                subnets.enumerate().map(move |(at, subnets)| ("tcp", route, at, subnets))
            });
            let tls = object.spec.tls.iter().enumerate().flat_map(|(route, written)| {
                let subnets = written.matches.iter().map(|of| &of.destination_subnets);
                subnets.enumerate().map(move |(at, subnets)| ("tls", route, at, subnets))
            });
            for (list, route, at, _) in tcp.chain(tls).filter(|(.., subnets)| !subnets.is_empty()) {
                let path = format!("spec.{list}[{route}].match[{at}].destinationSubnets");
                let message = "without interception a proxy does not see the address that a connection was going to: this match takes nothing";
                let hint =
                    "in network namespaces (`weft up --netns`) it does; or match by port, or by sniHosts";
                self.warn(KIND, object, path, message.to_owned(), Some(hint.to_owned()));
            }
        }
    }
}
