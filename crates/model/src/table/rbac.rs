//! Compiled authorization: the RBAC tree as it arrived, its texts and regexes compiled once, and for each rule set an
//! index that names the few policies which a request can meet at all.

mod index;

use ipnet::IpNet;

pub use self::index::{Candidates, Facts, Header, Index};
use crate::rbac::Action;
use crate::table::header::HeaderMatch;
use crate::table::template::Template;
use crate::table::text::Text;

/// One step of authorization, in the order of the filters.
#[derive(Debug, Clone)]
pub enum Gate {
    /// An RBAC filter.
    Rbac(Box<RbacFilter>),
    /// A question to somebody else (a CUSTOM policy), for requests that a shadow rule before it picked.
    Custom {
        /// Who would be asked: the prefix of the shadow rules that pick requests; empty: every request.
        provider: Box<str>,
    },
}

/// One RBAC filter.
#[derive(Debug, Clone, Default)]
pub struct RbacFilter {
    /// What is enforced.
    pub rules: Option<Rules>,
    /// What is only noted.
    pub shadow: Option<Rules>,
    /// Whose shadow it is: `istio_dry_run_allow_`, `istio_ext_authz_`.
    pub shadow_prefix: Box<str>,
    /// Prefix of its statistics.
    pub stat_prefix: Box<str>,
}

/// One set of policies.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What a match does.
    pub action: Action,
    /// By name, in the names' order; they are OR-ed.
    pub policies: Vec<Policy>,
    /// Which of them a request can meet.
    pub index: Index,
}

/// One policy: any permission AND any principal.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `ns[foo]-policy[x]-rule[0]`.
    pub name: Box<str>,
    /// What is done.
    pub permission: Rule,
    /// Who does it.
    pub principal: Rule,
    /// It has a condition that nobody here evaluates.
    pub undecidable: bool,
}

/// What must hold of a request or its connection; permissions and principals alike.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Always.
    Any,
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// Not it.
    Not(Box<Self>),
    /// A request header.
    Header(HeaderMatch),
    /// The path without its query and fragment.
    UrlPath(Text),
    /// The same by template.
    UriTemplate(Box<Template>),
    /// The connection's destination address.
    DestinationIp(IpNet),
    /// Its port, within first..=last.
    DestinationPort(u16, u16),
    /// The TLS server name.
    ServerName(Text),
    /// A URI SAN of the peer; `None`: it has a certificate.
    Authenticated(Option<Text>),
    /// The other end's address.
    DirectRemoteIp(IpNet),
    /// The client's address.
    RemoteIp(IpNet),
    /// It cannot be decided, and why.
    Unknown(Box<str>),
}
