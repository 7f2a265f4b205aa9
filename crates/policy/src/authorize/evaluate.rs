//! One rule against one subject.

use std::net::IpAddr;

use ipnet::IpNet;
use weft_model::request::{Connection, RequestView};
use weft_model::table::header::{HeaderMatch, ValueMatch, joined, values};
use weft_model::table::path_alone;
use weft_model::table::rbac::{Facts, Header, Policy, Rule};

/// Three-valued logic: `and` is the lowest, `or` the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

impl From<Option<bool>> for Truth {
    fn from(verdict: Option<bool>) -> Self {
        match verdict {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(verdict: bool) -> Self {
        if verdict { Self::Yes } else { Self::No }
    }
}

/// Who and what is judged.
pub(super) struct Subject<'s, R> {
    pub(super) request: Option<&'s R>,
    /// Without query and fragment; empty without a request.
    pub(super) path: &'s str,
    pub(super) connection: &'s Connection<'s>,
}

/// The request of a connection that is judged before any came.
pub(super) enum NoRequest {}

impl RequestView for NoRequest {
    fn method(&self) -> &str {
        match *self {}
    }
    fn scheme(&self) -> &str {
        match *self {}
    }
    fn authority(&self) -> &str {
        match *self {}
    }
    fn path(&self) -> &str {
        match *self {}
    }
    fn header<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8])) {
        match *self {}
    }
}

impl<'s, R: RequestView> Subject<'s, R> {
    pub(super) fn of_request(request: &'s R, connection: &'s Connection<'s>) -> Self {
        Self { request: Some(request), path: path_alone(request.path()), connection }
    }

    pub(super) fn of_connection(connection: &'s Connection<'s>) -> Self {
        Self { request: None, path: "", connection }
    }

    /// Whether a policy matches.
    pub(super) fn policy(&self, policy: &Policy) -> Truth {
        let both = self.rule(&policy.principal);
        if both == Truth::No {
            return Truth::No;
        }
        let both = both.min(self.rule(&policy.permission));
        if policy.undecidable { both.min(Truth::Unknown) } else { both }
    }

    /// Whether a rule holds.
    pub(super) fn rule(&self, rule: &Rule) -> Truth {
        let connection = self.connection;
        match rule {
            Rule::Any => Truth::Yes,
            Rule::And(all) => self.fold(all, Truth::Yes, Truth::No, Truth::min),
            Rule::Or(any) => self.fold(any, Truth::No, Truth::Yes, Truth::max),
            Rule::Not(inner) => self.rule(inner).not(),
            Rule::Header(matcher) => {
                self.request.map_or_else(|| absent(matcher), |request| header(matcher, request))
            }
            Rule::UrlPath(text) => {
                (self.request.is_some() && text.matches(self.path.as_bytes()) == Some(true)).into()
            }
            Rule::UriTemplate(template) => match self.request {
                Some(_) => template.matches(self.path).into(),
                None => Truth::No,
            },
            Rule::DestinationIp(range) => holds(range, connection.destination.ip()).into(),
            Rule::DestinationPort(first, last) => {
                (*first..=*last).contains(&connection.destination.port()).into()
            }
            Rule::ServerName(text) => text.matches(connection.sni.unwrap_or_default().as_bytes()).into(),
            Rule::Authenticated(None) => connection.peer.is_some().into(),
            Rule::Authenticated(Some(text)) => {
                let sans = connection.peer.map_or(&[][..], |peer| &peer.uri_sans);
                sans.iter().map(|san| text.matches(san.as_bytes()).into()).max().unwrap_or(Truth::No)
            }
            Rule::DirectRemoteIp(range) => holds(range, connection.source.ip()).into(),
            Rule::RemoteIp(range) => holds(range, connection.remote).into(),
            Rule::Unknown(_) => Truth::Unknown,
        }
    }

