//! Headers as the http crate has them. The same names, and the same long words of the mesh, go out again and again: to
//! compare one with the last of its kind costs less than to check it byte by byte and to copy it.

use std::cell::RefCell;

use http::{HeaderName, HeaderValue};

/// Names that a worker remembers.
const NAMES: usize = 64;

/// Values that are long and the same for each request of a workload.
const REPEATED: [&str; 2] = ["x-envoy-peer-metadata", "x-envoy-peer-metadata-id"];

/// Values that are another for each request. In HPACK's table none would ever be found again; each would push out one that
/// would, and make the next search of its name longer.
const UNIQUE: [&str; 8] = [
    "x-request-id",
    "traceparent",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-client-trace-id",
    "grpc-timeout",
];

thread_local! {
    static KNOWN: RefCell<Known> =
        const { RefCell::new(Known { names: [const { None }; NAMES], values: [const { None }; REPEATED.len()] }) };
}

struct Known {
    names: [Option<Name>; NAMES],
    values: [Option<HeaderValue>; REPEATED.len()],
}

#[derive(Clone)]
struct Name {
    name: HeaderName,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Usual,
    /// Its place among the values.
    Repeated(usize),
    Unique,
}

/// A header; `None` if it is none in HTTP/2.
pub(super) fn field(name: &[u8], value: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    KNOWN.with_borrow_mut(|known| {
        let Name { name, kind } = known.name(name)?;
        let value = match kind {
            Kind::Usual => HeaderValue::from_bytes(value).ok()?,
            Kind::Repeated(place) => repeated(&mut known.values[place], value)?,
            Kind::Unique => {
                let mut value = HeaderValue::from_bytes(value).ok()?;
                value.set_sensitive(true);
                value
            }
        };
        Some((name, value))
    })
}

impl Known {
    fn name(&mut self, bytes: &[u8]) -> Option<Name> {
        let last = usize::from(*bytes.last()?);
        let place = &mut self.names[((bytes.len() * 7) ^ last) % NAMES];
        if let Some(known) = place
            && known.name.as_str().as_bytes() == bytes
        {
            return Some(known.clone());
        }
        let name = HeaderName::from_bytes(bytes).ok()?;
        let kind = if let Some(place) = REPEATED.iter().position(|repeated| *repeated == name) {
            Kind::Repeated(place)
        } else if UNIQUE.iter().any(|unique| *unique == name) {
            Kind::Unique
        } else {
            Kind::Usual
        };
        Some(place.insert(Name { name, kind }).clone())
    }
}

fn repeated(last: &mut Option<HeaderValue>, value: &[u8]) -> Option<HeaderValue> {
    if let Some(last) = last
        && last.as_bytes() == value
    {
        return Some(last.clone());
    }
    Some(last.insert(HeaderValue::from_bytes(value).ok()?).clone())
}

#[cfg(test)]
mod tests;
