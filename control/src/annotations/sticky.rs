//! `weft.dev/sticky`: by what a session is known.

use weft_model::route::{HashKey, HashPolicy};

use super::pairs::Pairs;

/// Ends the search for a key: whoever brings it is known by it alone.
pub(super) fn parse(text: &str) -> Result<HashPolicy, String> {
    let mut pairs = Pairs::of(text)?;
    let key = match (pairs.take("header"), pairs.take("cookie")) {
        (Some(header), None) => HashKey::Header(header.to_ascii_lowercase()),
        (None, Some(name)) => HashKey::Cookie {
            name: name.to_owned(),
            // Without a time a cookie lasts for the browser's session.
            ttl: Some(pairs.duration("ttl")?.unwrap_or_default()),
            path: pairs.take("path").unwrap_or("/").to_owned(),
            attributes: Vec::new(),
        },
        _ => return Err("it says either header=NAME or cookie=NAME".to_owned()),
    };
    pairs.done("header, or cookie, ttl, path")?;
    let (HashKey::Header(name) | HashKey::Cookie { name, .. }) = &key else { unreachable!() };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.bytes().all(fits) {
        return Err(format!("{name:?} is no name of a header or cookie"));
    }
    Ok(HashPolicy { key, terminal: true })
}
