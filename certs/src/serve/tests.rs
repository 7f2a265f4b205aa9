use std::time::SystemTime;

use hyper_util::rt::TokioIo;
use rcgen::KeyPair;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::Layer;
use weft_wire::istio::ca::IstioCertificateRequest;
use weft_wire::istio::ca::istio_certificate_service_client::IstioCertificateServiceClient;

use super::*;
use crate::fixture::{TRUST_DOMAIN, der, id, request};
use crate::token::{AUDIENCE, KUBERNETES_ISSUER};
use crate::{
    AuthenticateLayer, Authenticator, Authority, CsrService, ServiceAccount, TokenSigner, TokenVerifier,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A port with the signing API behind the authenticator, and what its callers need.
struct Port {
    address: SocketAddr,
    authority: Arc<Authority>,
    signer: TokenSigner,
    tls: Arc<ServerTls>,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

fn serving_tls(authority: &Authority) -> ServerTls {
    let names = ["localhost".to_owned()];
    let certificate = authority.serving_certificate(&names, &[], SystemTime::now()).unwrap();
    ServerTls::new(&certificate, authority.roots()).unwrap()
}

impl Port {
    async fn open() -> Self {
        let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
        let tokens = TokenVerifier::new(&signer.jwks(), KUBERNETES_ISSUER, AUDIENCE).unwrap();
        let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap());
        let authenticator = Arc::new(Authenticator::new(TRUST_DOMAIN, Some(tokens)));
        let routes = tonic::service::Routes::new(CsrService::new(Arc::clone(&authority)).into_server());
        let service = AuthenticateLayer::new(authenticator).layer(routes);
        // A drain longer than any test waits: what is idle must close by itself.
        let limits = Limits { drain: Duration::from_secs(3600), ..Limits::default() };
        Self::with(authority, signer, service, limits).await
    }

    async fn with<S, R>(authority: Arc<Authority>, signer: TokenSigner, service: S, limits: Limits) -> Self
    where
        S: Serves<R>,
        R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Arc::new(serving_tls(&authority));
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = async move {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, Arc::clone(&tls), service, limits, ended));
        Self { address, authority, signer, tls, stop: Some(stop), serving }
    }

    /// A port whose service answers nothing of its own: for what happens below it.
    async fn bare(limits: Limits) -> Self {
        let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap());
        let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
        Self::with(authority, signer, tonic::service::Routes::default(), limits).await
    }

    fn token(&self, account: &str, lifetime: u64, age: u64) -> String {
        let account = ServiceAccount { namespace: "bank".to_owned(), name: account.to_owned(), pod: None };
        let then = SystemTime::now() - Duration::from_secs(age);
        self.signer.mint(&account, AUDIENCE, Duration::from_secs(lifetime), then).unwrap()
    }

    /// A TLS connection, with this workload's certificate if one is given.
    async fn tls(&self, client: Option<Paper>) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.address, &self.authority, client).await
    }

    async fn channel(&self, client: Option<Paper>) -> Result<Channel, tonic::transport::Error> {
        let (address, authority) = (self.address, Arc::clone(&self.authority));
        let connector = tower::service_fn(move |_| {
            let (authority, client) = (Arc::clone(&authority), client.clone());
            async move { connect(address, &authority, client).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://localhost").connect_with_connector(connector).await
    }

    /// Asks for a certificate with the proofs given.
    async fn ask(&self, client: Option<Paper>, token: Option<&str>) -> Result<Vec<String>, Status> {
        let channel = self.channel(client).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let csr = request(&KeyPair::generate().unwrap());
        let mut ask = tonic::Request::new(IstioCertificateRequest { csr, ..Default::default() });
        if let Some(token) = token {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            ask.metadata_mut().insert("authorization", value);
        }
        // The certificate's or token's refusal can also show as the connection's end.
        let answer = IstioCertificateServiceClient::new(channel).create_certificate(ask).await?;
        Ok(answer.into_inner().cert_chain)
    }

    async fn closed(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the port closes").unwrap();
    }
}

/// A client certificate with its key.
#[derive(Clone)]
struct Paper {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl Paper {
    fn of(authority: &Authority, account: &str, age: u64) -> Self {
        let key = KeyPair::generate().unwrap();
        let then = SystemTime::now() - Duration::from_secs(age);
        let lifetime = Some(Duration::from_secs(3600));
        let answer = authority.issue(&request(&key), &id(account), lifetime, then).unwrap();
        let chain = answer[..answer.len() - 1].iter().map(|pem| der(pem)).collect();
        let key = Arc::new(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())));
        Self { chain, key }
    }
}

async fn connect(
    address: SocketAddr,
    authority: &Authority,
    client: Option<Paper>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(trusting(authority, client));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn trusting(authority: &Authority, client: Option<Paper>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    authority.roots().iter().for_each(|root| roots.add(root.clone()).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        Some(paper) => builder.with_client_auth_cert(paper.chain, paper.key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Waits until the peer closes; fails if it does not.
async fn ends(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // An abrupt end is one too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection ends");
}

/// The SPIFFE ID of an answer's leaf.
fn named(answer: &Result<Vec<String>, Status>) -> String {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let der = der(&answer.as_ref().unwrap()[0]);
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    match leaf.subject_alternative_name().unwrap().unwrap().value.general_names[..] {
        [GeneralName::URI(uri)] => uri.to_owned(),
        ref others => panic!("{others:?}"),
    }
}

fn refused(answer: &Result<Vec<String>, Status>, word: &str) {
    let status = answer.as_ref().unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    assert!(status.message().starts_with("request authenticate failure"), "{status}");
    assert!(status.message().contains(word), "{status}");
}

#[tokio::test]
async fn a_caller_gets_a_certificate_for_whom_it_proved_to_be() {
    let port = Port::open().await;
    let teller = Paper::of(&port.authority, "teller", 0);
    let token = port.token("teller", 600, 0);
    for (client, token) in
        [(Some(teller.clone()), None), (None, Some(&token)), (Some(teller.clone()), Some(&token))]
    {
        let answer = port.ask(client, token.map(String::as_str)).await;
        assert_eq!(named(&answer), "spiffe://cluster.local/ns/bank/sa/teller");
        assert_eq!(answer.unwrap().len(), 3);
    }
    port.closed().await;
}

#[tokio::test]
async fn a_caller_without_a_proof_or_with_a_bad_one_gets_nothing() {
    let port = Port::open().await;
    let teller = Paper::of(&port.authority, "teller", 0);
    refused(&port.ask(None, None).await, "");
    assert_eq!(port.ask(None, None).await.unwrap_err().message(), "request authenticate failure");
    refused(&port.ask(None, Some("a.b.c")).await, "not a signed JWT");
    // {"alg":"none\nlevel=ERROR"}: what is repeated of it stays on its line.
    let lines = port.ask(None, Some("eyJhbGciOiJub25lXG5sZXZlbD1FUlJPUiJ9.e30.")).await;
    refused(&lines, "level=ERROR");
    assert!(!lines.unwrap_err().message().contains('\n'));
    refused(&port.ask(None, Some(&port.token("teller", 60, 3600))).await, "expired");
    refused(&port.ask(Some(teller.clone()), Some(&port.token("director", 600, 0))).await, "but the token of");
    refused(&port.ask(Some(teller), Some("a.b.c")).await, "not a signed JWT");

    let stranger = Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap();
    let answer = port.ask(Some(Paper::of(&stranger, "teller", 0)), None).await;
    assert!(answer.is_err(), "a certificate of another root: {answer:?}");
    port.closed().await;
}

#[tokio::test]
async fn an_expired_client_certificate_ends_the_handshake() {
    let long_ago = SystemTime::now() - Duration::from_secs(48 * 3600);
    let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, long_ago).unwrap());
    let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
    let routes = tonic::service::Routes::new(CsrService::new(Arc::clone(&authority)).into_server());
    let authenticator = Arc::new(Authenticator::new(TRUST_DOMAIN, None));
    let service = AuthenticateLayer::new(authenticator).layer(routes);
    let port = Port::with(authority, signer, service, Limits::default()).await;
    assert!(port.ask(Some(Paper::of(&port.authority, "teller", 0)), None).await.is_ok());
    let answer = port.ask(Some(Paper::of(&port.authority, "teller", 24 * 3600)), None).await;
    assert!(answer.is_err(), "{answer:?}");
    port.closed().await;
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let service = tower::service_fn(move |request: Request<tonic::body::Body>| {
        let certificates = request.extensions().get::<crate::PeerCertificates>().map(|peer| peer.0.len());
        let peer =
            request.extensions().get::<tonic::transport::server::TcpConnectInfo>().unwrap().remote_addr();
        tell.send((certificates, peer)).unwrap();
        async { Ok::<_, Infallible>(Status::ok("").into_http::<tonic::body::Body>()) }
    });
    let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
    let port = Port::with(authority, signer, service, Limits::default()).await;
    for (client, expected) in [(None, None), (Some(Paper::of(&port.authority, "teller", 0)), Some(2))] {
        let _ = port.ask(client, None).await;
        let (certificates, peer) = told.recv().await.unwrap();
        assert_eq!(certificates, expected);
        assert!(peer.unwrap().ip().is_loopback());
    }
    port.closed().await;
}

#[tokio::test]
async fn new_connections_see_a_replaced_certificate_and_roots_and_old_ones_live_on() {
    let port = Port::open().await;
    let teller = Paper::of(&port.authority, "teller", 0);
    let old = port.channel(Some(teller.clone())).await.unwrap();
    let other = Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap();
    let names = ["localhost".to_owned()];
    let certificate = other.serving_certificate(&names, &[], SystemTime::now()).unwrap();
    port.tls.replace(&certificate, other.roots()).unwrap();

    assert!(port.tls(None).await.is_err(), "the old root does not verify the new certificate");
    let mut stream = connect(port.address, &other, Some(Paper::of(&other, "teller", 0))).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(shown, certificate.chain[0]);
    stream.shutdown().await.unwrap();

    let csr = request(&KeyPair::generate().unwrap());
    let ask = IstioCertificateRequest { csr, ..Default::default() };
    let answer = IstioCertificateServiceClient::new(old.clone()).create_certificate(ask).await;
    assert_eq!(answer.unwrap().into_inner().cert_chain.len(), 3);
    drop(old);
    port.closed().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_port_open() {
    let port = Port::open().await;
    let channel = port.channel(None).await.unwrap();
    let ask = IstioCertificateRequest::default();
    assert!(IstioCertificateServiceClient::new(channel.clone()).create_certificate(ask).await.is_err());
    port.closed().await;
    drop(channel);
}

#[tokio::test]
async fn no_session_is_resumed() {
    let port = Port::bare(Limits::default()).await;
    let config = trusting(&port.authority, Some(Paper::of(&port.authority, "teller", 0)));
    for _ in 0..2 {
        let stream = TcpStream::connect(port.address).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(&config));
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
        // The server's first frame comes after whatever tickets it gave.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        stream.read_exact(&mut [0; 9]).await.unwrap();
        assert_eq!(stream.get_ref().1.tls13_tickets_received(), 0);
    }
    port.closed().await;
}

#[tokio::test]
async fn what_is_no_tls_and_no_http2_ends_without_harm() {
    let port = Port::open().await;
    for bytes in [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".as_slice(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 4096],
        &[0x16, 3, 1, 0xff, 0xff],
    ] {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        ends(stream).await;
    }
    let mut stream = port.tls(None).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    ends(stream).await;
    assert!(port.ask(None, Some(&port.token("teller", 600, 0))).await.is_ok());
    port.closed().await;
}

#[tokio::test]
async fn a_connection_that_shakes_no_hands_or_asks_nothing_is_closed() {
    let soon = Duration::from_millis(50);
    let slow = Port::bare(Limits { handshake: soon, ..Limits::default() }).await;
    ends(TcpStream::connect(slow.address).await.unwrap()).await;
    slow.closed().await;
    let silent = Port::bare(Limits { first_request: soon, ..Limits::default() }).await;
    ends(silent.tls(None).await.unwrap()).await;
    silent.closed().await;
}

#[tokio::test]
async fn when_all_places_are_taken_the_next_connection_waits_for_one() {
    let port = Port::bare(Limits { connections: 1, ..Limits::default() }).await;
    let first = port.tls(None).await.unwrap();
    let mut second = Box::pin(port.tls(None));
    tokio::time::timeout(Duration::from_millis(100), &mut second).await.expect_err("there is no place yet");
    drop(first);
    tokio::time::timeout(PATIENCE, second).await.expect("a place is free").unwrap();
    port.closed().await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_shutdown_began_and_new_connections_are_not() {
    let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap());
    let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
    let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, go) = (Arc::clone(&arrived), Arc::clone(&answer));
    let service = tower::service_fn(move |_: Request<tonic::body::Body>| {
        let (here, go) = (Arc::clone(&here), Arc::clone(&go));
        async move {
            here.notify_one();
            go.notified().await;
            Ok::<_, Infallible>(Status::aborted("answered").into_http::<tonic::body::Body>())
        }
    });
    let mut port = Port::with(authority, signer, service, Limits::default()).await;
    let channel = port.channel(None).await.unwrap();
    let asking = tokio::spawn(async move {
        IstioCertificateServiceClient::new(channel)
            .create_certificate(IstioCertificateRequest::default())
            .await
    });
    arrived.notified().await;
    port.stop.take().unwrap().send(()).unwrap();
    let refused = async {
        while TcpStream::connect(port.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("nobody new is let in");
    assert!(!port.serving.is_finished(), "it waits for the request");
    answer.notify_one();
    assert_eq!(asking.await.unwrap().unwrap_err().message(), "answered");
    tokio::time::timeout(PATIENCE, port.serving).await.expect("the port closes").unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_when_the_drain_is_over() {
    let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap());
    let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
    let arrived = Arc::new(Notify::new());
    let here = Arc::clone(&arrived);
    let service = tower::service_fn(move |_: Request<tonic::body::Body>| {
        here.notify_one();
        std::future::pending::<Result<Response<tonic::body::Body>, Infallible>>()
    });
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let port = Port::with(authority, signer, service, limits).await;
    let channel = port.channel(None).await.unwrap();
    let asking = tokio::spawn(async move {
        IstioCertificateServiceClient::new(channel)
            .create_certificate(IstioCertificateRequest::default())
            .await
    });
    arrived.notified().await;
    port.closed().await;
    assert!(asking.await.unwrap().is_err());
}

#[test]
fn a_port_without_roots_or_with_another_s_key_is_refused() {
    let authority = crate::fixture::authority();
    let names = ["localhost".to_owned()];
    let now = crate::fixture::at(60);
    let mut certificate = authority.serving_certificate(&names, &[], now).unwrap();
    assert!(matches!(ServerTls::new(&certificate, &[]), Err(TlsError::Roots(_))));
    let garbage = CertificateDer::from(vec![1, 2, 3]);
    assert!(matches!(ServerTls::new(&certificate, &[garbage]), Err(TlsError::Root(_))));
    certificate.key = authority.serving_certificate(&names, &[], now).unwrap().key;
    assert!(matches!(ServerTls::new(&certificate, authority.roots()), Err(TlsError::Certificate(_))));
}
