//! The four messages of ADS, by protocol variant, so that one session serves both.

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::rpc;

use crate::Node;

/// Which of the two forms of ADS a stream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Incremental: only what changed travels.
    #[default]
    Delta,
    /// State of the world: a response of clusters or listeners is all of them.
    Sotw,
}

/// From proxy to control plane.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Request {
    Delta(DeltaDiscoveryRequest),
    Sotw(DiscoveryRequest),
}

/// From control plane to proxy.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Response {
    Delta(DeltaDiscoveryResponse),
    Sotw(DiscoveryResponse),
}

impl Request {
    /// Who is asking; sent with the first message of a stream only.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        match self {
            Self::Delta(request) => request.node.as_ref(),
            Self::Sotw(request) => request.node.as_ref(),
        }
    }

    /// The type that the message is about.
    #[must_use]
    pub fn type_url(&self) -> &str {
        match self {
            Self::Delta(request) => &request.type_url,
            Self::Sotw(request) => &request.type_url,
        }
    }

    /// The response that the message answers; empty if none.
    #[must_use]
    pub fn nonce(&self) -> &str {
        match self {
            Self::Delta(request) => &request.response_nonce,
            Self::Sotw(request) => &request.response_nonce,
        }
    }

    /// Why that response was refused; `None` accepts it.
    #[must_use]
    pub fn error(&self) -> Option<&rpc::Status> {
        match self {
            Self::Delta(request) => request.error_detail.as_ref(),
            Self::Sotw(request) => request.error_detail.as_ref(),
        }
    }
}

impl Response {
    /// The type of the resources within.
    #[must_use]
    pub fn type_url(&self) -> &str {
        match self {
            Self::Delta(response) => &response.type_url,
            Self::Sotw(response) => &response.type_url,
        }
    }

    /// What an answer must quote.
    #[must_use]
    pub fn nonce(&self) -> &str {
        match self {
            Self::Delta(response) => &response.nonce,
            Self::Sotw(response) => &response.nonce,
        }
    }
}

impl From<DeltaDiscoveryRequest> for Request {
    fn from(request: DeltaDiscoveryRequest) -> Self {
        Self::Delta(request)
    }
}

impl From<DiscoveryRequest> for Request {
    fn from(request: DiscoveryRequest) -> Self {
        Self::Sotw(request)
    }
}

impl From<DeltaDiscoveryResponse> for Response {
    fn from(response: DeltaDiscoveryResponse) -> Self {
        Self::Delta(response)
    }
}

impl From<DiscoveryResponse> for Response {
    fn from(response: DiscoveryResponse) -> Self {
        Self::Sotw(response)
    }
}

/// The stream is of the one protocol, the message of the other: a bug of ours, answered without a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of the other ADS variant reached this stream")]
pub struct WrongProtocol;

impl TryFrom<Request> for DeltaDiscoveryRequest {
    type Error = WrongProtocol;

    fn try_from(request: Request) -> Result<Self, WrongProtocol> {
        match request {
            Request::Delta(request) => Ok(request),
            Request::Sotw(_) => Err(WrongProtocol),
        }
    }
}

impl TryFrom<Request> for DiscoveryRequest {
    type Error = WrongProtocol;

    fn try_from(request: Request) -> Result<Self, WrongProtocol> {
        match request {
            Request::Sotw(request) => Ok(request),
            Request::Delta(_) => Err(WrongProtocol),
        }
    }
}

impl TryFrom<Response> for DeltaDiscoveryResponse {
    type Error = WrongProtocol;

    fn try_from(response: Response) -> Result<Self, WrongProtocol> {
        match response {
            Response::Delta(response) => Ok(response),
            Response::Sotw(_) => Err(WrongProtocol),
        }
    }
}

impl TryFrom<Response> for DiscoveryResponse {
    type Error = WrongProtocol;

    fn try_from(response: Response) -> Result<Self, WrongProtocol> {
        match response {
            Response::Sotw(response) => Ok(response),
            Response::Delta(_) => Err(WrongProtocol),
        }
    }
}
