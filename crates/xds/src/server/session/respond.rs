//! Deriving the next response, in the order that keeps every reference valid.

use std::sync::Arc;
use std::time::Instant;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryResponse, DiscoveryResponse, Resource as Wire,
};

use super::{Mark, Session, Watched, resources_of};
use crate::server::subscription::Diff;
use crate::{Protocol, Resource, ResourceSet, Response, peek, type_url};

/// A type's part in make before break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Clusters and endpoints: additions first of all, removals last of all.
    Supplies,
    /// Listeners and routes, which refer to them.
    Uses,
    /// The rest.
    Free,
}

fn part(type_url: &str) -> Part {
    match type_url {
        type_url::CLUSTER | type_url::ENDPOINTS => Part::Supplies,
        type_url::LISTENER | type_url::ROUTES => Part::Uses,
        _ => Part::Free,
    }
}

impl Watched {
    /// Whether the newest state is in force in the client: nothing to send, nothing unanswered, nothing refused.
    pub(super) fn settled(&self, target: &ResourceSet, type_url: &str) -> bool {
        let resources = resources_of(target, type_url);
        let subscription = &self.subscription;
        subscription.pending.is_none()
            && (!subscription.dirty || subscription.diff(resources).is_empty())
            && !subscription.refuses(resources)
    }
}

impl Session {
    /// The next thing to send, if there is any and its time has come.
    pub fn next_response(&mut self, now: Instant) -> Option<Response> {
        let target = self.target.clone()?;
        (0..self.watched.len()).find_map(|index| self.respond(index, &target, now))
    }

    fn respond(&mut self, index: usize, target: &Arc<ResourceSet>, now: Instant) -> Option<Response> {
        let (type_url, watched) = &self.watched[index];
        let type_url = Arc::clone(type_url);
        let subscription = &watched.subscription;
        if subscription.pending.is_some() || !subscription.dirty {
            return None;
        }
        let part = part(&type_url);
        if part == Part::Uses && self.supplies_are_on_their_way(now) {
            return None;
        }
        let whole = self.protocol == Protocol::Sotw && type_url::full_state(&type_url);
        let mut diff = subscription.diff(resources_of(target, &type_url));
        let held_back =
            if part == Part::Supplies && !diff.gone.is_empty() && !self.users_are_settled(target, now) {
                std::mem::take(&mut diff.gone)
            } else {
                Vec::new()
            };

        let subscription = &mut self.watched[index].1.subscription;
        if self.protocol == Protocol::Sotw && !whole {
            subscription.drop_silently(&mut diff);
        }
        let more = !whole && subscription.single_out(&mut diff);
        if diff.is_empty() && !subscription.owes_first {
            subscription.dirty = !held_back.is_empty();
            return None;
        }
        if *type_url == *type_url::CLUSTER {
            self.warm(&diff.send, now);
        }
        let response = self.push(index, target, &diff, &held_back, now);
        // Whatever changes from now on says so.
        self.watched[index].1.subscription.dirty = more || !held_back.is_empty();
        Some(response)
    }

    /// Rule 1: a user of clusters waits until they and their endpoints are answered, but not forever.
    fn supplies_are_on_their_way(&self, now: Instant) -> bool {
        let recent = |since: Instant| now < since + self.limits.patience;
        let mut supplies = self.watched.iter().filter(|(url, _)| part(url) == Part::Supplies);
        supplies.any(|(_, watched)| watched.subscription.pending.as_ref().is_some_and(|p| recent(p.since)))
            || (!self.awaited.is_empty() && recent(self.awaited_since))
    }

    /// Rule 2: clusters go when nothing in force can refer to them.
    fn users_are_settled(&self, target: &ResourceSet, now: Instant) -> bool {
        [type_url::LISTENER, type_url::ROUTES].into_iter().all(|user| {
            match self.watched.iter().find(|(url, _)| **url == *user) {
                Some((_, watched)) => watched.settled(target, user),
                // A reconnecting client asks for its types one by one.
                None => now >= self.opened + self.limits.patience,
            }
        })
    }

    /// Rule 4: endpoints of clusters that are sent go with them, now or when the client asks for them.
    fn warm(&mut self, clusters: &[Arc<Resource>], now: Instant) {
        if now >= self.awaited_since + self.limits.patience {
            self.awaited.clear();
        }
        self.awaited_since = now;
        self.awaited.extend(clusters.iter().filter_map(|cluster| peek::endpoints_of_cluster(&cluster.value)));
        if let Some(index) = self.watched.iter().position(|(url, _)| **url == *type_url::ENDPOINTS) {
            self.welcome_awaited(index);
        }
    }

    /// Makes sure that awaited endpoints that the client asks for are sent, even if it claims to hold them.
    pub(super) fn welcome_awaited(&mut self, index: usize) {
        let (type_url, watched) = &mut self.watched[index];
        if **type_url == *type_url::ENDPOINTS {
            self.awaited.retain(|name| {
                let wanted = watched.subscription.wants(name);
                if wanted {
                    watched.subscription.forget(name);
                }
                !wanted
            });
        }
    }

    fn push(
        &mut self,
        index: usize,
        target: &Arc<ResourceSet>,
        diff: &Diff,
        held_back: &[Arc<str>],
        now: Instant,
    ) -> Response {
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        let revision = Arc::clone(target.revision());
        let (type_url, watched) = &mut self.watched[index];
        let whole = self.protocol == Protocol::Sotw && type_url::full_state(type_url);
        let subscription = &mut watched.subscription;
        // What an acknowledgement will vouch for.
        let resources = resources_of(target, type_url);
        let (sent, removed): (Vec<Arc<Resource>>, Vec<Arc<str>>) = if whole {
            let all = resources.values().filter(|resource| subscription.wants(&resource.name));
            (all.cloned().collect(), subscription.absent_from(resources, held_back))
        } else {
            (diff.send.clone(), diff.gone.iter().chain(&diff.absent).cloned().collect())
        };
        let response = match self.protocol {
            Protocol::Delta => Response::Delta(DeltaDiscoveryResponse {
                system_version_info: revision.to_string(),
                type_url: type_url.to_string(),
                nonce: nonce.clone(),
                resources: sent.iter().map(|resource| wire(resource)).collect(),
                removed_resources: removed.iter().map(ToString::to_string).collect(),
                ..DeltaDiscoveryResponse::default()
            }),
            Protocol::Sotw => Response::Sotw(DiscoveryResponse {
                version_info: revision.to_string(),
                type_url: type_url.to_string(),
                nonce: nonce.clone(),
                resources: sent
                    .iter()
                    .chain(subscription.still_held(held_back))
                    .map(|resource| resource.to_any())
                    .collect(),
                ..DiscoveryResponse::default()
            }),
        };
        watched.sent = Some(Mark { revision: Arc::clone(&revision), at: now });
        watched.last_nonce.clone_from(&nonce);
        subscription.sent(nonce, revision, now, sent, removed);
        response
    }
}

fn wire(resource: &Resource) -> Wire {
    Wire {
        name: resource.name.to_string(),
        version: resource.version.to_string(),
        resource: Some(resource.to_any()),
        ..Wire::default()
    }
}
