//! Authorization settings: `envoy.config.rbac.v3` and the RBAC filters, as they arrive.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::matcher::{HeaderMatcher, MetadataMatcher, StringMatcher};

/// One RBAC filter, HTTP or network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RbacFilter {
    /// What is enforced; `None` enforces nothing.
    pub rules: Option<Rbac>,
    /// What is only counted and logged: Istio's dry-run, and the shadow of CUSTOM policies.
    pub shadow_rules: Option<Rbac>,
    /// Prefix of the shadow rules' statistics and metadata (`istio_dry_run_allow_`, `istio_ext_authz_`).
    pub shadow_rules_stat_prefix: String,
    /// Prefix of its statistics (network filter; empty on HTTP).
    pub stat_prefix: String,
}

/// `envoy.config.rbac.v3.RBAC`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rbac {
    /// What a match does.
    pub action: Action,
    /// The policies by name (`ns[foo]-policy[x]-rule[0]`); they are OR-ed.
    pub policies: BTreeMap<String, Policy>,
}

/// What a matching policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Lets through; nothing else is let through.
    Allow,
    /// Refuses; everything else is let through.
    Deny,
    /// Only notes the match.
    Log,
}

/// One policy: any permission AND any principal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy {
    /// What is done; OR-ed, none never matches.
    pub permissions: Vec<Permission>,
    /// Who does it; OR-ed, none never matches.
    pub principals: Vec<Principal>,
    /// A CEL condition stands there, which nobody here evaluates: the policy is undecidable.
    pub has_condition: bool,
}

/// What is done: `envoy.config.rbac.v3.Permission`.
#[derive(Debug, Clone, PartialEq)]
pub enum Permission {
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// Not it.
    Not(Box<Self>),
    /// Always.
    Any,
    /// A request header.
    Header(HeaderMatcher),
    /// The path without its query.
    UrlPath(StringMatcher),
    /// The path by template, in Envoy's spelling: `/a/*/b/**` (Istio's YAML says `/a/{*}/b/{**}`).
    UriTemplate(String),
    /// The connection's destination address.
    DestinationIp(IpNet),
    /// Its port.
    DestinationPort(u16),
    /// Its port, within first..=last.
    DestinationPortRange(u16, u16),
    /// Dynamic metadata.
    Metadata(MetadataMatcher),
    /// The TLS server name.
    RequestedServerName(StringMatcher),
    /// Something that this program does not know; it is never decided.
    Unknown(String),
}

/// Who does it: `envoy.config.rbac.v3.Principal`.
#[derive(Debug, Clone, PartialEq)]
pub enum Principal {
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// Not it.
    Not(Box<Self>),
    /// Anybody.
    Any,
    /// The peer's URI SAN, from mTLS; `None`: any authenticated peer.
    Authenticated(Option<StringMatcher>),
    /// The address of the connection's other end.
    DirectRemoteIp(IpNet),
    /// The client's address, by x-forwarded-for where that is trusted.
    RemoteIp(IpNet),
    /// A request header.
    Header(HeaderMatcher),
    /// The path without its query.
    UrlPath(StringMatcher),
    /// Dynamic metadata.
    Metadata(MetadataMatcher),
    /// Filter state by key; `io.istio.peer_principal` is the peer's principal.
    FilterState {
        /// The key.
        key: String,
        /// What its string form must be.
        value: StringMatcher,
    },
    /// Something that this program does not know; it is never decided.
    Unknown(String),
}
