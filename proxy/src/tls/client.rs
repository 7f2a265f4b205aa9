//! The client side: rustls configurations for a cluster's `UpstreamTls`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use weft_model::matcher::StringMatcher;
use weft_model::tls::{CertificateSource, Roots, SanKind, SanMatcher, UpstreamTls};

use super::files::Held;
use super::foreign::foreign_name;
use super::names::PeerNames;
use super::roots::{Named, verify};
use super::secrets::Secrets;
use super::server::{TlsError, no_bundle, versions};
use super::signatures;

/// A cluster's TLS, ready for handshakes.
#[derive(Debug, Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// For HTTP/2 upstreams Istio's ALPN filter offers other protocols.
    sni: String,
    auto_sni: bool,
    own: Option<Secrets>,
    identity: Option<Arc<Held<CertifiedKey>>>,
}

/// What ALPN to offer, which Istio's ALPN filter decides from the HTTP version that is spoken upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offer {
    /// As the cluster says.
    AsConfigured,
    /// HTTP/1.1 under mTLS: `istio-http/1.1, istio, http/1.1`.
    IstioHttp11,
    /// HTTP/2 under mTLS: `istio-h2, istio, h2`.
    IstioH2,
}

impl Connector {
    /// Compiles `tls` with what is to be offered.
    ///
    /// # Errors
    /// If a file cannot be read or the settings are refused.
    pub fn new(tls: &UpstreamTls, offer: Offer, secrets: &Secrets) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(super::provider())
            .with_protocol_versions(versions(tls.common.min_version, tls.common.max_version))
            .map_err(|e| TlsError::Refused(e.to_string()))?;
        let verifier = ServerVerifier {
            trust: trust(tls, secrets)?,
            secrets: secrets.clone(),
            wanted: tls.common.validation.match_sans.clone(),
            check_sni: tls.auto_san_validation,
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let (mut own, mut identity) = (None, None);
        let mut config = match tls.common.certificates.first() {
            None => builder.with_no_client_auth(),
            Some(CertificateSource::Sds(secret)) if secret.name == "default" => {
                own = Some(secrets.clone());
                builder.with_client_cert_resolver(Arc::new(OwnCertificate(secrets.clone())))
            }
            Some(CertificateSource::Sds(secret)) => {
                let files = secret.name.strip_prefix("file-cert:").and_then(|rest| rest.split_once('~'));
                let Some((chain, key)) = files else {
                    return Err(TlsError::Refused(format!("secret {} is not served here", secret.name)));
                };
                identity = Some(secrets.files().identity(chain, key));
                builder.with_client_cert_resolver(Arc::new(FromFiles(identity.clone())))
            }
            Some(CertificateSource::Files { chain, key }) => {
                identity = Some(secrets.files().identity(chain, key));
                builder.with_client_cert_resolver(Arc::new(FromFiles(identity.clone())))
            }
        };
        config.resumption = Resumption::disabled();
        let istio = |list: [&str; 3]| list.iter().map(|p| p.as_bytes().to_vec()).collect::<Vec<_>>();
        config.alpn_protocols = match offer {
            // Never `istio-peer-exchange`: selecting it makes bytes mandatory that we do not send.
            Offer::AsConfigured => {
                let wanted = tls.common.alpn.iter().filter(|p| *p != "istio-peer-exchange");
                wanted.map(|p| p.clone().into_bytes()).collect()
            }
            Offer::IstioHttp11 => istio(["istio-http/1.1", "istio", "http/1.1"]),
            Offer::IstioH2 => istio(["istio-h2", "istio", "h2"]),
        };
        config.enable_sni = true;
        Ok(Self { config: Arc::new(config), sni: tls.sni.clone(), auto_sni: tls.auto_sni, own, identity })
    }

    /// The configuration to connect with.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// Does the server name follow the request's host? Then a connection serves that host alone.
    pub fn follows_host(&self) -> bool {
        self.sni.is_empty() && self.auto_sni
    }

