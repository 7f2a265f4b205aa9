//! Which policies of a rule set a request can meet at all.
//!
//! For every policy and each dimension (who, path, port, and the headers that the rules ask for most) the index knows a
//! condition without which the policy can be neither a match nor undecided; a request's own values then leave a handful
//! of policies to be evaluated in full. The index only ever leaves out; it decides nothing.

use std::collections::{BTreeMap, HashMap};

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
    headers: Vec<(Box<str>, Dimension)>,
    ports: HashMap<u16, Bits>,
    any_port: Bits,
}

/// What of a request the index goes by.
pub trait Facts {
    /// The peer's URI SANs.
    fn uri_sans(&self) -> &[String];
    /// The path without query and fragment; `None` on a plain connection.
    fn path(&self) -> Option<&str>;
    /// The destination port.
    fn port(&self) -> u16;
    /// A header.
    fn header(&self, name: &str) -> Header<'_>;
}

/// A header, as far as it can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// It is not there.
    Missing,
    /// It has one value, which is UTF-8.
    One(&'a [u8]),
    /// It has several values, or one that is no text: nothing is left out because of it.
    Unclear,
}

type Bits = Box<[u64]>;
type Set = SmallVec<[u64; 16]>;

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

/// So few policies are asked one by one.
const FEW: usize = 4;
/// So many headers are looked up at most.
const HEADERS: usize = 4;

impl Index {
    /// Indexes policies.
    pub(crate) fn new(policies: &[Policy]) -> Self {
        let words = policies.len().div_ceil(64);
        let dimension =
            |fold_case| Dimension { by_text: Affixes::new(fold_case), any: vec![0; words].into() };
        let mut index = Self {
            count: policies.len(),
            who: dimension(false),
            namespaces: Affixes::new(false),
            paths: dimension(false),
            headers: asked_most(policies).into_iter().map(|name| (name, dimension(true))).collect(),
            ports: HashMap::new(),
            any_port: vec![0; words].into(),
        };
        if policies.len() <= FEW {
            return index;
        }
        for (place, policy) in policies.iter().enumerate() {
            let set = |bits: &mut Bits| {
                if bits.is_empty() {
                    *bits = vec![0; words].into();
                }
                bits[place / 64] |= 1 << (place % 64);
            };
            match required(&policy.principal, &who) {
                None => set(&mut index.who.any),
                Some(keys) => keys.into_iter().for_each(|key| match key {
                    Key::Namespace(name) => set(index.namespaces.entry(Part::Whole, &name)),
                    key => index.who.add(key, set),
                }),
            }
            match required(&policy.permission, &path) {
                None => set(&mut index.paths.any),
                Some(keys) => keys.into_iter().for_each(|key| index.paths.add(key, set)),
            }
            for (name, dimension) in &mut index.headers {
                match required_header(policy, name) {
                    None => set(&mut dimension.any),
                    Some(keys) => keys.into_iter().for_each(|key| dimension.add(key, set)),
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

    /// The places of the policies that can be met, in order.
    pub fn candidates(&self, facts: &impl Facts) -> Candidates {
        let words = self.count.div_ceil(64);
        let mut left: Set = SmallVec::from_elem(u64::MAX, words);
        if let (Some(last), rest @ 1..) = (left.last_mut(), self.count % 64) {
            *last = (1 << rest) - 1;
        }
        if self.count > FEW {
            self.narrow(&mut left, facts);
        }
        Candidates { word: 0, left }
    }

    fn narrow(&self, left: &mut Set, facts: &impl Facts) {
        keep(left, &self.who.any, |add| {
            for san in facts.uri_sans() {
                self.who.by_text.each(san.as_bytes(), |_, bits| add(bits));
                if !self.namespaces.is_empty() {
                    namespaces(san.as_bytes())
                        .filter_map(|name| self.namespaces.whole(name))
                        .for_each(&mut *add);
                }
            }
        });
        keep(left, &self.paths.any, |add| {
            if let Some(path) = facts.path() {
                self.paths.by_text.each(path.as_bytes(), |_, bits| add(bits));
            }
        });
        for (name, dimension) in &self.headers {
            match facts.header(name) {
                Header::Unclear => {}
                Header::Missing => keep(left, &dimension.any, |_| {}),
                Header::One(value) => {
                    keep(left, &dimension.any, |add| dimension.by_text.each(value, |_, bits| add(bits)));
                }
            }
        }
        if !self.ports.is_empty() {
            keep(left, &self.any_port, |add| {
                self.ports.get(&facts.port()).into_iter().for_each(add);
            });
        }
    }
}

/// Keeps of `left` what is in `any` or in one of the sets that `more` adds.
fn keep<'a>(left: &mut Set, any: &Bits, more: impl FnOnce(&mut dyn FnMut(&'a Bits))) {
    let mut met: Set = SmallVec::from_slice(any);
    more(&mut |bits| met.iter_mut().zip(bits.iter()).for_each(|(met, bits)| *met |= bits));
    left.iter_mut().zip(&met).for_each(|(left, met)| *left &= met);
}

impl Dimension {
    fn add(&mut self, key: Key, set: impl Fn(&mut Bits)) {
        if let Key::Text(part, text) = key {
            set(self.by_text.entry(part, &text));
        }
    }
}

/// The places of policies, in order.
#[derive(Debug)]
pub struct Candidates {
    word: usize,
    left: Set,
}

impl Iterator for Candidates {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let (word, bits) = self.left.iter_mut().enumerate().skip(self.word).find(|(_, bits)| **bits != 0)?;
        self.word = word;
        let bit = bits.trailing_zeros() as usize;
        *bits &= *bits - 1;
        Some(word * 64 + bit)
    }
}

