//! The gRPC service: one task per stream, which feeds a [`Session`] and sends what it derives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use weft_model::identity::SpiffeId;

use super::{Client, Connected, Limits, Session, Source, Violation};
use crate::{Protocol, Request, ResourceSet, Response};

/// ADS over a [`Source`]. An authentication layer before it may put a [`SpiffeId`] into the HTTP request's
/// extensions; it becomes [`Client::caller`]. A listener that is not tonic's own may put the peer's
/// [`SocketAddr`](std::net::SocketAddr) there; it becomes [`Client::peer`].
pub struct Service<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    source: S,
    limits: Limits,
    streams: AtomicU64,
    connected: Connected,
}

impl<S: Source> Service<S> {
    /// A service over `source`. Whoever listens for it should probe idle connections (HTTP/2 PING), or a proxy that
    /// vanished is shown as connected until TCP gives up.
    pub fn new(source: S, limits: Limits) -> Self {
        let shared = Shared { source, limits, streams: AtomicU64::new(0), connected: Connected::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The streams of this service, to look at.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.shared.connected.clone()
    }

    /// What tonic's router takes.
    #[must_use]
    pub fn into_grpc(self) -> AggregatedDiscoveryServiceServer<impl AggregatedDiscoveryService> {
        let largest = self.shared.limits.request_bytes;
        AggregatedDiscoveryServiceServer::new(self).max_decoding_message_size(largest)
    }

    fn open<Q, R>(&self, protocol: Protocol, request: tonic::Request<Streaming<Q>>) -> Answers<R>
    where
        Q: Into<Request> + Send + 'static,
        R: TryFrom<Response> + Send + 'static,
    {
        let caller = request.extensions().get::<SpiffeId>().cloned();
        let peer = request.extensions().get().copied().or_else(|| request.remote_addr());
        let shared = Arc::clone(&self.shared);
        let (answers, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut requests = request.into_inner();
            let welcome = async {
                let (client, first) = shared.greet(protocol, caller, peer, &mut requests).await?;
                shared.admit(client).map(|admitted| (admitted, first))
            };
            let (admitted, first) = match welcome.await {
                Ok(welcome) => welcome,
                Err(status) => {
                    let _ = answers.send(Err(status)).await;
                    return;
                }
            };
            let client = Arc::clone(&admitted.client);
            // Leaves the lists even if the task is torn down.
            let _farewell = Farewell { shared: Arc::clone(&shared), client: Arc::clone(&client) };
            let status = tokio::select! {
                status = shared.converse(admitted, first, requests, &answers) => status,
                () = answers.closed() => return,
            };
            tracing::debug!(node = client.node.id, stream = client.stream, %status, "ADS stream ends");
            let _ = answers.send(Err(status)).await;
        });
        ReceiverStream::new(receiver)
    }
}

type Answers<R> = ReceiverStream<Result<R, Status>>;

struct Admitted {
    client: Arc<Client>,
    target: watch::Receiver<Option<Arc<ResourceSet>>>,
    replaced: oneshot::Receiver<()>,
}

struct Farewell<S: Source> {
    shared: Arc<Shared<S>>,
    client: Arc<Client>,
}

impl<S: Source> Drop for Farewell<S> {
    fn drop(&mut self) {
        self.shared.connected.leave(self.client.stream);
        self.shared.source.disconnected(&self.client);
    }
}

impl<S: Source> Shared<S> {
    /// Reads the first message, which says who is there.
    async fn greet<Q: Into<Request>>(
        &self,
        protocol: Protocol,
        caller: Option<SpiffeId>,
        peer: Option<std::net::SocketAddr>,
        requests: &mut Streaming<Q>,
    ) -> Result<(Client, Request), Status> {
        let first = tokio::time::timeout(self.limits.first_request, requests.message())
            .await
            .map_err(|_| {
                Status::deadline_exceeded(format!("no request within {:?}", self.limits.first_request))
            })??
            .ok_or_else(|| Status::invalid_argument("the stream ended before its first request"))?;
        let first = first.into();
        let node = first.node().filter(|node| !node.id.is_empty()).ok_or(Violation::NoNode)?.clone();
        if node.id.len() > self.limits.name_length {
            return Err(Violation::NameTooLong(self.limits.name_length).into());
        }
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        Ok((Client { stream, node, caller, peer, protocol }, first))
    }

