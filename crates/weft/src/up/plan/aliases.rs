//! Names that a pod's template gives to addresses of its choice (`hostAliases`), for its `/etc/hosts`.

use super::Draft;
use std::net::IpAddr;

/// An address, and what it is called.
pub(crate) type Alias = (IpAddr, Vec<String>);

/// Those of the pod `title`; none on loopback, where pods share the machine's file.
pub(super) fn of(draft: &Draft, title: &str, own: bool, notes: &mut Vec<String>) -> Vec<Alias> {
    let all = draft.spec.host_aliases.iter().flatten();
    if !own {
        if all.count() > 0 {
            notes.push(format!(
                "pod {title}: hostAliases: on loopback a pod has no /etc/hosts of its own; `weft up --netns` gives one"
            ));
        }
        return Vec::new();
    }
    let mut aliases = Vec::new();
    for alias in all {
        let is_name = |name: &&String| !name.is_empty() && !name.contains(char::is_whitespace);
        let names: Vec<String> = alias.hostnames.iter().flatten().filter(is_name).cloned().collect();
        match alias.ip.parse() {
            Ok(address) if !names.is_empty() => aliases.push((address, names)),
            Ok(_) => {}
            Err(_) => notes.push(format!("pod {title}: hostAliases: {:?} is no address", alias.ip)),
        }
    }
    aliases
}
