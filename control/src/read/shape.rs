//! Fits a tree of values into a Rust type by serde, and says of every value that does not fit where it stands.
//!
//! serde stops at the first error. Here a value that does not fit is set aside and the fitting begins anew, so one
//! reading of a document names all of its misfits. A struct tells its field names to its deserializer: what a mapping
//! has beyond them is an unknown field. That holds for the Kubernetes types too, which are generated.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::diagnostic::Severity;
use super::finding::{Finding, Findings};
use super::nearest::nearest;
use super::node::{Entry, Meaning, Node, Value};
use super::path::Path;

mod fault;
mod fitted;
mod key;

use fault::Fault;
pub(crate) use fitted::{Fitted, Misfits};
use key::KeyShape;

/// More misfits than these in one document say nothing new.
const MOST_FAULTS: usize = 25;
/// More unknown fields than these in one document say nothing new.
const MOST_UNKNOWN: usize = 100;

/// How the API that a document is for treats what it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Istio's custom resources: the fields of 1.29 and no others.
    Istio,
    /// Kubernetes' own: newer releases have fields that this one does not know, and they change no traffic; so only
    /// what looks like a slip is an error.
    Kubernetes,
    /// protobuf's JSON, by which istiod reads MeshConfig: as Kubernetes, and `snake_case` names go as well.
    ProtoJson,
}

/// Fits `node` into a `T`, wholly: a value that did not fit yields `None`.
pub(crate) fn fit<T: DeserializeOwned>(
    node: &Node,
    root: &Path<'_>,
    rules: Rules,
    into: &mut Findings,
) -> Option<T> {
    let fitted = fit_part(node, root, rules, into);
    fitted.value.filter(|_| fitted.misfits.is_empty())
}

/// Fits of `node` into a `T` what fits. Each misfit is an error in `into`.
pub(crate) fn fit_part<T: DeserializeOwned>(
    node: &Node,
    root: &Path<'_>,
    rules: Rules,
    into: &mut Findings,
) -> Fitted<T> {
    let mut aside = HashSet::new();
    let mut misfits = Misfits::default();
    loop {
        let scope = Scope { rules, aside: &aside, unknown: RefCell::default() };
        let outcome = T::deserialize(Shape { node, path: root, scope: &scope });
        let unknown = scope.unknown.into_inner();
        let fault = match outcome {
            Ok(value) => {
                into.0.extend(unknown);
                return Fitted { value: Some(value), misfits };
            }
            Err(fault) => fault,
        };
        let (misfit, finding) = fault.into_finding(node, root);
        misfits.add(&finding.trail);
        into.0.push(finding);
        // A misfit met again cannot be set aside: it is the document itself.
        if !aside.insert(misfit) || aside.len() >= MOST_FAULTS {
            into.0.extend(unknown);
            return Fitted { value: None, misfits };
        }
    }
}

/// What one fitting shares.
struct Scope<'s> {
    rules: Rules,
    /// Addresses of the values that did not fit before.
    aside: &'s HashSet<usize>,
    unknown: RefCell<Vec<Finding>>,
}

/// The deserializer of one value.
#[derive(Clone, Copy)]
struct Shape<'s, 'p> {
    node: &'s Node,
    path: &'p Path<'p>,
    scope: &'p Scope<'s>,
}

