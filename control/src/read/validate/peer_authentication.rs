//! PeerAuthentication.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::peer_authentication::PeerAuthentication;

/// Checks a PeerAuthentication.
pub(in crate::read) fn check(policy: &PeerAuthentication, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::policy_target::check(policy.selector.as_ref(), None, &[], &spec, into);
    let at = spec.key("portLevelMtls");
    let selects = policy.selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
    if !policy.port_level_mtls.is_empty() && !selects {
        into.error(&at, "ports are a workload's: portLevelMtls needs a selector");
    }
    if policy.port_level_mtls.contains_key(&0) {
        into.error(&at.key("0"), "0 is not a port: 1 to 65535");
    }
}
