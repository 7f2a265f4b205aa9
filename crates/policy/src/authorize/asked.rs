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
    fn names(self) -> impl Iterator<Item = String> + 'a {
        let mut last: Option<String> = None;
        self.0.iter().filter_map(move |policy| {
            let name = plain(&policy.name);
            let is_new = last.as_ref() != Some(&name);
            last = Some(name.clone());
            is_new.then_some(name)
        })
    }
}

/// `foo/x` of `ns[foo]-policy[x]-rule[0]`, as Istio writes it; anything else as it is.
fn plain(name: &str) -> String {
    let parts = name.strip_prefix("ns[").and_then(|rest| {
        let (namespace, rest) = rest.split_once("]-policy[")?;
        let (policy, _) = rest.rsplit_once("]-rule[")?;
        Some(format!("{namespace}/{policy}"))
    });
    parts.unwrap_or_else(|| name.to_owned())
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().take(NAMED).collect();
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
        f.debug_list().entries(self.names()).finish()
    }
}

impl PartialEq for Asked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.names().eq(other.names())
    }
}

impl Eq for Asked<'_> {}
