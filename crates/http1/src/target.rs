//! The four forms of a request target (RFC 9112 3.2).

use memchr::memchr;

use crate::syntax::is_visible;
use crate::{Authority, Refusal};

/// A request target, taken apart. Paths are not normalized here: routing, policy and the upstream see one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`.
    Origin(&'a str),
    /// `http://host:port/path?query`, as sent to a proxy.
    Absolute {
        /// The scheme, whatever its case was.
        scheme: Scheme,
        /// `host` or `host:port`, never empty.
        authority: &'a str,
        /// What follows: empty, or from its `/` or `?` on.
        path_and_query: &'a str,
    },
    /// CONNECT's `host:port`.
    Authority(&'a str),
    /// OPTIONS' `*`.
    Asterisk,
}

/// The scheme of an absolute target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl<'a> Target<'a> {
    /// Reads `target` as the form that `method` allows.
    pub fn parse(method: &str, target: &'a str) -> Result<Self, Refusal> {
        if method == "CONNECT" {
            return match Authority::parse(target) {
                Ok(Authority { port: Some(1..), .. }) => Ok(Self::Authority(target)),
                _ => Err(Refusal::TargetDoesNotFitMethod),
            };
        }
        match target.as_bytes() {
            [b'/', ..] => Ok(Self::Origin(target)),
            b"*" if method == "OPTIONS" => Ok(Self::Asterisk),
            b"*" => Err(Refusal::TargetDoesNotFitMethod),
            _ => Self::parse_absolute(target),
        }
    }

    fn parse_absolute(target: &'a str) -> Result<Self, Refusal> {
        let (scheme, rest) = target.split_once("://").ok_or(Refusal::InvalidTarget)?;
        let scheme = if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else {
            return Err(Refusal::InvalidTarget);
        };
        let (authority, path_and_query) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(Refusal::TargetUserinfo);
        }
        Authority::parse(authority)?;
        Ok(Self::Absolute { scheme, authority, path_and_query })
    }
}

/// Visible ASCII without `#`. httparse lets UTF-8 pass, which some upstreams decode and some do not.
pub(crate) fn check_target_bytes(target: &str) -> Result<(), Refusal> {
    if target.is_empty() || !is_visible(target.as_bytes()) {
        Err(Refusal::InvalidTarget)
    } else if memchr(b'#', target.as_bytes()).is_some() {
        Err(Refusal::TargetFragment)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