/// How many policies ask for a header, and for each text of it.
#[derive(Default)]
struct Asked {
    policies: usize,
    by_text: HashMap<Box<[u8]>, usize>,
}

impl Asked {
    fn is_worth_it(&self, of: usize) -> bool {
        let most = self.by_text.values().max().copied().unwrap_or(0);
        self.policies * 4 >= of && most * 4 <= of
    }
}

/// The headers that tell policies apart: many ask for one, and no single value leads to most of them.
fn asked_most(policies: &[Policy]) -> Vec<Box<str>> {
    let mut by_name: BTreeMap<&str, Asked> = BTreeMap::new();
    for policy in policies {
        let mut own = Vec::new();
        header_names(&policy.principal, &mut own);
        header_names(&policy.permission, &mut own);
        own.sort_unstable();
        own.dedup();
        for name in own {
            let Some(keys) = required_header(policy, name) else { continue };
            let asked = by_name.entry(name).or_default();
            asked.policies += 1;
            for key in keys {
                if let Key::Text(_, text) = key {
                    *asked.by_text.entry(text).or_default() += 1;
                }
            }
        }
    }
    let mut names: Vec<_> =
        by_name.into_iter().filter(|(_, asked)| asked.is_worth_it(policies.len())).collect();
    names.sort_by_key(|(_, asked)| std::cmp::Reverse(asked.policies));
    names.into_iter().take(HEADERS).map(|(name, _)| name.into()).collect()
}

fn header_names<'a>(rule: &'a Rule, names: &mut Vec<&'a str>) {
    match rule {
        Rule::And(of) | Rule::Or(of) => of.iter().for_each(|rule| header_names(rule, names)),
        Rule::Header(header) => names.push(&header.name),
        _ => {}
    }
}

/// What a policy cannot do without in one header, on either of its sides.
fn required_header(policy: &Policy, name: &str) -> Option<Vec<Key>> {
    let of = |rule| required(rule, &|rule| header(rule, name));
    [of(&policy.principal), of(&policy.permission)].into_iter().flatten().min_by_key(Vec::len)
}

/// What a rule cannot do without, as `atom` says it of a single one; `None`: it can be met by anything.
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

fn header(rule: &Rule, name: &str) -> Option<Vec<Key>> {
    match rule {
        Rule::Header(header) if *header.name == *name && !header.invert && !header.missing_is_empty => {
            match &header.value {
                ValueMatch::Text(text) => text_key_folded(text),
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

/// The same where the index does not look at letters' case, so that the text need not either.
fn text_key_folded(text: &Text) -> Option<Vec<Key>> {
    text.affix().map(|(part, text)| vec![Key::Text(part, text.into())])
}

fn text_key(text: &Text) -> Option<Vec<Key>> {
    if text.ignores_case() { None } else { text_key_folded(text) }
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
