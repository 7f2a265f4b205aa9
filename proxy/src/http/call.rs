//! One request on its way: its head, its answer's head, and what will be written down of it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use weft_http1::{Headers, RequestHead, ResponseHead};
use weft_model::request::RequestView;
use weft_model::route::HeaderOperations;
use weft_telemetry::{Fields, Peer, ResponseFlags};

use super::clock::Timer;
use super::said::Said;
use crate::snapshot::{ClusterView, Local};

/// The heads are used again for the next request of the connection.
#[derive(Debug, Default)]
pub struct Call {
    /// The request's head, as it will be forwarded.
    pub request: RequestHead,
    /// The answer's head.
    pub response: ResponseHead,
    /// What is known so far.
    pub ledger: Ledger,
    /// Behind its limits of time.
    pub timer: Timer,
}

impl Call {
    /// Forgets the request and keeps the memory. Nothing of the configuration is held any longer.
    pub fn clear(&mut self) {
        self.request.clear();
        self.response.clear();
        self.ledger = Ledger::at(self.ledger.start, self.ledger.started);
    }

    /// Does one of the heads hold more than so many bytes of memory?
    pub fn is_larger_than(&self, bytes: usize) -> bool {
        self.request.headers.capacity().max(self.response.headers.capacity()) > bytes
    }
}

/// What will be written down of a request.
#[derive(Debug)]
pub struct Ledger {
    /// When its head had come.
    pub start: Instant,
    /// The same by the clock.
    pub started: SystemTime,
    /// When it was tried last.
    pub tried: Instant,
    /// Envoy's letters.
    pub flags: ResponseFlags,
    /// Envoy's word.
    pub details: Cow<'static, str>,
    /// Why it failed, or went otherwise than between client and upstream alone, in plain words.
    pub reason: Cow<'static, str>,
    /// The policy that decided.
    pub policy: Option<String>,
    /// The head as it was admitted, where the route then made another of it.
    pub admitted: Option<Box<RequestHead>>,
    /// The path before a rewrite.
    pub original_path: Option<String>,
    /// The name of the route that took it.
    pub route: Option<Local<str>>,
    /// It is held up so long first, on purpose.
    pub delay: Option<Duration>,
    /// What its answer, whoever gives it, says in place of what it may say itself: CORS, rate limits.
    pub said: Said,
    /// What its route does to its answer, whoever gives it; innermost first.
    pub on_response: Vec<HeaderOperations>,
    /// The cluster it went to, or was to go to.
    pub cluster: Option<Local<ClusterView>>,
    /// The endpoint it went to.
    pub upstream: Option<SocketAddr>,
    /// The client told who it is, and wants to be told.
    pub peer_told: bool,
    /// The address that counts as the client's.
    pub remote: Option<std::net::IpAddr>,
    /// The client's workload, as it says.
    pub source: Option<Arc<Peer>>,
    /// The server's workload, as it says.
    pub destination: Option<Arc<Peer>>,
    /// When its answer had been sent, if that is known.
    pub ended: Option<Instant>,
    /// How often it was tried.
    pub attempts: u32,
    /// Until the answer's head.
    pub upstream_time: Option<Duration>,
    /// Why TLS to the upstream failed.
    pub transport_failure: Option<String>,
    /// Body bytes from the client.
    pub received: u64,
    /// Body bytes to the client.
    pub sent: u64,
    /// gRPC's own status.
    pub grpc_status: Option<u32>,
    /// It speaks gRPC.
    pub grpc: bool,
    /// gRPC's deadline as the client set it, once that was looked at.
    pub deadline: Option<Option<Duration>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::at(Instant::now(), SystemTime::now())
    }
}

impl Ledger {
    /// The name of the route that took it.
    pub fn route_name(&self) -> Option<&str> {
        self.route.as_ref().map(|name| &***name)
    }

    /// The head has come now: of a request of which nothing is known yet.
    pub fn begin(&mut self) {
        (self.start, self.started) = (Instant::now(), SystemTime::now());
    }

    /// Nothing is known of the request, but when its head had come.
    const fn at(start: Instant, started: SystemTime) -> Self {
        Self {
            start,
            started,
            tried: start,
            flags: ResponseFlags::NONE,
            details: Cow::Borrowed(""),
            reason: Cow::Borrowed(""),
            policy: None,
            admitted: None,
            original_path: None,
            route: None,
            delay: None,
            said: Said::NOTHING,
            on_response: Vec::new(),
            cluster: None,
            upstream: None,
            peer_told: false,
            remote: None,
            source: None,
            destination: None,
            ended: None,
            attempts: 0,
            upstream_time: None,
            transport_failure: None,
            received: 0,
            sent: 0,
            grpc_status: None,
            grpc: false,
            deadline: None,
        }
    }
}

/// A request as routing and policy see it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The head.
    pub head: &'a RequestHead,
    /// `http` or `https`.
    pub scheme: &'a str,
}

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.head.method()
    }

    fn scheme(&self) -> &str {
        self.scheme
    }

    fn authority(&self) -> &str {
        self.head.authority()
    }

    fn path(&self) -> &str {
        if self.head.method() == "CONNECT" { "" } else { self.head.target() }
    }

    fn header<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        self.head.headers.get_all(name).for_each(each);
    }
}

/// A response as a retry policy sees it: its headers.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a>(pub &'a ResponseHead);

impl RequestView for Answered<'_> {
    fn method(&self) -> &str {
        ""
    }

    fn scheme(&self) -> &str {
        ""
    }

    fn authority(&self) -> &str {
        ""
    }

    fn path(&self) -> &str {
        ""
    }

    fn header<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        self.0.headers.get_all(name).for_each(each);
    }
}

/// Headers as the access log reads them.
#[derive(Debug, Clone, Copy)]
pub struct LogFields<'a>(pub &'a Headers);

impl Fields for LogFields<'_> {
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)
    }
}
