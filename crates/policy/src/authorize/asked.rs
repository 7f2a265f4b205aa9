//! The policies that were asked and said nothing, as people name them.

use std::fmt;
use weft_model::table::rbac::Policy;

/// Shown as their names, each once however many rules it has; of very many the first.
#[derive(Clone, Copy)]
pub struct Asked<'a>(pub &'a [Policy]);

/// Of more nobody reads the names.
const NAMED: usize = 5;

impl<'a> Asked<'a> {
    /// In the order of their names, in which rules of one policy stand together.
    fn names(self) -> impl Iterator<Item = Plain<'a>> {
        let mut last = None;
        self.0
            .iter()
            .map(|policy| Plain::of(&policy.name))
            .filter(move |name| last.replace(*name) != Some(*name))
    }
}

/// `foo/x` of `ns[foo]-policy[x]-rule[0]`, as Istio writes it; anything else as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain<'a> {
    Istios { namespace: &'a str, policy: &'a str },
    Other(&'a str),
}

impl<'a> Plain<'a> {
    fn of(name: &'a str) -> Self {
        let parts = name.strip_prefix("ns[").and_then(|rest| {
            let (namespace, rest) = rest.split_once("]-policy[")?;
            let (policy, _) = rest.rsplit_once("]-rule[")?;
            Some(Self::Istios { namespace, policy })
        });
        parts.unwrap_or(Self::Other(name))
    }
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Istios { namespace, policy } => write!(f, "{namespace}/{policy}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().take(NAMED).map(|name| name.to_string()).collect();
        match names.as_slice() {
            [] => write!(f, "no ALLOW policy is there that could match"),
            [one] => write!(f, "the ALLOW policy {one} does not match"),
            several => {
                let more = self.names().skip(NAMED).count();
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                write!(f, "none of the ALLOW policies {}{more} matches", several.join(", "))
            }
        }
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names().map(|name| name.to_string())).finish()
    }
}

impl PartialEq for Asked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.names().eq(other.names())
    }
}

impl Eq for Asked<'_> {}
