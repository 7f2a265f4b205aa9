//! The two sessions against each other, over an invented network that delays, merges and breaks as chance has it.

use proptest::prelude::*;
use weft_xds::Protocol;
use weft_xds::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTES};

mod network;
mod proxy;

use network::Network;

/// `(type, name, content)`; a content that begins with "bad" is refused by the proxy.
type State = Vec<(&'static str, String, String)>;

#[derive(Debug, Clone)]
enum Step {
    Retarget(State),
    /// The client puts its next request on the wire.
    Speak,
    /// A request arrives.
    Up,
    /// The server puts its next response on the wire.
    Push,
    /// A response arrives.
    Down,
    /// The proxy takes one update, and answers it.
    Apply,
    Reconnect,
    /// Longer than anyone's patience.
    Wait,
    /// The proxy drops the endpoints of this cluster, and wants them again.
    Refresh(String),
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

/// Any state, bad resources and dangling references included.
fn any_state() -> impl Strategy<Value = State> {
    let type_url = prop::sample::select(vec![CLUSTER, ENDPOINTS, LISTENER, ROUTES]);
    let content = prop::sample::select(vec!["1", "2", "3", "bad"]).prop_map(str::to_owned);
    prop::collection::vec((type_url, name(), content), 0..12)
}

/// A state as a control plane makes it: clusters have endpoints, listeners have routes, routes lead to clusters.
fn sound_state() -> impl Strategy<Value = State> {
    let clusters = prop::collection::btree_map(name(), 0..3_u8, 1..4);
    let listeners = prop::collection::btree_map(name(), (0..2_u8, any::<prop::sample::Index>()), 0..3);
    (clusters, listeners, 0..2_u8).prop_map(|(clusters, listeners, endpoints)| {
        let mut state = State::new();
        for (name, content) in &clusters {
            state.push((CLUSTER, name.clone(), content.to_string()));
            state.push((ENDPOINTS, name.clone(), endpoints.to_string()));
        }
        let names: Vec<&String> = clusters.keys().collect();
        for (name, (content, to)) in listeners {
            state.push((ROUTES, name.clone(), names[to.index(names.len())].clone()));
            state.push((LISTENER, name, content.to_string()));
        }
        state
    })
}

fn steps(state: impl Strategy<Value = State>, patience: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => state.prop_map(Step::Retarget),
        8 => Just(Step::Speak),
        8 => Just(Step::Up),
        8 => Just(Step::Push),
        8 => Just(Step::Down),
        8 => Just(Step::Apply),
        1 => Just(Step::Reconnect),
        patience => Just(Step::Wait),
        1 => name().prop_map(Step::Refresh),
    ];
    prop::collection::vec(step, 0..120)
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Delta), Just(Protocol::Sotw)]
}

proptest! {

    #[test]
    fn after_all_is_said_the_proxy_holds_what_the_server_has(
        protocol in protocol(),
        steps in steps(any_state(), 1),
    ) {
        let mut network = Network::new(protocol);
        steps.into_iter().for_each(|step| network.take(step));
        network.settle();
        network.assert_agreement();
    }

    #[test]
    fn a_settled_proxy_that_reconnects_is_sent_nothing_but_what_it_refused(steps in steps(any_state(), 1)) {
        let mut network = Network::new(Protocol::Delta);
        steps.into_iter().for_each(|step| network.take(step));
        network.settle();
        network.assert_agreement();
        network.sent.clear();
        network.take(Step::Reconnect);
        network.settle();
        let clusters = network.sent_clusters();
        for (type_url, name, content) in &network.sent {
            let warming = *type_url == ENDPOINTS && clusters.contains(name);
            let refused = content.starts_with("bad");
            assert!(refused || warming, "{type_url} {name} was sent although the proxy holds it");
        }
        network.assert_agreement();
    }

    #[test]
    fn no_route_ever_leads_to_a_cluster_that_is_not_there(
        protocol in protocol(),
        steps in steps(sound_state(), 0),
    ) {
        let mut network = Network::new(protocol);
        for step in steps {
            network.take(step);
            network.proxy.assert_no_dangling_route();
        }
        network.settle();
        network.assert_agreement();
    }

    #[test]
    fn nothing_is_sent_twice_unchanged_on_one_stream(states in prop::collection::vec(sound_state(), 1..6)) {
        let mut network = Network::new(Protocol::Delta);
        for state in states {
            let before = network.proxy.holdings();
            network.take(Step::Retarget(state));
            network.sent.clear();
            network.settle();
            let clusters = network.sent_clusters();
            for (type_url, name, content) in &network.sent {
                let unchanged = before.get(&(*type_url, name.clone())) == Some(content);
                let warming = *type_url == ENDPOINTS && clusters.contains(name);
                assert!(!unchanged || warming, "{type_url} {name} was sent again");
            }
        }
    }
}
