//! The proxies that are compared: weft's own program and a stock Envoy, told the same by weft's control plane.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use weft_certs::token::{AUDIENCE, KUBERNETES_ISSUER};
use weft_certs::{
    AuthenticateLayer, Authenticator, Authority, CsrService, Limits, ServerTls, ServiceAccount, TokenSigner,
    TokenVerifier,
};
use weft_control::serve::{Callers, ControlPlane};
use weft_control::world::World;
use weft_testkit::envoy::{self, Envoy};
use weft_testkit::plane::Plane;

use crate::log::{Log, Why};
use crate::mesh::{self, CLUSTER, Net};

const TRUST_DOMAIN: &str = "cluster.local";

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Weft,
    Envoy,
}

/// One that runs; it ends with this.
pub(crate) enum Proxy {
    Weft { child: Child, net: Net, log: Log, _folder: TempDir, control: tokio::task::AbortHandle },
    Envoy { envoy: Envoy, _plane: Plane },
}

impl Proxy {
    /// Starts one, and waits until it takes requests.
    pub(crate) async fn start(kind: Kind, net: Net, world: World) -> anyhow::Result<Self> {
        let this = match kind {
            Kind::Weft => weft(net, world).await?,
            Kind::Envoy => {
                let program = envoy::program().context("there is no envoy")?;
                let plane = Plane::serve(&world);
                Self::Envoy { envoy: Envoy::beside(&program, &mesh::envoy(net), &plane), _plane: plane }
            }
        };
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(net.proxy()).await.is_ok() {
                return Ok(this);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("{kind:?} does not listen at {} after 30 s", net.proxy())
    }

    /// A statistic of the service's cluster, by Envoy's name.
    ///
    /// # Errors
    /// If the page cannot be had, or does not tell: what is missing is not zero.
    pub(crate) fn count(&self, statistic: &str) -> anyhow::Result<u64> {
        let (page, before, after) = match self {
            Self::Weft { net, .. } => (
                page(std::net::SocketAddr::new(net.client(), 15090)),
                format!("envoy_cluster_{statistic}{{cluster_name=\"{CLUSTER}\"}} "),
                "",
            ),
            Self::Envoy { envoy, .. } => {
                let statistic = statistic.replace("detection_", "detection.");
                (
                    envoy.admin(&format!("/stats?filter={statistic}")),
                    format!("cluster.{CLUSTER}.{statistic}: "),
                    "",
                )
            }
        };
        // Istio ends a cluster's name in statistics with a semicolon.
        let page = page.with_context(|| format!("{statistic}: the proxy's statistics cannot be had"))?;
        let page = page.replace("local;.", "local.");
        let found =
            page.lines().find_map(|line| line.strip_prefix(&before)?.strip_suffix(after)?.parse().ok());
        found.with_context(|| format!("no line of the proxy's statistics begins with {before:?}"))
    }
}

impl Proxy {
    /// Why requests failed, in weft's words; of Envoy nothing is asked.
    pub(crate) fn why(&self) -> anyhow::Result<Why> {
        match self {
            Self::Weft { net, log, .. } => log.why(net.admin()),
            Self::Envoy { .. } => Ok(Why::default()),
        }
    }

    /// Nobody will ask why.
    pub(crate) fn forget(&self) {
        if let Self::Weft { log, .. } = self {
            log.forget();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Self::Weft { child, control, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
            control.abort();
        }
    }
}

fn page(admin: std::net::SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /stats/prometheus HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

/// `weft proxy`, and a control plane as `weft control` is: in TLS, and for whoever has a token.
async fn weft(net: Net, world: World) -> anyhow::Result<Proxy> {
    let program = std::env::var_os("WEFT_BIN").context("WEFT_BIN is to name a weft")?;
    let now = SystemTime::now();
    let folder = tempfile::tempdir()?;
    let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, now)?);
    let certificate = authority.serving_certificate(&[], &[net.control().ip()], now)?;
    let tls = Arc::new(ServerTls::new(&certificate, authority.roots())?);
    let signer = TokenSigner::generate(KUBERNETES_ISSUER)?;
    let account = ServiceAccount { namespace: "bench".into(), name: "default".into(), pod: None };
    let token = signer.mint(&account, AUDIENCE, Duration::from_secs(3600), now)?;
    let verifier = TokenVerifier::new(&signer.jwks(), KUBERNETES_ISSUER, AUDIENCE)?;
    let [token_path, root] = ["token", "root"].map(|name| folder.path().join(name));
    std::fs::write(&token_path, token)?;
    std::fs::write(&root, authority.trust_bundle())?;
    let routes = tonic::service::Routes::new(CsrService::new(authority).into_server());
    let routes = routes.add_service(ControlPlane::new(world).grpc(Callers::Proven));
    let authenticator = Authenticator::new(TRUST_DOMAIN, Some(verifier));
    let routes = tower::Layer::layer(&AuthenticateLayer::new(Arc::new(authenticator)), routes);
    let listener = TcpListener::bind(net.control()).await?;
    let serving = weft_certs::serve(listener, tls, routes, Limits::default(), std::future::pending());
    let control = tokio::spawn(serving).abort_handle();
    let log = Log::of(net)?;
    let child = Command::new(program)
        .args(["proxy", "sidecar", "--domain", "bench.svc.cluster.local"])
        .envs(mesh::environment(net))
        .env("TOKEN_PATH", token_path)
        .env("XDS_ROOT_CA", root)
        .stdin(Stdio::null())
        .stdout(log.output()?)
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Proxy::Weft { child, net, log, _folder: folder, control })
}