    /// The server name to ask for, given the request's host; without one, the endpoint's address.
    pub fn server_name(&self, host: Option<&str>, address: std::net::IpAddr) -> ServerName<'static> {
        let wanted = if !self.sni.is_empty() {
            Some(self.sni.as_str())
        } else if self.auto_sni {
            host
        } else {
            None
        };
        let host_only = wanted.map(|h| {
            h.rsplit_once(':').map_or(
                h,
                |(name, port)| {
                    if port.bytes().all(|b| b.is_ascii_digit()) { name } else { h }
                },
            )
        });
        host_only
            .and_then(|name| ServerName::try_from(name.to_owned()).ok())
            .unwrap_or(ServerName::IpAddress(address.into()))
    }

    /// Does it need our own certificate, and is that missing?
    pub fn lacks_identity(&self) -> bool {
        self.own.as_ref().is_some_and(|secrets| secrets.svid().is_none())
    }

    /// Why the certificate that it is to show cannot be read, if so. Without it no handshake is begun: there are servers
    /// that would go on without.
    pub fn lacks_file(&self) -> Option<String> {
        self.identity.as_ref()?.current().err()
    }
}

/// Whom a cluster believes.
#[derive(Debug)]
enum Believed {
    /// The mesh's bundle, as it is at the moment.
    Mesh,
    /// These.
    Fixed(Arc<Named>),
    /// Those that stand in a file, as it was read last.
    File(Arc<Held<Named>>),
    /// Those that the system trusts.
    System,
    /// Anybody: no roots are configured, as `tls.mode: SIMPLE` without CA means in Envoy.
    Anybody,
}

fn trust(tls: &UpstreamTls, secrets: &Secrets) -> Result<Believed, TlsError> {
    match &tls.common.validation.roots {
        None => Ok(Believed::Anybody),
        Some(Roots::Sds(secret)) if secret.name == "ROOTCA" => Ok(Believed::Mesh),
        Some(Roots::Sds(secret)) => match secret.name.strip_prefix("file-root:") {
            Some("system") => Ok(Believed::System),
            Some(path) => Ok(Believed::File(secrets.files().roots(path))),
            None => Err(TlsError::Refused(format!("secret {} is not served here", secret.name))),
        },
        Some(Roots::File(path)) => Ok(Believed::File(secrets.files().roots(path))),
        Some(Roots::Inline(pem)) => {
            let certs = CertificateDer::pem_slice_iter(pem.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| TlsError::Refused(e.to_string()))?;
            fixed(certs).ok_or_else(|| TlsError::Refused("the inline CA holds no usable root".into()))
        }
    }
}

fn fixed(certs: Vec<CertificateDer<'static>>) -> Option<Believed> {
    Named::new(certs).map(|named| Believed::Fixed(Arc::new(named)))
}

#[derive(Debug)]
struct OwnCertificate(Secrets);

impl ResolvesClientCert for OwnCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.svid().map(|svid| svid.key.clone())
    }

    fn has_certs(&self) -> bool {
        self.0.svid().is_some()
    }
}

#[derive(Debug)]
struct FromFiles(Option<Arc<Held<CertifiedKey>>>);

impl ResolvesClientCert for FromFiles {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.as_ref()?.current().ok()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Believes the server that the roots vouch for and that carries one of the names asked for.
#[derive(Debug)]
struct ServerVerifier {
    trust: Believed,
    secrets: Secrets,
    wanted: Vec<SanMatcher>,
    check_sni: bool,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Believed::Mesh => {
                let trust = self.secrets.trust().ok_or_else(|| no_bundle("server"))?;
                verify(&trust.roots, leaf, intermediates, now)?;
            }
            Believed::System => {
                let system = self.secrets.files().system().map_err(rustls::Error::General)?;
                system.vouch(leaf, intermediates, now)?;
            }
            Believed::Fixed(named) => named.vouch(leaf, intermediates, now)?,
            Believed::File(held) => {
                held.current().map_err(rustls::Error::General)?.vouch(leaf, intermediates, now)?;
            }
            Believed::Anybody => {}
        }
        if self.wanted.is_empty() && !self.check_sni {
            return Ok(ServerCertVerified::assertion());
        }
        let names = PeerNames::of(leaf).map_err(|e| rustls::Error::General(e.to_string()))?;
        let sni = self.check_sni.then(|| {
            let text = server_name.to_str().into_owned();
            SanMatcher { kind: SanKind::Any, matcher: StringMatcher::exact(text) }
        });
        let good = names.satisfy(&self.wanted) && sni.is_none_or(|sni| names.satisfy(&[sni]));
        if good { Ok(ServerCertVerified::assertion()) } else { Err(foreign_name(&names)) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signatures::verify_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signatures::verify_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signatures::schemes()
    }
}
