//! A compiled format: made when the configuration comes, used for every record.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use weft_model::access_log::{ISTIO_JSON, ISTIO_TEXT, WEFT_JSON};

use super::operator::{Header, Lookup, Operator, Simple};
use super::parse::{Part, parse};
use super::{json, text};
use crate::record::Record;
use crate::trace;

/// What operators ask about the machine, answered when the format is compiled.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// `%HOSTNAME%`.
    pub hostname: &'a str,
    /// `%ENVIRONMENT(X)%`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a format is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A percent sign that begins nothing.
    #[error(
        "access log format {format:?}: no operator %NAME(argument):length% begins at byte {at}; write %% for a percent sign"
    )]
    Unfinished {
        /// The format.
        format: String,
        /// Where the percent sign stands.
        at: usize,
    },
    /// No such operator.
    #[error("access log format: there is no operator %{name}%{}", hint.map(|near| format!("; did you mean %{near}%?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest one that exists.
        hint: Option<&'static str>,
    },
    /// An argument that the operator does not take.
    #[error("access log format: %{operator}({argument})%: {why}")]
    Argument {
        /// The operator.
        operator: String,
        /// Its argument.
        argument: String,
        /// What it takes.
        why: String,
    },
    /// JSON that is no format.
    #[error(
        "access log format in JSON: {0}; it is an object whose values are format strings, or objects and lists of such"
    )]
    Json(String),
}

/// The fields that a format reads besides those a [`Record`] has its own place for, in lower case. A proxy
/// that gives the head's buffer back before the request ends keeps these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Request fields.
    pub request: Vec<String>,
    /// Response fields.
    pub response: Vec<String>,
    /// Response trailers.
    pub trailers: Vec<String>,
}

/// A compiled format of one log.
#[derive(Debug, Clone)]
pub struct Format {
    body: Body,
    omit_empty: bool,
    warnings: Vec<String>,
}

#[derive(Debug, Clone)]
enum Body {
    Text(Vec<Part>),
    Json(json::Dictionary),
}

impl Format {
    /// A format string of Envoy's. The line end is part of the string, as in Envoy.
    pub fn text(format: &str, surroundings: &Surroundings<'_>) -> Result<Self, FormatError> {
        let mut warnings = Vec::new();
        let parts = parse(format, surroundings, &mut warnings)?;
        if !format.ends_with('\n') {
            warnings.push("the format does not end a line: records will run together".to_owned());
        }
        Ok(Self { body: Body::Text(parts), omit_empty: false, warnings })
    }

    /// A dictionary as Envoy's `json_format`: one line of JSON a record, numbers where an operator alone is a
    /// number.
    pub fn json(format: &serde_json::Value, surroundings: &Surroundings<'_>) -> Result<Self, FormatError> {
        let mut warnings = Vec::new();
        let dictionary = json::compile(format, surroundings, &mut warnings)?;
        Ok(Self { body: Body::Json(dictionary), omit_empty: false, warnings })
    }

    /// Istio's default line.
    pub fn istio() -> Self {
        let line = format!("{ISTIO_TEXT}\n");
        Self::text(&line, &Surroundings::NONE).expect("Istio's format has operators that exist")
    }

    /// weft's default in JSON: without what is not known.
    pub fn weft_json() -> Self {
        let dictionary =
            json::flat(ISTIO_JSON.iter().chain(WEFT_JSON)).expect("weft's fields have operators that exist");
        Self { body: Body::Json(dictionary), omit_empty: true, warnings: Vec::new() }
    }

    /// Whether what is not known is left out: nothing instead of `-`, no key instead of null
    /// (`omit_empty_values`).
    #[must_use]
    pub fn omit_empty(mut self, omit: bool) -> Self {
        self.omit_empty = omit;
        self
    }

    /// What works, but not as its author may think; for the log when the configuration is loaded.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Appends `record`.
    pub fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        match &self.body {
            Body::Text(parts) => text::write(parts, record, self.omit_empty, out),
            Body::Json(dictionary) => {
                dictionary.write(record, self.omit_empty, out);
                out.push(b'\n');
            }
        }
    }

    /// The fields it reads.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        let mut look = |parts: &[Part]| {
            for part in parts {
                let Part::Value(slot) = part else { continue };
                match &slot.operator {
                    Operator::Request(lookup) => add(&mut needs.request, lookup),
                    Operator::Response(lookup) => add(&mut needs.response, lookup),
                    Operator::Trailer(lookup) => add(&mut needs.trailers, lookup),
                    Operator::Simple(Simple::TraceId) => {
                        trace::HEADERS.iter().for_each(|name| add_name(&mut needs.request, name));
                    }
                    _ => {}
                }
            }
        };
        match &self.body {
            Body::Text(parts) => look(parts),
            Body::Json(dictionary) => dictionary.visit(&mut look),
        }
        needs
    }
}

fn add(names: &mut Vec<String>, lookup: &Lookup) {
    let headers = std::iter::once(&lookup.first).chain(&lookup.second);
    headers.filter_map(Header::field).for_each(|name| add_name(names, name));
}

fn add_name(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

impl Surroundings<'_> {
    /// Nothing is known.
    pub const NONE: Self = Self { hostname: "-", variable: &|_| None };
}

impl FormatError {
    pub(super) fn unknown(name: &str) -> Self {
        let near = |known: &&'static str| (distance(name, known), *known);
        let hint = Operator::names().map(|known| near(&known)).min().filter(|(distance, _)| *distance <= 3);
        Self::Unknown { name: name.to_owned(), hint: hint.map(|(_, known)| known) }
    }
}

/// Levenshtein's distance, of short names.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, byte) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, known) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(byte != *known);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// Appends a number.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address and its port.
pub(super) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    // An IPv4 client of a socket that serves both families is an IPv4 client.
    match address.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => ip(out, v4),
        // Writing to a Vec does not fail.
        IpAddr::V6(v6) => drop(write!(out, "[{v6}]")),
    }
    out.push(b':');
    number(out, u64::from(address.port()));
}

/// Appends an address.
pub(super) fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let mut text = *b"255.255.255.255";
            let mut len = 0;
            let mut put = |byte| {
                text[len] = byte;
                len += 1;
            };
            for (i, octet) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    put(b'.');
                }
                if octet > 99 {
                    put(b'0' + octet / 100);
                }
                if octet > 9 {
                    put(b'0' + octet / 10 % 10);
                }
                put(b'0' + octet % 10);
            }
            out.extend_from_slice(&text[..len]);
        }
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// Appends bytes as hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}
