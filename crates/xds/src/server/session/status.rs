//! What a stream's session tells `weft status`.

use std::sync::Arc;
use std::time::Instant;

use super::{Session, resources_of};

/// A revision, and when it got to where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The revision of the set.
    pub revision: Arc<str>,
    /// Since when.
    pub at: Instant,
}

/// A NACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The client's reason.
    pub message: String,
    /// What it refused, and when.
    pub mark: Mark,
}

/// One type on one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeStatus {
    /// The type.
    pub type_url: Arc<str>,
    /// Whether the client wants everything.
    pub wildcard: bool,
    /// How many names the client asks for.
    pub names: usize,
    /// How many resources the client has.
    pub held: usize,
    /// The last response.
    pub sent: Option<Mark>,
    /// The last response that came into force.
    pub acked: Option<Mark>,
    /// The last refusal, while what was refused is still what the client should have.
    pub nacked: Option<Refusal>,
    /// Whether the newest state of this type is in force in the client.
    pub in_sync: bool,
}

impl Session {
    /// The state of each type that the client asked for, in push order.
    #[must_use]
    pub fn status(&self) -> Vec<TypeStatus> {
        let of_type = |(type_url, watched): &(Arc<str>, super::Watched)| {
            let subscription = &watched.subscription;
            let refuses = self
                .target
                .as_ref()
                .is_some_and(|target| subscription.refuses(resources_of(target, type_url)));
            TypeStatus {
                type_url: Arc::clone(type_url),
                wildcard: subscription.wildcard,
                names: subscription.names().len(),
                held: subscription.held(),
                sent: watched.sent.clone(),
                acked: watched.acked.clone(),
                nacked: watched.nacked.clone().filter(|_| refuses),
                in_sync: self.target.as_ref().is_some_and(|target| watched.settled(target, type_url)),
            }
        };
        self.watched.iter().map(of_type).collect()
    }
}
