//! Which names the mesh answers by itself, and with which addresses. What it does not know is somebody else's to answer.
//!
//! Semantics: those of Istio's agent. A service of Kubernetes is known by its full name, by `name.namespace[.svc]` and,
//! in its own namespace, by its name alone; any other host by its full name; a wildcard by all that ends with it. A name
//! to which a resolver has put the pod's first search domain is an alias of the name without it, so that the first of
//! the questions that a short name makes is the last.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use weft_model::names::{NameTable, NamedHost};

/// A name table as one pod looks things up in it.
#[derive(Debug, Clone, Default)]
pub struct Names {
    hosts: Vec<Addresses>,
    /// By full name.
    full: HashMap<Box<str>, usize>,
    /// Services of Kubernetes by `name.namespace`.
    qualified: HashMap<Box<str>, usize>,
    /// The namespaces of those.
    namespaces: HashSet<Box<str>>,
    /// Those of the pod's own namespace, by name.
    own: HashMap<Box<str>, usize>,
    /// `*.example.com` by `example.com`.
    wildcards: HashMap<Box<str>, usize>,
    /// The pod's first search domain with a dot before it; empty where there is none.
    search: String,
}

/// The addresses of a host, apart by family, each once, in the table's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Addresses {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// About which name: in lower case, without the dot at its end.
    pub name: &'a str,
    /// For what.
    pub wanted: Wanted,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Addresses of IPv4 (A).
    V4,
    /// Addresses of IPv6 (AAAA).
    V6,
    /// Anything else, which the mesh has nothing of.
    Other,
}

/// What is to be done about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The mesh has the name.
    Mesh(Found<'a>),
    /// Somebody else may know.
    Forward {
        /// The mesh has the name: whoever says that there is no such name is wrong.
        exists: bool,
    },
}

/// What the mesh says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The name of which the one asked about is an alias.
    pub alias_of: Option<&'a str>,
    addresses: &'a [IpAddr],
    turn: usize,
}

impl<'a> Found<'a> {
    /// The addresses of the family asked for, which may be none, each turn beginning with another.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = IpAddr> + Clone + use<'a> {
        let (addresses, first) = (self.addresses, self.turn % self.addresses.len().max(1));
        (0..addresses.len()).map(move |place| addresses[(first + place) % addresses.len()])
    }
}

impl Names {
    /// The names of `table` for a pod of `namespace`, whose resolver tries `search` first.
    pub fn new(table: &NameTable, namespace: &str, search: Option<&str>) -> Self {
        let mut names = Self::default();
        if let Some(search) =
            search.map(|search| search.trim_matches('.')).filter(|search| !search.is_empty())
        {
            names.search = format!(".{}", search.to_ascii_lowercase());
        }
        for (host, named) in &table.hosts {
            names.add(host, named, namespace);
        }
        names
    }

    fn add(&mut self, host: &str, named: &NamedHost, namespace: &str) {
        let place = self.hosts.len();
        self.hosts.push(Addresses::of(&named.ips));
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(suffix) = host.strip_prefix("*.") {
            self.wildcards.insert(suffix.into(), place);
            return;
        }
        self.full.insert(host.into(), place);
        if named.registry == "Kubernetes" && !named.short_name.is_empty() && !named.namespace.is_empty() {
            let (short, of) = (named.short_name.to_ascii_lowercase(), named.namespace.to_ascii_lowercase());
            self.qualified.insert(format!("{short}.{of}").into(), place);
            self.namespaces.insert(of.as_str().into());
            if of == namespace {
                self.own.insert(short.into(), place);
            }
        }
    }

    /// How many hosts are known.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// A name that is one of a host's own.
    fn exact(&self, name: &str) -> Option<usize> {
        let full = self.full.get(name);
        // A namespace may itself be called `svc`.
        let qualified =
            || self.qualified.get(name).or_else(|| self.qualified.get(name.strip_suffix(".svc")?));
        full.or_else(qualified).or_else(|| self.own.get(name)).copied()
    }

    /// The longest wildcard that holds for a name.
    fn wildcard(&self, name: &str) -> Option<usize> {
        if self.wildcards.is_empty() {
            return None;
        }
        let mut ends = name.match_indices('.').filter(|(dot, _)| *dot > 0).map(|(dot, _)| &name[dot + 1..]);
        ends.find_map(|end| self.wildcards.get(end)).copied()
    }
}

impl Addresses {
    fn of(ips: &[IpAddr]) -> Self {
        let mut all = Self::default();
        for ip in ips {
            let family = if ip.is_ipv4() { &mut all.v4 } else { &mut all.v6 };
            if !family.contains(ip) {
                family.push(*ip);
            }
        }
        all
    }
}

/// Decides about a question. `turn` is a number that moves on with each question.
pub fn lookup<'a>(names: &'a Names, question: &Question<'a>, turn: usize) -> Answer<'a> {
    let name = question.name;
    let unsearched = Some(&*names.search).filter(|search| !search.is_empty());
    let unsearched = unsearched.and_then(|search| name.strip_suffix(search)).filter(|rest| !rest.is_empty());
    let found = names
        .exact(name)
        .map(|place| (place, None))
        .or_else(|| Some((names.exact(unsearched?)?, unsearched)))
        .or_else(|| Some((names.wildcard(name)?, None)))
        .or_else(|| Some((names.wildcard(unsearched?)?, unsearched)));
    let Some((place, alias_of)) = found else { return Answer::Forward { exists: false } };
    let host = &names.hosts[place];
    let addresses = match question.wanted {
        Wanted::V4 => &host.v4,
        Wanted::V6 => &host.v6,
        Wanted::Other => return Answer::Forward { exists: true },
    };
    Answer::Mesh(Found { alias_of, addresses, turn })
}

/// What is said of a question that the mesh has no answer to, where there is nobody else to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// The name exists, and there is nothing of what is asked for (NODATA).
    Nothing,
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// It is a name of the world outside, of which nothing is known here.
    Unknown,
}

/// Decides about a question by the domains `own` alone, whose names are all known here: what is missing there is nobody's.
pub fn within(names: &Names, name: &str, exists: bool, own: &[String]) -> Alone {
    if own.iter().any(|own| is_below(name, own)) { known(names, name, exists, own) } else { Alone::Unknown }
}

/// Decides about a question that somebody else would be asked, if there were anybody. `own` are the pod's search domains,
/// whose names are all the mesh's. A name of one label is nobody's outside, either, nor is `name.namespace[.svc]`.
pub fn alone(names: &Names, name: &str, exists: bool, own: &[String]) -> Alone {
    let is_ours = || match name.rsplit_once('.') {
        Some((_, last)) => last == "svc" || names.namespaces.contains(last),
        None => true,
    };
    match within(names, name, exists, own) {
        Alone::Unknown if exists || is_ours() => known(names, name, exists, own),
        decided => decided,
    }
}

/// Of a name that is the mesh's, if anybody's.
fn known(names: &Names, name: &str, exists: bool, own: &[String]) -> Alone {
    // A namespace's domain has no addresses, but names.
    let holds_names =
        || own.iter().any(|own| is_below(own, name)) || names.full.keys().any(|of| is_below(of, name));
    if exists || holds_names() { Alone::Nothing } else { Alone::NoSuchName }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
