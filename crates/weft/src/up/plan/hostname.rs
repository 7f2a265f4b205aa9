//! What a pod calls itself: its `hostname`, or else its name, as in a cluster.

use super::{Draft, Environment, Pod};

/// A kubelet cuts a longer name.
const LONGEST: usize = 63;

/// The host name of `draft`'s pod `name`. Its app's `HOSTNAME` says it, unless the manifest has set that.
pub(super) fn give(environment: &mut Environment, draft: &Draft, name: &str) -> String {
    let full = draft.spec.hostname.as_deref().filter(|asked| !asked.is_empty()).unwrap_or(name);
    let cut = full.get(..LONGEST).unwrap_or(full).trim_end_matches(['-', '.']);
    if environment.value("HOSTNAME").is_none() {
        environment.set("HOSTNAME", cut.to_owned());
    }
    cut.to_owned()
}

impl Pod {
    /// What it calls itself.
    pub(crate) fn hostname(&self) -> &str {
        // A plan of an older version does not tell.
        if self.hostname.is_empty() { &self.name } else { &self.hostname }
    }
}
