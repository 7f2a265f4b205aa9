//! Whether a caller may have a node's configuration: it must be who the node says it is, and who the node's workload is.

use tonic::Status;
use weft_model::node::Role;

use super::{Callers, Watcher};
use crate::translate::Proxy;
use crate::world::World;

/// Refuses whoever asks for another's, and whoever asks for what is not made here.
pub(super) fn check(world: &World, watcher: &Watcher) -> Result<(), Status> {
    let (role, generator) = (watcher.node.role, &watcher.node.metadata.generator);
    if role != Role::Sidecar {
        return Err(Status::unimplemented(format!(
            "this control plane serves sidecars, and no {}",
            role.as_str()
        )));
    }
    if !generator.is_empty() {
        return Err(Status::unimplemented(format!(
            "this control plane makes no configuration for GENERATOR {generator:?}"
        )));
    }
    let Some(caller) = &watcher.caller else {
        return match watcher.callers {
            Callers::Believed => Ok(()),
            Callers::Proven => Err(Status::unauthenticated(
                "the control plane serves nobody unknown: show a certificate of the mesh or a service account token",
            )),
        };
    };
    let node = &watcher.node;
    if caller.namespace != node.namespace() {
        return Err(Status::permission_denied(format!(
            "{caller} asks for a proxy of namespace {:?}; a proxy gets its own configuration alone",
            node.namespace()
        )));
    }
    let claimed = &node.metadata.service_account;
    if !claimed.is_empty() && *claimed != caller.service_account {
        return Err(Status::permission_denied(format!(
            "{caller} says that its service account is {claimed:?}; a proxy gets its own configuration alone"
        )));
    }
    let workload = Proxy::workload_of(world, node);
    match workload.map(|workload| workload.service_account.as_str()) {
        None | Some("") => Ok(()),
        Some(account) if account == caller.service_account => Ok(()),
        Some(account) => Err(Status::permission_denied(format!(
            "{caller} asks for the configuration of {}, whose service account is {account:?}",
            node.name
        ))),
    }
}
