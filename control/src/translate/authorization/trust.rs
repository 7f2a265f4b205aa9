//! Trust domains that count as one: a principal of any of them is one of all of them.

/// The mesh's trust domain, and what else counts as it.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// `trustDomain`.
    pub domain: &'a str,
    /// `trustDomainAliases`.
    pub aliases: &'a [String],
}

impl Trust<'_> {
    fn domains(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.domain).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whether a trust domain is one of these by its own name.
    pub(super) fn counts(&self, domain: &str) -> bool {
        self.domains().any(|ours| ours == domain)
    }

    /// The principals that `written` stands for: its own, and the same of every domain that counts as its own.
    /// `cluster.local` is how policies name the mesh's own domain, whatever that is.
    pub(super) fn principals(&self, written: &str) -> Vec<String> {
        let parts: Vec<&str> = written.split('/').collect();
        // Only domain/ns/NAMESPACE/sa/ACCOUNT names a domain.
        let [domain, rest @ ..] = parts.as_slice() else { return vec![written.to_owned()] };
        let is_ours = *domain == "cluster.local" || self.domains().any(|ours| covers(domain, ours));
        if rest.len() != 4 || *domain == "*" || !is_ours {
            return vec![written.to_owned()];
        }
        let mut principals: Vec<String> = Vec::new();
        for ours in self.domains() {
            let principal = if domain.starts_with('*') && covers(domain, ours) {
                written.to_owned()
            } else {
                format!("{ours}/{}", rest.join("/"))
            };
            if !principals.contains(&principal) {
                principals.push(principal);
            }
        }
        principals
    }

    /// The trust domains that `written` stands for.
    pub(super) fn expand(&self, written: &str) -> Vec<String> {
        if self.counts(written) {
            self.domains().map(str::to_owned).collect()
        } else {
            vec![written.to_owned()]
        }
    }
}

/// Whether a pattern (a name, `*suffix` or `prefix*`) holds for a domain.
fn covers(pattern: &str, domain: &str) -> bool {
    if let Some(suffix) = pattern.strip_prefix('*') {
        return domain.ends_with(suffix);
    }
    match pattern.strip_suffix('*') {
        Some(prefix) => domain.starts_with(prefix),
        None => pattern == domain,
    }
}
