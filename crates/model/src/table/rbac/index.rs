//! Which policies of a rule set a request can meet at all.
//!
//! For every policy and each of four dimensions (who, path, method, port) the index knows a condition without which the
//! policy can be neither a match nor undecided; a request's own values then leave a handful of policies to be
//! evaluated in full. The index only ever leaves out; it decides nothing.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{Policy, Rule};
use crate::table::affix::{Affixes, Part};
use crate::table::header::ValueMatch;
use crate::table::text::Text;

/// An index over policies.
#[derive(Debug, Clone, Default)]
pub struct Index {
    count: usize,
    who: Dimension,
    namespaces: Affixes<Bits>,
    paths: Dimension,
    methods: Dimension,
    ports: HashMap<u16, Bits>,
    any_port: Bits,
}

type Bits = Box<[u64]>;
type Hits<'a> = SmallVec<[&'a [u64]; 12]>;

#[derive(Debug, Clone, Default)]
struct Dimension {
    by_text: Affixes<Bits>,
    any: Bits,
}

/// What a policy cannot do without, in one dimension.
enum Key {
    Text(Part, Box<[u8]>),
    Namespace(Box<[u8]>),
    Port(u16),
}

impl Index {
    /// Indexes policies.
    pub(crate) fn new(policies: &[Policy]) -> Self {
        let words = policies.len().div_ceil(64);
        let empty = || -> Bits { vec![0; words].into() };
        let dimension = || Dimension { by_text: Affixes::new(false), any: empty() };
        let mut index = Self {
            count: policies.len(),
            who: dimension(),
            namespaces: Affixes::new(false),
            paths: dimension(),
            methods: dimension(),
            ports: HashMap::new(),
            any_port: empty(),
        };
        for (place, policy) in policies.iter().enumerate() {
            let set = |bits: &mut Bits| {
                if bits.is_empty() {
                    *bits = empty();
                }
                bits[place / 64] |= 1 << (place % 64);
            };
            match required(&policy.principal, &who) {
                None => set(&mut index.who.any),
                Some(keys) => keys.into_iter().for_each(|key| match key {
                    Key::Namespace(name) => set(index.namespaces.entry(Part::Whole, &name)),
                    Key::Text(part, text) => set(index.who.by_text.entry(part, &text)),
                    Key::Port(_) => {}
                }),
            }
            for (dimension, atom) in [(&mut index.paths, path as Atom), (&mut index.methods, method as Atom)]
            {
                match required(&policy.permission, &atom) {
                    None => set(&mut dimension.any),
                    Some(keys) => keys.into_iter().for_each(|key| {
                        if let Key::Text(part, text) = key {
                            set(dimension.by_text.entry(part, &text));
                        }
                    }),
                }
            }
            match required(&policy.permission, &port) {
                None => set(&mut index.any_port),
                Some(keys) => keys.into_iter().for_each(|key| {
                    if let Key::Port(port) = key {
                        set(index.ports.entry(port).or_default());
                    }
                }),
            }
        }
        index
    }

    /// The places of the policies that can be met, in order. `path` is without query and fragment; path and method are
    /// `None` on a plain connection.
    pub fn candidates<'a>(
        &'a self,
        uri_sans: &[String],
        path: Option<&str>,
        method: Option<&str>,
        port: u16,
    ) -> Candidates<'a> {
        let mut hits = [Hits::new(), Hits::new(), Hits::new(), Hits::new()];
        let [who, paths, methods, ports] = &mut hits;
        who.push(&self.who.any);
        for san in uri_sans {
            self.who.by_text.each(san.as_bytes(), |_, bits| who.push(bits));
            if self.namespaces.is_empty() {
                continue;
            }
            for namespace in namespaces(san.as_bytes()) {
                who.extend(self.namespaces.whole(namespace).map(|bits| &**bits));
            }
        }
        for (dimension, text, hits) in [(&self.paths, path, paths), (&self.methods, method, methods)] {
            hits.push(&dimension.any);
            if let Some(text) = text {
                dimension.by_text.each(text.as_bytes(), |_, bits| hits.push(bits));
            }
        }
        ports.push(&self.any_port);
        ports.extend(self.ports.get(&port).map(|bits| &**bits));
        Candidates { hits, words: self.count.div_ceil(64), word: 0, bits: 0 }
    }
}

