//! What a pod has in network namespaces: its namespace, its files, and users that may read them.

use super::super::Args;
use super::super::addresses::Base;
use super::super::named;
use super::super::plan::{Plan, Pod};
use super::super::programs::{NSSWITCH, SIDECAR_RESOLV_CONF};
use super::outside;
use crate::netns::network::{self, SIDECAR_USER};
use crate::run_directory::{self, NAMESPACES, RunDirectory, make_passable};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use weft_proxy::dns::Dns;
use weft_proxy::dns::resolv_conf::ResolvConf;

/// Whether namespaces are asked for and can be had; says so if they cannot.
pub(super) fn wanted(args: &Args) -> bool {
    if !args.netns {
        return false;
    }
    if !nix::unistd::geteuid().is_root() {
        crate::say::say!("weft: --netns needs root, to make network namespaces; this mesh runs on loopback");
        return false;
    }
    if let Some(why) = network::missing_right() {
        crate::say::say!(
            "weft: --netns needs the right to make network namespaces ({why}), which a container has if it is started with \
             `--privileged`; this mesh runs on loopback"
        );
        return false;
    }
    true
}

/// The run directory of a mesh. In namespaces its pods' users have to get through to what is theirs.
pub(super) fn run_directory(base: Base) -> anyhow::Result<RunDirectory> {
    if base.hub().is_none() {
        return Ok(RunDirectory::create(&run_directory::base())?);
    }
    Ok(RunDirectory::create_passable(Path::new(NAMESPACES), &run_directory::base())?)
}

/// Writes the files of `pod` that only a pod in a namespace has. Its sidecar may ask a server at the hub, if there is one.
pub(super) fn furnish(run: &RunDirectory, plan: &Plan, pod: &Pod, has_server: bool) -> anyhow::Result<()> {
    if pod.netns.is_none() {
        return Ok(());
    }
    let folder = run.pod(pod)?;
    make_passable(&run.path().join("pods"))?;
    make_passable(&folder)?;
    let root = run.path().join("root-cert.pem");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o644))?;
    write_names(&folder, plan, pod, has_server)?;
    hand_over(run, pod)
}

/// The token is its sidecar's alone.
pub(super) fn hand_over(run: &RunDirectory, pod: &Pod) -> anyhow::Result<()> {
    if pod.netns.is_some() {
        chown(run.pod(pod)?.join("token"), Some(SIDECAR_USER), Some(SIDECAR_USER))?;
    }
    Ok(())
}

/// The names that `pod` knows. The files are written over in place: what is mounted in the pod is these very files.
fn write_names(folder: &Path, plan: &Plan, pod: &Pod, has_server: bool) -> anyhow::Result<()> {
    let server = has_server.then(|| plan.base.control());
    let nsswitch = std::fs::read_to_string("/etc/nsswitch.conf").ok();
    let files = [
        ("hosts", named::hosts(&plan.named, pod)),
        ("resolv.conf", named::resolv_conf(pod, server)),
        (SIDECAR_RESOLV_CONF, named::sidecar_resolv_conf(&pod.namespace, server)),
    ];
    for (name, text) in files.into_iter().chain(nsswitch.map(|text| (NSSWITCH, named::nsswitch(&text)))) {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// The namespaces of a mesh; gone when it is dropped.
pub(super) struct Network {
    id: String,
    base: Base,
    weft: PathBuf,
    /// Who answers for the world outside, if anybody knows of it.
    outside: Option<Dns>,
}

impl Network {
    /// The namespaces of `plan`, if it has any. Those of meshes that died went with their run directories.
    pub(super) fn create(
        plan: &Plan,
        weft: &Path,
        servers: Option<ResolvConf>,
    ) -> anyhow::Result<Option<Self>> {
        let (Base::Namespaces(id), Some(hub)) = (plan.base, plan.base.hub()) else { return Ok(None) };
        let id = id.to_string();
        network::check_free(&id)?;
        network::create_hub(&hub, plan.base.control())?;
        // From here on, whatever is half made is taken away again.
        let mut network = Self { id, base: plan.base, weft: weft.to_owned(), outside: None };
        if let Some(servers) = servers {
            network.outside = Some(outside::start(&hub, plan.base.control(), servers)?);
        }
        network.add(&plan.pods.iter().collect::<Vec<_>>())?;
        Ok(Some(network))
    }

    fn has_server(&self) -> bool {
        self.outside.is_some()
    }

    /// Namespaces for more pods.
    pub(super) fn add(&self, pods: &[&Pod]) -> anyhow::Result<()> {
        let Some(hub) = self.base.hub() else { return Ok(()) };
        network::add(&hub, self.base.control(), pods, &self.weft)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        network::remove_mesh(&self.id);
    }
}

impl super::Up {
    /// Everybody's names, as an edit left them.
    pub(super) fn rename(&self) -> anyhow::Result<()> {
        let (Some(network), Some(run)) = (&self.network, &self.run) else { return Ok(()) };
        let has_server = network.has_server();
        self.plan.pods.iter().try_for_each(|pod| write_names(&run.pod(pod)?, &self.plan, pod, has_server))
    }

    /// What a new pod, or the next of an old one's name, needs before its processes start.
    pub(super) fn settle(&self, pod: &Pod) -> anyhow::Result<()> {
        let (Some(network), Some(run)) = (&self.network, &self.run) else { return Ok(()) };
        furnish(run, &self.plan, pod, network.has_server())?;
        network.add(&[pod])
    }

    /// Takes away what `pod` had, once its processes are gone.
    pub(super) fn unsettle(&mut self, pod: &Pod) {
        self.waiting_apps.retain(|waiting| super::ready::key(waiting) != super::ready::key(pod));
        if let Some(netns) = &pod.netns {
            network::remove(netns);
        }
    }
}