impl<'s> Shape<'s, '_> {
    /// Names the place of an error that has none yet.
    fn place<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        outcome.map_err(|fault| fault.at(self.node, self.path))
    }

    fn misfit<T>(&self, expected: &str) -> Result<T, Fault> {
        let mut fault = Fault::custom(format!("expected {expected}, found {}", self.node.describe()));
        if let Value::Scalar(text, meaning) = &self.node.value {
            let is_text = matches!(meaning, Meaning::Text | Meaning::Block);
            if expected == "a string" && !matches!(meaning, Meaning::Null) {
                fault = fault.hint(format!("quote it: \"{text}\""));
            } else if is_text && is_written_as(expected, text) {
                fault = fault.hint(format!("write it without quotes: {text}"));
            } else if expected == "a list" && is_text {
                fault = fault.hint(format!("write it as a list: [{text}]"));
            }
        }
        self.place(Err(fault))
    }

    fn number<V: Visitor<'s>>(&self, visitor: V) -> Result<V::Value, Fault> {
        let from_text = || super::scalar::plain(self.node.text().unwrap_or_default());
        let meaning = match &self.node.value {
            Value::Scalar(_, Meaning::Text) if self.scope.rules == Rules::ProtoJson => from_text(),
            Value::Scalar(_, meaning) => *meaning,
            _ => Meaning::Null,
        };
        self.place(match meaning {
            Meaning::Int(value) => visitor.visit_i64(value),
            Meaning::UInt(value) => visitor.visit_u64(value),
            // JSON has one kind of number: 90.0 is 90.
            #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
            Meaning::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                visitor.visit_i64(value as i64)
            }
            Meaning::Float(value) => visitor.visit_f64(value),
            _ => return self.misfit("a number"),
        })
    }

    fn mapping<V: Visitor<'s>>(
        &self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::Map(entries) = &self.node.value else { return self.misfit("a mapping") };
        let here = self.path.knowing(fields);
        let entries = Entries { rest: entries.iter(), current: None, path: &here, scope: self.scope };
        self.place(visitor.visit_map(entries))
    }
}

/// Whether the quoted `text` would be what is expected without its quotes.
fn is_written_as(expected: &str, text: &str) -> bool {
    match super::scalar::plain(text) {
        Meaning::Int(_) | Meaning::UInt(_) | Meaning::Float(_) => expected == "a number",
        Meaning::Bool(_) => expected == "true or false",
        _ => false,
    }
}

/// The entries of one mapping. `path.fields` is empty where any key goes.
struct Entries<'s, 'p> {
    rest: std::slice::Iter<'s, Entry>,
    current: Option<(&'s Entry, &'s str)>,
    path: &'p Path<'p>,
    scope: &'p Scope<'s>,
}

impl<'s> MapAccess<'s> for Entries<'s, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'s>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        while let Some(entry) = self.rest.next() {
            if self.scope.aside.contains(&address(&entry.value)) {
                continue;
            }
            let mut name: &'s str = &entry.key;
            if !self.path.fields.is_empty() {
                match self.known(name) {
                    // A field without a value is a field that is not there.
                    Some(_) if entry.value.is_null() => continue,
                    Some(known) => name = known,
                    None => {
                        self.report_unknown(entry);
                        continue;
                    }
                }
            }
            self.current = Some((entry, name));
            let path = self.path.key(&entry.key);
            let key = seed.deserialize(KeyShape { text: name });
            return key.map(Some).map_err(|fault| fault.at(&entry.value, &path));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'s>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((entry, _)) = self.current.take() else {
            return Err(Fault::custom("a value was asked for before its key"));
        };
        let path = self.path.key(&entry.key);
        let shape = Shape { node: &entry.value, path: &path, scope: self.scope };
        shape.place(seed.deserialize(shape))
    }
}

