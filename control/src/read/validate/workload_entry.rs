//! WorkloadEntry and WorkloadGroup.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::workload_entry::{WorkloadEntry, WorkloadGroup};

/// Checks a WorkloadEntry.
pub(in crate::read) fn check(workload: &WorkloadEntry, into: &mut Findings) {
    let root = Path::ROOT;
    entry(workload, &root.key("spec"), into);
}

/// Checks a WorkloadGroup; the entries made from it bring their own address.
pub(in crate::read) fn group(group: &WorkloadGroup, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    let Some(template) = &group.template else {
        into.error(&spec, "`template` is missing");
        return;
    };
    let at = spec.key("template");
    if !template.address.is_empty() {
        into.error(&at.key("address"), "each workload brings its own address");
    }
    rest(template, &at, into);
}

/// Checks one workload.
pub(super) fn entry(workload: &WorkloadEntry, at: &Path<'_>, into: &mut Findings) {
    let address = workload.address.as_str();
    if address.is_empty() {
        if workload.network.is_empty() {
            into.error(at, "`address` is missing");
        }
    } else if let Some(socket) = address.strip_prefix("unix://") {
        if !socket.starts_with('/') {
            into.error(&at.key("address"), "a socket's path is absolute: unix:///run/app.sock");
        }
        if !workload.ports.is_empty() {
            into.error(&at.key("ports"), "a socket has no ports");
        }
    } else if !super::network::is_address(address)
        && let Err(why) = super::host::fqdn(address)
    {
        into.error(&at.key("address"), why);
    }
    rest(workload, at, into);
}

fn rest(workload: &WorkloadEntry, at: &Path<'_>, into: &mut Findings) {
    for (name, port) in &workload.ports {
        super::port::number(*port, &at.key("ports").key(name), into);
    }
    super::names::label_map(&workload.labels, &at.key("labels"), into);
    if workload.locality.split('/').count() > 3 {
        into.error(&at.key("locality"), format!("{:?} is not region/zone/subzone", workload.locality));
    }
    if !workload.service_account.is_empty()
        && let Err(why) = super::names::subdomain(&workload.service_account)
    {
        into.error(&at.key("serviceAccount"), why);
    }
}