    fn admit(&self, client: Client) -> Result<Admitted, Status> {
        let target = self.source.connect(&client)?;
        let client = Arc::new(client);
        let entered = self.connected.enter(
            Arc::clone(&client),
            Instant::now(),
            self.limits.streams,
            self.limits.streams_per_node,
        );
        let replaced = entered.map_err(|_| {
            self.source.disconnected(&client);
            Status::resource_exhausted(format!("{} ADS streams are open already", self.limits.streams))
        })?;
        Ok(Admitted { client, target, replaced })
    }

    /// Runs the stream until something ends it; the status says what.
    async fn converse<Q, R>(
        &self,
        admitted: Admitted,
        first: Request,
        mut requests: Streaming<Q>,
        answers: &mpsc::Sender<Result<R, Status>>,
    ) -> Status
    where
        Q: Into<Request>,
        R: TryFrom<Response>,
    {
        let Admitted { client, mut target, mut replaced } = admitted;
        let mut session = Session::new(client.protocol, self.limits, Instant::now());
        if let Some(set) = target.borrow_and_update().clone() {
            session.retarget(set);
        }
        if let Err(violation) = self.take(&mut session, &client, first) {
            return violation.into();
        }
        // Whether the session may have something to send; then the wait is for room to send it in.
        let mut may_send = true;
        loop {
            let deadline = session.deadline(Instant::now());
            tokio::select! {
                permit = answers.reserve(), if may_send => {
                    let Ok(permit) = permit else { return Status::cancelled("the client is gone") };
                    match session.next_response(Instant::now()).map(R::try_from) {
                        Some(Ok(response)) => permit.send(Ok(response)),
                        Some(Err(_)) => return Status::internal("a response of the wrong ADS variant"),
                        None => may_send = false,
                    }
                }
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        if let Err(violation) = self.take(&mut session, &client, request.into()) {
                            return violation.into();
                        }
                        may_send = true;
                    }
                    Ok(None) => return Status::ok("the client has closed the stream"),
                    Err(status) => return status,
                },
                changed = target.changed() => {
                    if changed.is_err() {
                        return Status::unavailable("this control plane no longer serves this node; connect again");
                    }
                    if let Some(set) = target.borrow_and_update().clone() {
                        session.retarget(set);
                        may_send = true;
                    }
                }
                () = sleep_until(deadline), if deadline.is_some() => may_send = true,
                _ = &mut replaced => {
                    return Status::aborted("a newer stream of the same node has taken over");
                }
            }
            let revision = session.target().map(|set| Arc::clone(set.revision()));
            self.connected.update(client.stream, revision, session.status());
        }
    }

    fn take(&self, session: &mut Session, client: &Client, request: Request) -> Result<(), Violation> {
        if let Some(verdict) = session.request(request, Instant::now())? {
            if let Some(error) = &verdict.error {
                tracing::warn!(node = client.node.id, type_url = %verdict.type_url, error, "a proxy refused a push");
            }
            self.source.answered(client, &verdict);
        }
        Ok(())
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

impl From<Violation> for Status {
    fn from(violation: Violation) -> Self {
        let text = violation.to_string();
        match violation {
            Violation::TooManyTypes(_) | Violation::TooManyNames { .. } => Self::resource_exhausted(text),
            _ => Self::invalid_argument(text),
        }
    }
}

#[tonic::async_trait]
impl<S: Source> AggregatedDiscoveryService for Service<S> {
    type StreamAggregatedResourcesStream = Answers<DiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: tonic::Request<Streaming<DiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(tonic::Response::new(self.open(Protocol::Sotw, request)))
    }

    type DeltaAggregatedResourcesStream = Answers<DeltaDiscoveryResponse>;

    async fn delta_aggregated_resources(
        &self,
        request: tonic::Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(tonic::Response::new(self.open(Protocol::Delta, request)))
    }
}
