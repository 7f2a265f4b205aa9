//! The agent's side of SDS: a workload's certificate and the mesh's roots, so that no listener waits for them.

use std::pin::Pin;
use std::time::SystemTime;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weft_certs::Authority;
use weft_model::identity::SpiffeId;

type Answers<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// The secrets of one mesh; every caller gets the same identity, for nobody here speaks to another.
pub(crate) fn service(trust_domain: &str) -> SecretDiscoveryServiceServer<impl SecretDiscoveryService> {
    let now = SystemTime::now();
    let authority = Authority::fresh(trust_domain, now).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let id = SpiffeId::new(trust_domain, "selfmonitor", "anybody").unwrap();
    let chain = authority.issue(&request, &id, None, now).unwrap();
    let certificate = TlsCertificate {
        certificate_chain: inline(&chain.concat()),
        private_key: inline(&key.serialize_pem()),
        ..TlsCertificate::default()
    };
    let roots = CertificateValidationContext {
        trusted_ca: inline(&authority.trust_bundle()),
        ..CertificateValidationContext::default()
    };
    SecretDiscoveryServiceServer::new(Agent { certificate, roots })
}

fn inline(pem: &str) -> Option<DataSource> {
    Some(DataSource { specifier: Some(Specifier::InlineString(pem.to_owned())), ..DataSource::default() })
}

struct Agent {
    certificate: TlsCertificate,
    roots: CertificateValidationContext,
}

impl Agent {
    fn named(&self, name: &str) -> Option<Any> {
        let value = match name {
            "default" => secret::Type::TlsCertificate(self.certificate.clone()),
            // What Istio's agent says of a machine's own roots is a list of roots, too.
            "ROOTCA" | "file-root:system" => secret::Type::ValidationContext(self.roots.clone()),
            _ => return None,
        };
        let secret = Secret { name: name.to_owned(), r#type: Some(value) };
        Some(Any { type_url: Secret::type_url(), value: secret.encode_to_vec() })
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Agent {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented("secrets are asked for as the state of the world"))
    }

    async fn fetch_secrets(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("secrets come over a stream"))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let mut requests = request.into_inner();
        let (send, answers) = mpsc::channel(4);
        let this = Self { certificate: self.certificate.clone(), roots: self.roots.clone() };
        tokio::spawn(async move {
            let mut version = 0;
            let mut told = Vec::new();
            while let Ok(Some(request)) = requests.message().await {
                // An acknowledgement names what is known already.
                if request.resource_names == told {
                    continue;
                }
                told.clone_from(&request.resource_names);
                version += 1;
                let answer = DiscoveryResponse {
                    version_info: version.to_string(),
                    nonce: version.to_string(),
                    type_url: Secret::type_url(),
                    resources: told.iter().filter_map(|name| this.named(name)).collect(),
                    ..DiscoveryResponse::default()
                };
                if send.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}
