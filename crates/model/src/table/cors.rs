//! Compiled CORS policies.

use crate::route as settings;
use crate::table::affix::Part;
use crate::table::re2::Re2Error;
use crate::table::text::Text;

/// Which origins may read answers, and what browsers are told.
#[derive(Debug, Clone)]
pub struct Cors {
    /// As it arrived.
    pub settings: settings::Cors,
    origins: Vec<Text>,
}

impl Cors {
    /// Compiles a policy; an origin with a bad regex is nobody's, which the second value tells.
    pub(crate) fn new(settings: &settings::Cors) -> (Self, Vec<Re2Error>) {
        let mut errors = Vec::new();
        let mut origins = Vec::new();
        for matcher in &settings.allow_origins {
            match Text::new(matcher) {
                Ok(text) => origins.push(text),
                Err(error) => errors.push(error),
            }
        }
        (Self { settings: settings.clone(), origins }, errors)
    }

    /// Whether an origin is allowed; `*` allows all.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.origins
            .iter()
            .any(|own| own.affix() == Some((Part::Whole, b"*")) || own.matches(origin) == Some(true))
    }
}
