//! A request that no codec brought: somebody wrote it down, to ask what would become of it.

use super::RequestView;

/// A request in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host, with its port if it names one.
    pub authority: String,
    /// The path with its query.
    pub path: String,
    /// Headers in their order, in any case.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Written {
    /// A GET without headers, in the clear.
    pub fn get(authority: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            scheme: "http".to_owned(),
            authority: authority.into(),
            path: path.into(),
            headers: Vec::new(),
        }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The same for another host.
    #[must_use]
    pub fn host(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// The same over TLS.
    #[must_use]
    pub fn https(mut self) -> Self {
        "https".clone_into(&mut self.scheme);
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }
}

impl RequestView for Written {
    fn method(&self) -> &str {
        &self.method
    }
    fn scheme(&self) -> &str {
        &self.scheme
    }
    fn authority(&self) -> &str {
        &self.authority
    }
    fn path(&self) -> &str {
        &self.path
    }
    fn header<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        let named = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.for_each(|(_, value)| each(value));
    }
}
