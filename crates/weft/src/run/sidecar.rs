//! The sidecar of a wrapped command: a child of this process, or another container's.

use super::Signals;
use super::orphans::Own as Children;
use crate::client;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::process::{Child, ChildStdin, Command};
use weft_model::node::Interception;
use weft_proxy::bootstrap::Bootstrap;

/// Where a sidecar says whether it is ready, and where it is told to end.
const READY: u16 = 15021;
const QUIT: u16 = 15020;
/// How often it is asked, and for how long an answer is waited for.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);
/// A sidecar that ended while its command runs is started again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// What it needs to end beyond its drain.
const MARGIN: Duration = Duration::from_secs(5);
/// The user and group whose connections are left alone.
const ISTIO_PROXY: u32 = 1337;

/// The sidecar.
pub(super) struct Sidecar {
    own: Option<Own>,
    ready: SocketAddr,
    /// Drains for so long at most.
    drain: Duration,
}

/// One that this process started.
struct Own {
    child: Option<Child>,
    /// Closes when this process is gone, however that goes: then the sidecar ends too. Whoever waits for a child closes
    /// this end with it, so it is kept apart.
    pipe: Option<ChildStdin>,
    domain: String,
    interception: Interception,
    children: Rc<Children>,
}

impl Sidecar {
    /// One of another container.
    pub(super) fn beside() -> Self {
        Self { own: None, ready: (Ipv4Addr::LOCALHOST, READY).into(), drain: Duration::ZERO }
    }

    /// Starts one, with this process's environment.
    pub(super) fn start(children: &Rc<Children>) -> anyhow::Result<Self> {
        let env: BTreeMap<String, String> = std::env::vars().collect();
        let namespace = env.get("POD_NAMESPACE").map_or("default", String::as_str);
        let domain = format!("{namespace}.svc.cluster.local");
        let bootstrap = Bootstrap::from_environment(&env, &domain)
            .context("no sidecar can be started here (--beside is for one of another container)")?;
        let interception = bootstrap.node.metadata.interception;
        if interception != Interception::None && !nix::unistd::geteuid().is_root() {
            bail!(
                "under interception a sidecar is told from its command by its user ({ISTIO_PROXY}), and only root can \
                 start both; start this as root and the command by --user, or use --beside with a sidecar container"
            );
        }
        let mut own = Own { child: None, pipe: None, domain, interception, children: Rc::clone(children) };
        own.launch().context("cannot start the sidecar")?;
        let ready = match bootstrap.status.ip() {
            ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, READY).into(),
            ip => (ip, READY).into(),
        };
        Ok(Self { own: Some(own), ready, drain: bootstrap.drain })
    }

    /// Waits until it is ready, for `limit` at most.
    pub(super) async fn ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let since = Instant::now();
        let address = self.ready.to_string();
        let mut why = String::new();
        loop {
            match client::fetch(&address, "/healthz/ready", PATIENCE).await {
                Ok((StatusCode::OK, _)) => return Ok(()),
                Ok((status, body)) => {
                    why = format!("{status} {}", String::from_utf8_lossy(&body).trim());
                }
                Err(error) => why = if why.is_empty() { error.to_string() } else { why },
            }
            if let Some(own) = &mut self.own
                && let Some(child) = &mut own.child
                && let Some(status) = child.try_wait()?
            {
                bail!("the sidecar ended before it was ready ({status}); what it wrote above says why");
            }
            if since.elapsed() >= limit {
                bail!(
                    "the sidecar at {address} is not ready within {} s (--ready-within), so the command was not \
                     started: {why}",
                    limit.as_secs()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts it again whenever it ends; for ever.
    pub(super) async fn keep(&mut self) -> Infallible {
        let Some(own) = &mut self.own else { return std::future::pending().await };
        loop {
            if let Some(child) = &mut own.child {
                let how =
                    child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
                own.child = None;
                own.children.sidecar.set(None);
                crate::say::say!("weft run: the sidecar ended ({how}); it is started again");
            }
            tokio::time::sleep(AGAIN).await;
            if let Err(error) = own.launch() {
                crate::say::say!("weft run: the sidecar cannot be started again: {error}; it is tried on");
            }
        }
    }

    /// Has it drain and end; another signal takes its patience away.
    pub(super) async fn end(self, signals: &mut Signals) {
        let Some(own) = self.own else {
            if let Err(error) = quit().await {
                crate::say::say!("weft run: the sidecar of this pod was not told to end: {error}");
            }
            return;
        };
        let Some(mut child) = own.child else { return };
        // The command was the app: nobody else's end is waited for, as it would be after a signal.
        if own.interception == Interception::None || quit().await.is_err() {
            terminate(&child);
        }
        let mut deadline = std::pin::pin!(tokio::time::sleep(self.drain + MARGIN));
        loop {
            tokio::select! {
                _ = child.wait() => return,
                _ = signals.next() => terminate(&child),
                () = &mut deadline => {
                    let _ = child.kill().await;
                    return;
                }
            }
        }
    }
}

impl Own {
    fn launch(&mut self) -> std::io::Result<()> {
        let mut command = Command::new("/proc/self/exe");
        // What it writes must not be taken for what the command does.
        let errors = || std::io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
        command
            .args(["--parent-pipe", "proxy", "sidecar", "--domain", &self.domain])
            .stdin(Stdio::piped())
            .stdout(errors()?)
            .stderr(errors()?)
            // What is typed at the terminal is the command's.
            .process_group(0)
            .kill_on_drop(true);
        match self.interception {
            Interception::None => {}
            Interception::Redirect => {
                command.uid(ISTIO_PROXY).gid(ISTIO_PROXY);
            }
            // Root's rights keep the clients' addresses; the kernel's rules know it by its group.
            Interception::Tproxy => {
                command.gid(ISTIO_PROXY);
            }
        }
        let mut child = command.spawn()?;
        self.children.sidecar.set(child.id());
        self.pipe = child.stdin.take();
        self.child = Some(child);
        Ok(())
    }
}

fn terminate(child: &Child) {
    let process = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(process) = process {
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGTERM);
    }
}

/// Asks the pod's sidecar to end, as a Job's last step.
async fn quit() -> anyhow::Result<()> {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, QUIT)).to_string();
    let request = Request::post("/quitquitquit").header("host", &to).body(Full::<Bytes>::default())?;
    let answer = tokio::time::timeout(PATIENCE, client::send(&to, request)).await;
    let status = answer.context("/quitquitquit was not answered")??.status();
    if status != StatusCode::OK {
        bail!("POST http://{to}/quitquitquit was answered by {status}");
    }
    Ok(())
}
