//! Compiled matchers on headers and query parameters.

use std::ops::Range;

use smallvec::SmallVec;

use crate::matcher::{HeaderMatcher, HeaderValueMatch, QueryMatcher};
use crate::request::RequestView;
use crate::table::re2::Re2Error;
use crate::table::text::Text;

/// All values of one header.
pub type Values<'a> = SmallVec<[&'a [u8]; 4]>;

/// A compiled `HeaderMatcher`.
#[derive(Debug, Clone)]
pub struct HeaderMatch {
    /// The header's name, in lower case.
    pub name: Box<str>,
    /// What its value must be.
    pub value: ValueMatch,
    /// The verdict is turned round.
    pub invert: bool,
    /// A missing header counts as an empty one.
    pub missing_is_empty: bool,
}

/// What a header's value must be.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// There, or not there.
    Present(bool),
    /// A text.
    Text(Text),
    /// A number.
    Range(Range<i64>),
    /// It cannot be decided, and why.
    Broken(Box<str>),
}

impl HeaderMatch {
    /// Compiles a matcher; a bad regex becomes [`ValueMatch::Broken`], which the second value explains.
    pub fn new(settings: &HeaderMatcher) -> (Self, Option<Re2Error>) {
        let (value, error) = match &settings.value {
            HeaderValueMatch::Present(present) => (ValueMatch::Present(*present), None),
            HeaderValueMatch::Range(range) => (ValueMatch::Range(range.clone()), None),
            HeaderValueMatch::String(matcher) => match Text::new(matcher) {
                Ok(text) => (ValueMatch::Text(text), None),
                Err(error) => (ValueMatch::Broken(error.to_string().into()), Some(error)),
            },
        };
        let name = settings.name.to_ascii_lowercase().into();
        (
            Self { name, value, invert: settings.invert, missing_is_empty: settings.treat_missing_as_empty },
            error,
        )
    }
}

impl ValueMatch {
    /// Whether one value matches; `None` if that cannot be said.
    pub fn matches(&self, value: &[u8]) -> Option<bool> {
        match self {
            Self::Present(present) => Some(*present),
            Self::Text(text) => text.matches(value),
            Self::Range(range) => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                Some(number.is_some_and(|number: i64| range.contains(&number)))
            }
            Self::Broken(_) => None,
        }
    }
}

/// All values of a header; pseudo headers have one, `host` is the authority.
pub fn values<'a>(request: &'a impl RequestView, name: &str) -> Values<'a> {
    let mut values = Values::new();
    match name {
        ":method" => values.push(request.method().as_bytes()),
        ":path" => values.push(request.path().as_bytes()),
        ":scheme" => values.push(request.scheme().as_bytes()),
        ":authority" | "host" => {
            if !request.authority().is_empty() {
                values.push(request.authority().as_bytes());
            }
        }
        _ => request.header(name, &mut |value| values.push(value)),
    }
    values
}

/// Several values as one, joined by commas, as a header map shows them.
pub fn joined(values: &[&[u8]]) -> SmallVec<[u8; 256]> {
    let mut all = SmallVec::new();
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            all.push(b',');
        }
        all.extend_from_slice(value);
    }
    all
}

/// A compiled `QueryParameterMatcher`.
#[derive(Debug, Clone)]
pub struct QueryMatch {
    /// The parameter's name.
    pub name: Box<str>,
    /// What its value must be; `None`: it is there.
    pub value: Option<ValueMatch>,
}

impl QueryMatch {
    /// Compiles a matcher; a bad regex becomes [`ValueMatch::Broken`], which the second value explains.
    pub fn new(settings: &QueryMatcher) -> (Self, Option<Re2Error>) {
        let name = settings.name.as_str().into();
        match settings.value.as_ref().map(Text::new) {
            None => (Self { name, value: None }, None),
            Some(Ok(text)) => (Self { name, value: Some(ValueMatch::Text(text)) }, None),
            Some(Err(error)) => {
                (Self { name, value: Some(ValueMatch::Broken(error.to_string().into())) }, Some(error))
            }
        }
    }
}
