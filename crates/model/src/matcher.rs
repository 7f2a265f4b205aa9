//! Matchers as Envoy's configuration writes them: `envoy.type.matcher.v3` and `HeaderMatcher`.

use std::ops::Range;

/// `envoy.type.matcher.v3.StringMatcher`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringMatcher {
    /// What to look for.
    pub pattern: Pattern,
    /// Letters' case does not count; has no effect on a regex.
    pub ignore_case: bool,
}

/// The shapes of a string match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// The whole string.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// Its end.
    Suffix(String),
    /// Anywhere in it.
    Contains(String),
    /// A RE2 regex that must match the whole string.
    Regex(String),
}

impl StringMatcher {
    /// Matches exactly `text`.
    pub fn exact(text: impl Into<String>) -> Self {
        Pattern::Exact(text.into()).into()
    }
}

impl From<Pattern> for StringMatcher {
    fn from(pattern: Pattern) -> Self {
        Self { pattern, ignore_case: false }
    }
}

/// `envoy.config.route.v3.HeaderMatcher`; the pseudo headers are `:method`, `:path`, `:authority` and `:scheme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatcher {
    /// The header's name, in lower case.
    pub name: String,
    /// What its value must be.
    pub value: HeaderValueMatch,
    /// The verdict is turned round.
    pub invert: bool,
    /// A missing header counts as an empty one.
    pub treat_missing_as_empty: bool,
}

/// What a header's value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValueMatch {
    /// It is there (true) or it is not (false).
    Present(bool),
    /// It matches.
    String(StringMatcher),
    /// It is an integer within the range.
    Range(Range<i64>),
}

/// `envoy.config.route.v3.QueryParameterMatcher`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMatcher {
    /// The parameter's name.
    pub name: String,
    /// What its value must be; `None` asks for presence alone.
    pub value: Option<StringMatcher>,
}

/// `envoy.type.matcher.v3.MetadataMatcher`, as far as Istio writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataMatcher {
    /// The filter whose metadata is meant, such as `envoy.filters.http.jwt_authn`.
    pub filter: String,
    /// The path of keys.
    pub path: Vec<String>,
    /// What the value must be.
    pub value: MetadataValue,
    /// The verdict is turned round.
    pub invert: bool,
}

/// What a piece of metadata must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataValue {
    /// A string that matches.
    String(StringMatcher),
    /// A list with one element that matches.
    ListOneOf(Box<Self>),
    /// It is there (true) or not.
    Present(bool),
    /// One of these.
    Or(Vec<Self>),
    /// Something that this program does not know; it is never decided.
    Unknown(String),
}
