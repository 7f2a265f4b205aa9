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
    /// It is a preflight of an origin that is not allowed, and such are not forwarded: 200, and no word of the origin.
    Withheld(Grant<'a>),
    /// It goes on, and its answer gets these headers, in place of upstream's own.
    Granted(Grant<'a>),
}

/// What an origin is granted.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    origin: &'a str,
    cors: &'a Cors,
    /// The method and the headers that a preflight asks for.
    preflight: Option<[&'a str; 2]>,
}

impl<'a> Grant<'a> {
    /// Headers of the answer.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let settings = &self.cors.settings;
        let credentials = if settings.allow_credentials == Some(true) { "true" } else { "" };
        // A star is what is asked for: browsers do not heed it where credentials are sent.
        let asked = |which: usize, text: &'a str| match self.preflight {
            Some(asked) if text == "*" => asked[which],
            Some(_) => text,
            None => "",
        };
        let all = [
            ("access-control-allow-origin", self.origin),
            ("access-control-allow-credentials", credentials),
            ("access-control-allow-methods", asked(0, &settings.allow_methods)),
            ("access-control-allow-headers", asked(1, &settings.allow_headers)),
            ("access-control-max-age", if self.preflight.is_some() { &settings.max_age } else { "" }),
            (
                "access-control-expose-headers",
                if self.origin.is_empty() { "" } else { &settings.expose_headers },
            ),
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
    let text = |name| request.first_header(name).and_then(|value| std::str::from_utf8(value).ok());
    let asked = text("access-control-request-method").unwrap_or_default();
    let headers = text("access-control-request-headers").unwrap_or_default();
    let preflight = (request.method() == "OPTIONS" && !asked.is_empty()).then_some([asked, headers]);
    if !cors.allows(origin.as_bytes()) {
        let forward = cors.settings.forward_not_matching_preflights.unwrap_or(true);
        let withheld = Grant { origin: "", cors, preflight };
        return if preflight.is_some() && !forward {
            Decision::Withheld(withheld)
        } else {
            Decision::Nothing
        };
    }
    let grant = Grant { origin, cors, preflight };
    if preflight.is_some() { Decision::Preflight(grant) } else { Decision::Granted(grant) }
}

#[cfg(test)]
mod tests;
