//! The ports of an app, and what is spoken on them.

use super::Port;
use crate::up::pods::Draft;
use crate::up::protocol::Protocol;
use crate::up::services::{Service, Target};

/// The app's ports: those of its containers, and those that services lead to without the containers saying so.
pub(super) fn of(draft: &Draft, selecting: &[&Service]) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for port in draft.containers().flat_map(|container| container.ports.iter().flatten()) {
        let Some(number) = u16::try_from(port.container_port).ok().filter(|number| *number != 0) else {
            continue;
        };
        let protocol = Protocol::declared(port.name.as_deref(), None, port.protocol.as_deref(), number);
        let own = Port { name: port.name.clone(), number, protocol };
        match ports.iter_mut().find(|known| known.number == number) {
            // Of two transports the one counts that is carried.
            Some(known) if known.protocol == Protocol::Udp => *known = own,
            Some(_) => {}
            None => ports.push(own),
        }
    }
    let exposed = || selecting.iter().flat_map(|service| &service.ports);
    let is_carried =
        |target: &Target| exposed().any(|other| other.target == *target && other.protocol != Protocol::Udp);
    for exposed in exposed().filter(|port| port.protocol != Protocol::Udp || !is_carried(&port.target)) {
        let known = ports.iter_mut().find(|port| match &exposed.target {
            Target::Number(number) => port.number == *number,
            Target::Name(name) => port.name.as_ref() == Some(name),
        });
        match (known, &exposed.target) {
            // What a service declares about a port, callers' sidecars believe: so the stand-in speaks it.
            (Some(port), _) if exposed.protocol != Protocol::Auto || port.protocol == Protocol::Udp => {
                port.protocol = exposed.protocol;
            }
            (None, Target::Number(number)) => {
                ports.push(Port { name: exposed.name.clone(), number: *number, protocol: exposed.protocol });
            }
            _ => {}
        }
    }
    ports
}
