//! The ports of an app, and what is spoken on them.

use std::collections::BTreeMap;

use super::Port;
use crate::up::pods::Draft;
use crate::up::protocol::Protocol;
use crate::up::report;
use crate::up::services::{self, Service, Target};

/// The app's ports: those of its containers, and those that services lead to without the containers saying so. Where
/// services contradict each other, `notes` say so.
pub(super) fn of(draft: &Draft, selecting: &[&Service], notes: &mut Vec<String>) -> Vec<Port> {
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
    let exposed =
        || selecting.iter().flat_map(|service| service.ports.iter().map(move |port| (*service, port)));
    let is_carried = |target: &Target| {
        exposed().any(|(_, other)| other.target == *target && other.protocol != Protocol::Udp)
    };
    let mut first = BTreeMap::new();
    for (service, exposed) in
        exposed().filter(|(_, port)| port.protocol != Protocol::Udp || !is_carried(&port.target))
    {
        let known = ports.iter_mut().find(|port| match &exposed.target {
            Target::Number(number) => port.number == *number,
            Target::Name(name) => port.name.as_ref() == Some(name),
        });
        let number = match (known, &exposed.target) {
            (Some(port), _) => {
                // What a service declares about a port, callers' sidecars believe: so the stand-in speaks it. Of several
                // the first counts, as in the app's own sidecar.
                let is_said = exposed.protocol != Protocol::Auto || port.protocol == Protocol::Udp;
                if is_said && !first.contains_key(&port.number) {
                    port.protocol = exposed.protocol;
                }
                port.number
            }
            (None, Target::Number(number)) => {
                ports.push(Port { name: exposed.name.clone(), number: *number, protocol: exposed.protocol });
                *number
            }
            (None, Target::Name(_)) => continue,
        };
        if matches!(exposed.protocol, Protocol::Auto | Protocol::Udp) {
            continue;
        }
        let (by, other) = *first.entry(number).or_insert((service, exposed));
        if other.protocol != exposed.protocol {
            let note = contradiction(number, (by, other), (service, exposed));
            // Each replica's ports would say it again.
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    ports
}

fn contradiction(
    number: u16,
    first: (&Service, &services::Port),
    other: (&Service, &services::Port),
) -> String {
    let said = |(service, port): (&Service, &services::Port)| {
        let protocol = report::protocol(port.protocol);
        format!("{protocol} by port {} of service {}/{}", port.number, service.namespace, service.name)
    };
    format!(
        "port {number} of an app is {}, and {}: one port speaks one protocol; a stand-in speaks {}",
        said(first),
        said(other),
        report::protocol(first.1.protocol),
    )
}
