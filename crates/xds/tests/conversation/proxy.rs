//! A proxy in the small: applies what is good, keeps its last good value, asks for what its clusters and listeners need.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use weft_xds::Resource;
use weft_xds::client::{Session, Update};
use weft_xds::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTES};

#[derive(Clone, PartialEq, Eq, Message)]
struct Body {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "3")]
    eds: Option<()>,
    #[prost(string, tag = "999")]
    content: String,
}

pub(crate) fn resource(type_url: &str, name: &str, content: &str) -> Resource {
    let eds = (type_url == CLUSTER).then_some(());
    let body = Body { name: name.into(), eds, content: content.into() };
    Resource::versioned_by_content(type_url, name, body.encode_to_vec())
}

pub(crate) fn content(bytes: &[u8]) -> String {
    Body::decode(bytes).expect("our own bytes").content
}

pub(crate) fn known(type_url: &str) -> &'static str {
    [CLUSTER, ENDPOINTS, LISTENER, ROUTES]
        .into_iter()
        .find(|known| *known == type_url)
        .expect("one of the four")
}

#[derive(Default)]
pub(crate) struct Proxy {
    store: BTreeMap<(&'static str, String), String>,
}

impl Proxy {
    pub(crate) fn apply(&mut self, update: Update, session: &mut Session) {
        let type_url = known(&update.type_url);
        let mut refused = Vec::new();
        for resource in &update.updated {
            if !self.refers_to(type_url, &resource.name) {
                continue;
            }
            let content = content(&resource.value);
            if content.starts_with("bad") {
                refused.push(resource.name.to_string());
            } else {
                self.store.insert((type_url, resource.name.to_string()), content);
            }
        }
        for name in &update.removed {
            self.store.remove(&(type_url, name.to_string()));
        }
        match type_url {
            CLUSTER => self.follow(session, CLUSTER, ENDPOINTS),
            LISTENER => self.follow(session, LISTENER, ROUTES),
            _ => {}
        }
        if refused.is_empty() {
            session.ack(update.ticket);
        } else {
            session.nack(update.ticket, &refused.join(", "));
        }
    }

    /// Asks for what the resources of one type refer to, and forgets what they no longer do.
    fn follow(&mut self, session: &mut Session, from: &'static str, to: &'static str) {
        let wanted = self.names(from);
        self.store.retain(|(type_url, name), _| *type_url != to || wanted.contains(name));
        session.subscribe_only(to, wanted);
    }

    /// An update may have been on its way when its names were dropped.
    fn refers_to(&self, type_url: &'static str, name: &str) -> bool {
        match type_url {
            ENDPOINTS => self.names(CLUSTER).contains(name),
            ROUTES => self.names(LISTENER).contains(name),
            _ => true,
        }
    }

    pub(crate) fn refresh(&mut self, session: &mut Session, name: &str) {
        if self.names(CLUSTER).contains(name) {
            session.unsubscribe(ENDPOINTS, [name]);
            session.subscribe(ENDPOINTS, [name]);
        }
    }

    pub(crate) fn names(&self, type_url: &'static str) -> BTreeSet<String> {
        self.store.keys().filter(|(of, _)| *of == type_url).map(|(_, name)| name.clone()).collect()
    }

    pub(crate) fn holdings(&self) -> BTreeMap<(&'static str, String), String> {
        self.store.clone()
    }

    pub(crate) fn assert_no_dangling_route(&self) {
        for ((type_url, name), to) in &self.store {
            if *type_url == ROUTES {
                assert!(
                    self.store.contains_key(&(CLUSTER, to.clone())),
                    "route {name} leads to no cluster {to}"
                );
                assert!(
                    self.store.contains_key(&(ENDPOINTS, to.clone())),
                    "cluster {to} has no endpoints yet"
                );
            }
        }
    }
}