    fn fold(&self, rules: &[Rule], start: Truth, end: Truth, step: impl Fn(Truth, Truth) -> Truth) -> Truth {
        let mut truth = start;
        for rule in rules {
            truth = step(truth, self.rule(rule));
            if truth == end {
                break;
            }
        }
        truth
    }
}

impl<R: RequestView> Facts for Subject<'_, R> {
    fn uri_sans(&self) -> &[String] {
        self.connection.peer.map_or(&[], |peer| &peer.uri_sans)
    }

    fn path(&self) -> Option<&str> {
        self.request.map(|_| self.path)
    }

    fn port(&self) -> u16 {
        self.connection.destination.port()
    }

    fn header(&self, name: &str) -> Header<'_> {
        match self.request.map(|request| values(request, name)).as_deref() {
            None | Some([]) => Header::Missing,
            Some([only]) if std::str::from_utf8(only).is_ok() => Header::One(only),
            Some(_) => Header::Unclear,
        }
    }
}

/// A v4 address may arrive in the disguise of `::ffff:a.b.c.d`, and a range may be written so.
fn holds(range: &IpNet, ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    match (range, ip) {
        (IpNet::V6(range), IpAddr::V4(ip)) => {
            range.prefix_len() >= 96 && range.contains(&ip.to_ipv6_mapped())
        }
        _ => range.contains(&ip),
    }
}

/// Several values of one header cannot be trusted to be read as one by whoever reads them next (the app, another proxy):
/// a rule holds if every single value meets it, does not hold if neither a single value nor all of them joined by commas
/// meet it, and is undecided in between. So a DENY cannot be hidden from, nor an ALLOW reached, by repeating a header.
/// A value that is no UTF-8 is undecided in itself.
fn header(matcher: &HeaderMatch, request: &impl RequestView) -> Truth {
    let values = values(request, &matcher.name);
    let one = |value: &[u8]| -> Truth {
        if std::str::from_utf8(value).is_err() {
            return Truth::Unknown;
        }
        matcher.value.matches(value).into()
    };
    let verdict = match (&matcher.value, &values[..]) {
        (ValueMatch::Present(_), values) if !values.is_empty() => matcher.value.matches(b"").into(),
        (_, []) => return absent(matcher),
        (_, [only]) => one(only),
        (_, several) => {
            let all = several.iter().map(|value| one(value));
            let (lowest, highest) =
                all.fold((Truth::Yes, Truth::No), |(low, high), truth| (low.min(truth), high.max(truth)));
            if lowest == Truth::Yes {
                Truth::Yes
            } else if highest == Truth::No && one(&joined(several)) == Truth::No {
                Truth::No
            } else {
                Truth::Unknown
            }
        }
    };
    if matcher.invert { verdict.not() } else { verdict }
}

/// A header that is not there: as in Envoy, not even an inverted rule on its value holds, unless missing counts as empty.
fn absent(matcher: &HeaderMatch) -> Truth {
    let verdict: Truth = match &matcher.value {
        ValueMatch::Present(present) => (*present == matcher.missing_is_empty).into(),
        value if matcher.missing_is_empty => value.matches(b"").into(),
        _ => return Truth::No,
    };
    if matcher.invert { verdict.not() } else { verdict }
}

/// What a policy has that cannot be known, in words.
pub(super) fn unknown_in(policy: &Policy) -> &str {
    if policy.undecidable {
        return "it has a condition that is not evaluated";
    }
    let first = [&policy.principal, &policy.permission].into_iter().find_map(first_unknown);
    first.unwrap_or("a header that it asks for is repeated with different values, is no UTF-8, or the path has characters that its template does not take")
}

fn first_unknown(rule: &Rule) -> Option<&str> {
    match rule {
        Rule::And(of) | Rule::Or(of) => of.iter().find_map(first_unknown),
        Rule::Not(inner) => first_unknown(inner),
        Rule::Unknown(why) => Some(why),
        _ => None,
    }
}
