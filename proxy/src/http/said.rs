//! What an answer says in place of what it may say itself, whoever gives it: rate limits, CORS.

use weft_http1::{Headers, InvalidHeader, Name};
use weft_policy::limit::Taken;

const LIMIT: Name = Name::new("x-ratelimit-limit");
const REMAINING: Name = Name::new("x-ratelimit-remaining");
const RESET: Name = Name::new("x-ratelimit-reset");

/// To be written into its head.
#[derive(Debug)]
pub struct Said {
    /// A bucket's size, and what became of the request that asked it.
    pub limit: Option<(u32, Taken)>,
    /// To an origin.
    pub granted: Vec<(&'static str, String)>,
}

impl Said {
    /// Nobody had anything to say.
    pub const NOTHING: Self = Self { limit: None, granted: Vec::new() };

    /// Writes it.
    ///
    /// # Errors
    /// If what is configured is no header value; what comes before it is written.
    pub fn write(&self, headers: &mut Headers) -> Result<(), InvalidHeader> {
        if let Some((most, taken)) = self.limit {
            let said = [(LIMIT, most.into()), (REMAINING, taken.remaining.into()), (RESET, taken.reset)];
            headers.set_numbers(&said)?;
        }
        self.granted.iter().try_for_each(|(name, value)| headers.set(name, value))
    }
}
