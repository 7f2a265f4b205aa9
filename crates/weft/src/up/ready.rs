//! When a pod is ready: its app listens, and its sidecar says that it is.

use super::plan::{Plan, Pod};
use super::programs::{CONTROL_PORT, READY_PORT, app_address};
use super::protocol::Protocol;
use super::sockets::Listening;
use crate::client;
use futures_util::future::join_all;
use http::StatusCode;
use std::collections::BTreeSet;
use std::time::Duration;

/// A sidecar that does not answer in this time is asked again.
const PATIENCE: Duration = Duration::from_millis(800);

/// A sidecar's ports for what the kernel hands over.
const INTERCEPTED: [u16; 2] = [15001, 15006];

/// A pod's name, with its namespace.
pub(crate) type Key = (String, String);

/// How far one pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Ready,
    /// The app does not listen there.
    App(String),
    /// The sidecar is not there, or says why it is not ready.
    Sidecar(String),
}

/// How far each pod is that `done` does not name.
pub(crate) async fn look(plan: &Plan, done: &BTreeSet<Key>) -> std::io::Result<Vec<(Key, Progress)>> {
    let listening = Listening::now()?;
    let waiting = plan.pods.iter().filter(|pod| !done.contains(&key(pod)));
    Ok(join_all(waiting.map(|pod| async { (key(pod), progress(pod, &listening).await) })).await)
}

/// Whether the control plane listens.
pub(crate) fn control_is_up(plan: &Plan) -> bool {
    let hub = plan.base.hub();
    Listening::within(hub.as_deref()).is_ok_and(|listening| listening.at(plan.base.control(), CONTROL_PORT))
}

/// Whether the sidecar of `pod` takes what the kernel hands over: then nothing that its app sends is refused.
pub(crate) fn intercepts(pod: &Pod) -> bool {
    let listening = Listening::within(pod.netns.as_deref());
    listening.is_ok_and(|listening| INTERCEPTED.iter().all(|port| listening.answers(pod.address, *port)))
}

/// The name by which pods are told apart.
pub(crate) fn key(pod: &Pod) -> Key {
    (pod.namespace.clone(), pod.name.clone())
}

async fn progress(pod: &Pod, listening: &Listening) -> Progress {
    let own;
    let listening = match pod.netns.as_deref().map(|netns| Listening::within(Some(netns))) {
        None => listening,
        Some(Ok(listening)) => {
            own = listening;
            &own
        }
        Some(Err(error)) => return Progress::Sidecar(format!("its network cannot be looked into: {error}")),
    };
    if pod.proxy.holds_app {
        // The app is not there before.
        let of_sidecar = sidecar(pod, listening).await;
        if of_sidecar != Progress::Ready {
            return of_sidecar;
        }
    }
    if let Some(port) = app_port(pod) {
        let address = app_address(pod);
        // In a network of its own an app may listen on all addresses, on its pod's, or on its localhost alone.
        let listens = match address.is_unspecified() {
            true => listening.anywhere(port),
            false => listening.answers(address, port),
        };
        if !listens {
            return Progress::App(format!("{address}:{port}"));
        }
    }
    sidecar(pod, listening).await
}

/// Whether the sidecar of `pod` is ready, whatever its app does.
pub(crate) async fn has_ready_sidecar(pod: &Pod) -> bool {
    match Listening::within(pod.netns.as_deref()) {
        Ok(listening) => sidecar(pod, &listening).await == Progress::Ready,
        Err(_) => false,
    }
}

async fn sidecar(pod: &Pod, listening: &Listening) -> Progress {
    if !pod.sidecar {
        return Progress::Ready;
    }
    if !listening.answers(pod.address, READY_PORT) {
        return Progress::Sidecar("it is starting".to_owned());
    }
    match client::fetch(&pod.within(pod.address, READY_PORT), "/healthz/ready", PATIENCE).await {
        Ok((StatusCode::OK, _)) => Progress::Ready,
        Ok((status, body)) => {
            let why = String::from_utf8_lossy(&body).trim().to_owned();
            Progress::Sidecar(if why.is_empty() { status.to_string() } else { why })
        }
        Err(error) => Progress::Sidecar(error.to_string()),
    }
}

/// The port whose listening means that the app runs: what `PORT` says.
fn app_port(pod: &Pod) -> Option<u16> {
    let carried = || pod.ports.iter().filter(|port| port.protocol != Protocol::Udp);
    let main = carried().find(|port| port.protocol == Protocol::Http).or_else(|| carried().next());
    main.map(|port| port.number)
}

/// Why a pod is not ready, in words.
pub(crate) fn reason(progress: &Progress) -> Option<String> {
    match progress {
        Progress::Ready => None,
        Progress::App(address) => Some(format!("its app does not listen on {address} yet")),
        Progress::Sidecar(why) => Some(format!("its sidecar is not ready: {why}")),
    }
}

/// What the user is told of a pod that is not ready.
pub(crate) fn waiting_for((namespace, pod): &Key, progress: &Progress) -> Option<String> {
    reason(progress).map(|why| format!("{namespace}/{pod}: {why}"))
}