/// The places of policies, in order.
pub struct Candidates<'a> {
    hits: [Hits<'a>; 4],
    words: usize,
    word: usize,
    bits: u64,
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            if self.word == self.words {
                return None;
            }
            let word = self.word;
            self.bits = self
                .hits
                .iter()
                .fold(u64::MAX, |left, hits| left & hits.iter().fold(0, |any, bits| any | bits[word]));
            self.word += 1;
        }
        let bit = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some((self.word - 1) * 64 + bit)
    }
}

/// What a single rule cannot do without; `None`: it can be met by anything.
type Atom = fn(&Rule) -> Option<Vec<Key>>;

fn required(rule: &Rule, atom: &impl Fn(&Rule) -> Option<Vec<Key>>) -> Option<Vec<Key>> {
    match rule {
        Rule::And(all) => all.iter().filter_map(|rule| required(rule, atom)).min_by_key(Vec::len),
        Rule::Or(any) => {
            any.iter().map(|rule| required(rule, atom)).try_fold(Vec::new(), |mut keys, more| {
                keys.extend(more?);
                Some(keys)
            })
        }
        Rule::Not(inner) if matches!(**inner, Rule::Any) => Some(Vec::new()),
        rule => atom(rule),
    }
}

fn who(rule: &Rule) -> Option<Vec<Key>> {
    match rule {
        Rule::Authenticated(Some(text)) => match text.inner().and_then(namespace_of) {
            Some(namespace) => Some(vec![Key::Namespace(namespace.into())]),
            None => text_key(text),
        },
        _ => None,
    }
}

fn path(rule: &Rule) -> Option<Vec<Key>> {
    match rule {
        Rule::UrlPath(text) => text_key(text),
        Rule::UriTemplate(template) => {
            Some(vec![Key::Text(Part::Prefix, template.prefix().as_bytes().into())])
        }
        _ => None,
    }
}

fn method(rule: &Rule) -> Option<Vec<Key>> {
    match rule {
        Rule::Header(header) if &*header.name == ":method" && !header.invert && !header.missing_is_empty => {
            match &header.value {
                ValueMatch::Text(text) => text_key(text),
                _ => None,
            }
        }
        _ => None,
    }
}

fn port(rule: &Rule) -> Option<Vec<Key>> {
    match rule {
        Rule::DestinationPort(first, last) if first == last => Some(vec![Key::Port(*first)]),
        _ => None,
    }
}

fn text_key(text: &Text) -> Option<Vec<Key>> {
    let key = |part, text: &[u8]| vec![Key::Text(part, text.into())];
    let whole = text.exact().map(|text| key(Part::Whole, text));
    let prefix = || text.prefix().map(|text| key(Part::Prefix, text));
    let suffix = || text.suffix().map(|text| key(Part::Suffix, text));
    whole.or_else(prefix).or_else(suffix)
}

/// The namespace of `/ns/NAMESPACE/`, as Istio looks for it inside a SPIFFE ID.
fn namespace_of(inner: &[u8]) -> Option<&[u8]> {
    let namespace = inner.strip_prefix(b"/ns/")?.strip_suffix(b"/")?;
    (!namespace.contains(&b'/')).then_some(namespace)
}

/// Every segment that follows `/ns/` and has a slash behind it.
fn namespaces(san: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..san.len()).filter(|start| san[*start..].starts_with(b"/ns/")).filter_map(|start| {
        let rest = &san[start + 4..];
        rest.iter().position(|byte| *byte == b'/').map(|end| &rest[..end])
    })
}
