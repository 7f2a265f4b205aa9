//! Both sessions, the wires between them, and the proxy at the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_xds::client::Update;
use weft_xds::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTES};
use weft_xds::{Node, Protocol, Request, ResourceSet, Response, client, server};

use super::proxy::{Proxy, content, known, resource};
use super::{State, Step};

pub(crate) struct Network {
    protocol: Protocol,
    pub(crate) proxy: Proxy,
    client: client::Session,
    up: VecDeque<Request>,
    server: server::Session,
    down: VecDeque<Response>,
    updates: VecDeque<Update>,
    target: BTreeMap<(&'static str, String), String>,
    set: Arc<ResourceSet>,
    now: Instant,
    /// Every resource that the server sent.
    pub(crate) sent: Vec<(&'static str, String, String)>,
}

impl Network {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let now = Instant::now();
        let mut client = client::Session::new(Node { id: "n".into(), ..Node::default() }, protocol);
        client.subscribe_all(CLUSTER);
        client.subscribe_all(LISTENER);
        let mut network = Self {
            protocol,
            proxy: Proxy::default(),
            client,
            up: VecDeque::new(),
            server: server::Session::new(protocol, server::Limits::default(), now),
            down: VecDeque::new(),
            updates: VecDeque::new(),
            target: BTreeMap::new(),
            set: Arc::new(ResourceSet::default()),
            now,
            sent: Vec::new(),
        };
        network.take(Step::Reconnect);
        network
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Retarget(state) => self.retarget(state),
            Step::Refresh(name) => self.proxy.refresh(&mut self.client, &name),
            Step::Wait => self.now += Duration::from_secs(60),
            Step::Reconnect => {
                self.up.clear();
                self.down.clear();
                self.server = server::Session::new(self.protocol, server::Limits::default(), self.now);
                self.server.retarget(Arc::clone(&self.set));
                self.client.connected();
            }
            Step::Speak | Step::Up | Step::Push | Step::Down | Step::Apply => {
                self.advance(&step);
            }
        }
    }

    fn retarget(&mut self, state: State) {
        self.target =
            state.into_iter().map(|(type_url, name, content)| ((type_url, name), content)).collect();
        let mut set = ResourceSet::new("r");
        for ((type_url, name), content) in &self.target {
            set.insert(Arc::new(resource(type_url, name, content)));
        }
        self.set = Arc::new(set);
        self.server.retarget(Arc::clone(&self.set));
    }

    /// One thing happens, if it can.
    fn advance(&mut self, step: &Step) -> bool {
        match step {
            Step::Speak => match self.client.next_request() {
                Some(request) => self.up.push_back(request),
                None => return false,
            },
            Step::Up => match self.up.pop_front() {
                Some(request) => drop(self.server.request(request, self.now).expect("an honest client")),
                None => return false,
            },
            Step::Push => match self.server.next_response(self.now) {
                Some(response) => {
                    self.note(&response);
                    self.down.push_back(response);
                }
                None => return false,
            },
            Step::Down => match self.down.pop_front() {
                Some(response) => {
                    self.updates.extend(self.client.receive(response).expect("an honest server"))
                }
                None => return false,
            },
            _ => match self.updates.pop_front() {
                Some(update) => self.proxy.apply(update, &mut self.client),
                None => return false,
            },
        }
        true
    }

    fn note(&mut self, response: &Response) {
        if let Response::Delta(response) = response {
            for wire in &response.resources {
                let any = wire.resource.as_ref().expect("the server sends bodies");
                self.sent.push((known(&any.type_url), wire.name.clone(), content(&any.value)));
            }
        }
    }

    pub(crate) fn sent_clusters(&self) -> BTreeSet<String> {
        self.sent.iter().filter(|sent| sent.0 == CLUSTER).map(|sent| sent.1.clone()).collect()
    }

    /// Lets everything be delivered and answered, however long it takes; but it must end.
    pub(crate) fn settle(&mut self) {
        let mut waited = false;
        for _ in 0..10_000 {
            let mut moved = false;
            for step in [Step::Apply, Step::Speak, Step::Up, Step::Push, Step::Down] {
                moved |= self.advance(&step);
            }
            if moved {
                waited = false;
            } else if waited {
                return;
            } else {
                self.take(Step::Wait);
                waited = true;
            }
        }
        unreachable!("client and server never come to rest");
    }

    pub(crate) fn assert_agreement(&self) {
        let held = self.proxy.holdings();
        let clusters = self.proxy.names(CLUSTER);
        let listeners = self.proxy.names(LISTENER);
        let wanted = |type_url: &str, name: &String| match type_url {
            ENDPOINTS => clusters.contains(name),
            ROUTES => listeners.contains(name),
            _ => true,
        };
        let mut users_are_refused = false;
        for ((type_url, name), content) in &self.target {
            if !wanted(type_url, name) {
                continue;
            }
            if content.starts_with("bad") {
                users_are_refused |= [LISTENER, ROUTES].contains(type_url);
            } else {
                assert_eq!(held.get(&(type_url, name.clone())), Some(content), "{type_url} {name}");
            }
        }
        for key in held.keys().filter(|key| !self.target.contains_key(key)) {
            let unsayable = self.protocol == Protocol::Sotw && [ENDPOINTS, ROUTES].contains(&key.0);
            let kept = users_are_refused && [CLUSTER, ENDPOINTS].contains(&key.0);
            assert!(unsayable || kept, "{} {} is gone from the server", key.0, key.1);
        }
    }
}
