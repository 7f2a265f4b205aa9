//! What a browser on a foreign page is told: Envoy's CORS filter.

use weft_model::request::RequestView;
use weft_model::table::cors::Cors;

/// What is done with a request.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'a> {
    /// It goes on, and its answer is left alone: no browser asks, or its origin is not allowed.
    Nothing,
    /// It is a preflight: answered here with 200 and these headers.
    Preflight(Grant<'a>),
    /// It is a preflight of an origin that is not allowed, and such are not forwarded: 200 without any of the headers.
    Withheld,
    /// It goes on, and its answer gets these headers, in place of upstream's own.
    Granted(Grant<'a>),
}

/// What an origin is granted.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    origin: &'a str,
    cors: &'a Cors,
    preflight: bool,
}

impl<'a> Grant<'a> {
    /// Headers of the answer.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let settings = &self.cors.settings;
        let credentials = if settings.allow_credentials == Some(true) { "true" } else { "" };
        let preflight = |text: &'a str| if self.preflight { text } else { "" };
        let actual = |text: &'a str| if self.preflight { "" } else { text };
        let all = [
            ("access-control-allow-origin", self.origin),
            ("access-control-allow-credentials", credentials),
            ("access-control-allow-methods", preflight(&settings.allow_methods)),
            ("access-control-allow-headers", preflight(&settings.allow_headers)),
            ("access-control-max-age", preflight(&settings.max_age)),
            ("access-control-expose-headers", actual(&settings.expose_headers)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty())
    }
}

/// Decides by a route's policy. An origin that is repeated or no text is none.
pub fn decide<'a>(cors: &'a Cors, request: &'a impl RequestView) -> Decision<'a> {
    let (mut origin, mut count) = (None, 0);
    request.header("origin", &mut |value| {
        origin = std::str::from_utf8(value).ok();
        count += 1;
    });
    let Some(origin) = origin.filter(|origin| !origin.is_empty() && count == 1) else {
        return Decision::Nothing;
    };
    let asked = request.first_header("access-control-request-method").unwrap_or_default();
    let preflight = request.method() == "OPTIONS" && !asked.is_empty();
    if !cors.allows(origin.as_bytes()) {
        let forward = cors.settings.forward_not_matching_preflights.unwrap_or(true);
        return if preflight && !forward { Decision::Withheld } else { Decision::Nothing };
    }
    let grant = Grant { origin, cors, preflight };
    if preflight { Decision::Preflight(grant) } else { Decision::Granted(grant) }
}

#[cfg(test)]
mod tests;
