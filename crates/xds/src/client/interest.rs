//! What a client wants of one type, what it has said about that on this stream, and what it holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use envoy_types::pb::google::rpc;

use super::session::Ticket;

/// A resource that was given to the application.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) version: Arc<str>,
    pub(super) digest: u64,
    pub(super) verdict: Verdict,
}

/// What the application said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Open(Ticket),
    Accepted,
    /// Refused: whether the new or an older value is in force, only the application knows.
    Refused,
}

/// An answer to one response; `error` makes it a NACK.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) nonce: String,
    pub(super) error: Option<String>,
}

/// One type's state on the client.
#[derive(Debug, Default)]
pub(super) struct Interest {
    pub(super) wildcard: bool,
    pub(super) names: BTreeSet<Arc<str>>,
    pub(super) held: BTreeMap<Arc<str>, Held>,
    /// Whether any response of this type ever came.
    pub(super) seen: bool,
    /// SotW: the `version_info` last accepted.
    pub(super) accepted: String,
    said: Option<Said>,
    answers: VecDeque<Answer>,
    /// SotW: the response last received, and whether the application still has to answer it.
    last_nonce: String,
    last_is_open: bool,
}

#[derive(Debug, Default)]
struct Said {
    wildcard: bool,
    names: BTreeSet<Arc<str>>,
    /// Dropped and wanted again before the server heard of either: asked for anew, or the server would not send it.
    again: BTreeSet<Arc<str>>,
    changed: bool,
}

impl Interest {
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    pub(super) fn add(&mut self, name: Arc<str>) {
        if !self.names.insert(Arc::clone(&name)) {
            return;
        }
        if let Some(said) = &mut self.said {
            said.changed = true;
            if said.names.contains(&name) {
                said.again.insert(name);
            }
        }
    }

    pub(super) fn drop_name(&mut self, name: &str) {
        if !self.names.remove(name) {
            return;
        }
        if !self.wildcard {
            self.held.remove(name);
        }
        if let Some(said) = &mut self.said {
            said.changed = true;
            said.again.remove(name);
        }
    }

    pub(super) fn set_wildcard(&mut self) {
        self.wildcard = true;
        if let Some(said) = &mut self.said {
            said.changed = true;
        }
    }

    /// Whether the server has to hear of names, rather than of answers alone.
    pub(super) fn has_news(&self) -> bool {
        self.said.as_ref().is_none_or(|said| said.changed)
    }

    /// A new stream: nothing has been said on it, and answers to the old one have no reader.
    pub(super) fn reset(&mut self) {
        self.said = None;
        self.answers.clear();
        self.last_nonce.clear();
        self.last_is_open = false;
    }

    /// Notes that a response arrived and waits for its answer.
    pub(super) fn arrived(&mut self, nonce: &str) {
        nonce.clone_into(&mut self.last_nonce);
        self.last_is_open = true;
    }

    /// Queues an answer; on SotW an answer to anything but the last response is stale and left unsaid.
    pub(super) fn answer(&mut self, answer: Answer, sotw: bool) {
        if sotw {
            if answer.nonce != self.last_nonce {
                return;
            }
            self.last_is_open = false;
            self.answers.clear();
        }
        self.answers.push_back(answer);
    }

    /// The next delta request about this type, if there is anything to say.
    pub(super) fn next_delta(&mut self) -> Option<DeltaDiscoveryRequest> {
        let mut request = DeltaDiscoveryRequest::default();
        match &mut self.said {
            None => {
                // A first request that names nothing would mean "everything".
                if !self.wildcard && self.names.is_empty() {
                    return None;
                }
                request.resource_names_subscribe = star(self.wildcard).chain(strings(&self.names)).collect();
                request.initial_resource_versions =
                    self.held.iter().map(|(name, held)| (name.to_string(), held.claimed_version())).collect();
                self.said =
                    Some(Said { wildcard: self.wildcard, names: self.names.clone(), ..Said::default() });
            }
            Some(said) => {
                if !said.changed && self.answers.is_empty() {
                    return None;
                }
                if said.changed {
                    request.resource_names_subscribe = star(self.wildcard && !said.wildcard)
                        .chain(strings(self.names.difference(&said.names)))
                        .chain(strings(&said.again))
                        .collect();
                    request.resource_names_unsubscribe =
                        strings(said.names.difference(&self.names)).collect();
                    *said = Said { wildcard: self.wildcard, names: self.names.clone(), ..Said::default() };
                }
            }
        }
        if let Some(answer) = self.answers.pop_front() {
            request.response_nonce = answer.nonce;
            request.error_detail = answer.error.map(status);
        } else if request.resource_names_subscribe.is_empty() && request.resource_names_unsubscribe.is_empty()
        {
            return None;
        }
        Some(request)
    }

    /// The next SotW request about this type, if there is anything to say.
    pub(super) fn next_sotw(&mut self) -> Option<DiscoveryRequest> {
        match &self.said {
            None if !self.wildcard && self.names.is_empty() => return None,
            None => {}
            // The server has moved on to a response that we have not answered: a request now would quote a stale
            // nonce and be ignored. The answer will carry the names.
            Some(_) if self.last_is_open => return None,
            Some(said) if !said.changed && self.answers.is_empty() => return None,
            Some(_) => {}
        }
        self.said = Some(Said { wildcard: self.wildcard, names: self.names.clone(), ..Said::default() });
        let error = self.answers.pop_front().and_then(|answer| answer.error);
        Some(DiscoveryRequest {
            version_info: self.accepted.clone(),
            // On SotW, no names at all is the wildcard.
            resource_names: if self.wildcard { Vec::new() } else { strings(&self.names).collect() },
            response_nonce: self.last_nonce.clone(),
            error_detail: error.map(status),
            ..DiscoveryRequest::default()
        })
    }
}

impl Held {
    /// What to claim on a new stream. Only an accepted version is ours for certain; of the rest we say that we have
    /// something (so that its removal is reported), but not what (so that it is sent).
    fn claimed_version(&self) -> String {
        if self.verdict == Verdict::Accepted { self.version.to_string() } else { String::new() }
    }
}

fn star(wanted: bool) -> impl Iterator<Item = String> {
    wanted.then(|| "*".to_owned()).into_iter()
}

fn strings<'a>(names: impl IntoIterator<Item = &'a Arc<str>>) -> impl Iterator<Item = String> {
    names.into_iter().map(ToString::to_string)
}

fn status(message: String) -> rpc::Status {
    // INTERNAL is what Envoy sends; servers look at the presence alone.
    rpc::Status { code: 13, message, details: Vec::new() }
}
