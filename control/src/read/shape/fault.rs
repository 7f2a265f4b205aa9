//! Why a value does not fit, in words for the person who wrote it.

use std::fmt;

use serde::de::{self, Unexpected};

use super::super::diagnostic::Severity;
use super::super::finding::Finding;
use super::super::node::{Node, Position};
use super::super::path::{Path, Trail};

/// A misfit; it learns its place from the innermost value that it passes on its way up.
#[derive(Debug)]
pub(super) struct Fault(Box<Body>);

#[derive(Debug)]
struct Body {
    message: String,
    hint: Option<String>,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    address: usize,
    at: Position,
    trail: Trail,
}

impl Fault {
    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: String) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// Names the place, if it has none yet.
    pub(super) fn at(mut self, node: &Node, path: &Path<'_>) -> Self {
        self.0.place.get_or_insert_with(|| Place {
            address: super::address(node),
            at: node.at,
            trail: path.trail(),
        });
        self
    }

    /// The finding, and the address of the value that did not fit.
    pub(super) fn into_finding(self, root: &Node, path: &Path<'_>) -> (usize, Finding) {
        let Body { message, hint, place } = *self.at(root, path).0;
        let (address, at, trail) = match place {
            Some(Place { address, at, trail }) => (address, Some(at), trail),
            None => (super::address(root), None, path.trail()),
        };
        (address, Finding { severity: Severity::Error, trail, at, message, hint })
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Body { message: message.to_string(), hint: None, place: None }))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {}, found {}", reworded(expected), described(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Fault {}

/// What serde's visitors expect, in words that are not Rust's.
fn reworded(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u8" => format!("a number from 0 to {}", u8::MAX),
        "u16" => format!("a number from 0 to {}", u16::MAX),
        "u32" => format!("a number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i32" => format!("a whole number from {} to {}", i32::MIN, i32::MAX),
        "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "IntOrString" => "a number or a name".to_owned(),
        "Quantity" => "a quantity such as 100m or 64Mi".to_owned(),
        _ => expected,
    }
}

fn described(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the string {}", super::super::node::short(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}