impl<'s> Entries<'s, '_> {
    fn known(&self, name: &'s str) -> Option<&'s str> {
        if self.path.fields.contains(&name) {
            return Some(name);
        }
        if self.scope.rules == Rules::ProtoJson {
            let camel = camel_case(name);
            return self.path.fields.iter().copied().find(|field| *field == camel);
        }
        None
    }

    fn report_unknown(&self, entry: &Entry) {
        let mut unknown = self.scope.unknown.borrow_mut();
        if unknown.len() >= MOST_UNKNOWN {
            return;
        }
        let near = nearest(&entry.key, self.path.fields.iter().copied());
        let above = self.belongs_above(&entry.key);
        let by_number = *self.path.fields == ["number"] && &*entry.key == "name";
        let is_slip = near.is_some() || above.is_some();
        let hint = match (near, above) {
            // What a route names above is no port's name.
            _ if by_number => Some("a port is named by its number here: {number: 80}".to_owned()),
            (_, Some(place)) => {
                Some(format!("`{}` is a field of {place}: is it indented too far?", entry.key))
            }
            (Some(name), None) => Some(format!("did you mean `{name}`?")),
            (None, None) if self.path.fields.len() <= 12 => {
                Some(format!("known here: {}", self.path.fields.join(", ")))
            }
            (None, None) => None,
        };
        let severity = match self.scope.rules {
            Rules::Istio => Severity::Error,
            Rules::Kubernetes | Rules::ProtoJson if is_slip => Severity::Error,
            Rules::Kubernetes | Rules::ProtoJson => Severity::Warning,
        };
        let message = format!("unknown field `{}`", entry.key);
        let trail = self.path.key(&entry.key).trail();
        unknown.push(Finding { severity, trail, at: Some(entry.at), message, hint });
    }

    /// The mapping further up that knows `name`, in words.
    fn belongs_above(&self, name: &str) -> Option<String> {
        let mut above = self.path.parent();
        while let Some(path) = above {
            if path.fields.contains(&name) {
                let trail = path.trail().to_string();
                return Some(if trail.is_empty() { "the document itself".to_owned() } else { trail });
            }
            above = path.parent();
        }
        None
    }
}

/// The elements of one list.
struct Items<'s, 'p> {
    rest: std::iter::Enumerate<std::slice::Iter<'s, Node>>,
    path: &'p Path<'p>,
    scope: &'p Scope<'s>,
}

impl<'s> SeqAccess<'s> for Items<'s, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'s>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        for (index, node) in self.rest.by_ref() {
            if self.scope.aside.contains(&address(node)) {
                continue;
            }
            let path = self.path.index(index);
            let shape = Shape { node, path: &path, scope: self.scope };
            return shape.place(seed.deserialize(shape)).map(Some);
        }
        Ok(None)
    }
}

impl<'s> serde::Deserializer<'s> for Shape<'s, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.mapping(&[], visitor),
            Value::Scalar(text, meaning) => self.place(match meaning {
                Meaning::Null => visitor.visit_unit(),
                Meaning::Bool(value) => visitor.visit_bool(*value),
                Meaning::Int(value) => visitor.visit_i64(*value),
                Meaning::UInt(value) => visitor.visit_u64(*value),
                Meaning::Float(value) => visitor.visit_f64(*value),
                Meaning::Text | Meaning::Block => visitor.visit_borrowed_str(text),
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(_, Meaning::Bool(value)) => self.place(visitor.visit_bool(*value)),
            _ => self.misfit("true or false"),
        }
    }

    fn deserialize_i64<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_i8<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_i16<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_i32<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u8<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u16<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_f32<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_f64<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_str<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(text, Meaning::Text | Meaning::Block) => {
                self.place(visitor.visit_borrowed_str(text))
            }
            _ => self.misfit("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.node.is_null() {
            return self.place(visitor.visit_none());
        }
        self.place(visitor.visit_some(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'s>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.place(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Value::List(items) = &self.node.value else { return self.misfit("a list") };
        let items = Items { rest: items.iter().enumerate(), path: self.path, scope: self.scope };
        self.place(visitor.visit_seq(items))
    }

    fn deserialize_map<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.mapping(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'s>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.mapping(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'s>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Some(text) = self.node.text() else {
            return self.misfit(&format!("one of {}", variants.join(", ")));
        };
        if variants.contains(&text) {
            return self.place(visitor.visit_enum(text.into_deserializer()));
        }
        let fault = Fault::custom(format!("{text:?} is not one of {}", variants.join(", ")));
        let near = nearest(text, variants.iter().copied());
        self.place(Err(match near {
            Some(near) => fault.hint(format!("did you mean {near}?")),
            None => fault,
        }))
    }

    fn deserialize_identifier<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { <V: Visitor<'s>> i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct }
}

/// What tells one value of a tree from all others.
fn address(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

/// `max_requests` as protobuf's JSON has it: `maxRequests`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.chars() {
        if c == '_' {
            raise = true;
        } else if raise {
            camel.extend(c.to_uppercase());
            raise = false;
        } else {
            camel.push(c);
        }
    }
    camel
}
