//! The network of a mesh: a namespace for each pod, all on one bridge, which stands in a namespace of its own, so that
//! nothing of the machine's own network is touched.
//!
//! | name | what |
//! |---|---|
//! | `weft-up-ID` | the hub: the bridge, and the control plane beside it |
//! | `weft-up-ID-N` | pod N: `eth0` on the bridge, the redirect in force |
//!
//! ID is the process of the `weft up`, as in its run directory's name. What a `weft up` that died leaves is known by that
//! directory, and is taken away with it. Names of this shape of which no run directory tells are somebody else's.
//!
//! Whoever calls an address that nobody has learns of it at once, as in a cluster: [`mod@unreachable`].

mod unreachable;

use crate::up::addresses::HUB_SIX;
use crate::up::plan::Pod;
use crate::up::proxy::Proxy;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

/// What all names begin with.
pub(crate) const PREFIX: &str = "weft-up-";
/// The kernel's bridge has so many ports.
pub(crate) const MOST: usize = 1000;
/// Of the pods' interfaces, about that of loopback: what goes from pod to pod here is never on a wire.
const MTU: u32 = 65535;
/// So many pods are made at the same time.
const AT_ONCE: usize = 8;

/// What the kernel says for want of a right to make namespaces and to set them up, which root in a container may lack. It is
/// found out by making one without a name, of which nothing stays, whatever ends this. Whatever else is in the way is told when
/// they are made in earnest.
pub(crate) fn missing_right() -> Option<String> {
    let mut trial = Command::new("unshare");
    trial.args(["--net", "--mount", "ip", "link", "set", "lo", "up"]).stdin(Stdio::null());
    let made = trial.output().ok().filter(|made| !made.status.success())?;
    let words = String::from_utf8_lossy(&made.stderr).trim().to_owned();
    let is_denied = |words: &String| words.contains("ermission denied") || words.contains("not permitted");
    Some(words).filter(is_denied)
}

/// Makes the hub, with the bridge at `address`.
pub(crate) fn create_hub(hub: &str, address: Ipv4Addr) -> anyhow::Result<()> {
    ip(&["netns", "add", hub]).with_context(|| format!("cannot make the namespace {hub}"))?;
    let hardware = hardware(address);
    let mut lines = format!(
        "link set lo up\nlink add br0 address {hardware} mtu {MTU} type bridge\naddr add {address}/16 dev br0\nlink set br0 up\n"
    );
    if has_six() {
        lines.push_str(&format!("addr add {HUB_SIX}/64 dev br0 nodad\n"));
    }
    lines.push_str(&unreachable::routes(has_six()));
    // Off for all new ones where the machine was started so.
    settle(hub, &[("ipv6/conf/default/disable_ipv6", "0"), ("ipv6/conf/lo/disable_ipv6", "0")])
        .and_then(|()| batch(hub, &lines))
        .and_then(|()| settle(hub, &unreachable::HUB))
        .inspect_err(|_| remove(hub))
}

/// The hardware address of whoever has `address`. It follows from that: the others remember for half a minute and longer
/// where an address was, and what they send to the next pod that gets it, or to the bridge, has to arrive.
fn hardware(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    // Of those that nobody but their own network gives away.
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Says so if a namespace is there already that the mesh `id` would make.
pub(crate) fn check_free(id: &str) -> anyhow::Result<()> {
    let Some(name) = names().find(|name| id_of(name) == Some(id)) else { return Ok(()) };
    bail!(
        "the network namespace {name} is there, and no mesh of `weft up` left it: start again for another number, or \
         `ip netns del {name}` if nobody needs it"
    )
}

/// Makes the namespaces of `pods`, each with its number, and turns their connections to their sidecars.
pub(crate) fn add(hub: &str, gateway: Ipv4Addr, pods: &[&Pod], weft: &Path) -> anyhow::Result<()> {
    for some in pods.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let making: Vec<_> =
                some.iter().map(|pod| scope.spawn(move || add_one(hub, gateway, pod, weft))).collect();
            let made = making.into_iter().map(|one| one.join());
            made.map(|one| one.unwrap_or_else(|_| bail!("a thread ended early")))
                .collect::<anyhow::Result<Vec<()>>>()
        })?;
    }
    Ok(())
}

fn add_one(hub: &str, gateway: Ipv4Addr, pod: &Pod, weft: &Path) -> anyhow::Result<()> {
    let Some(name) = &pod.netns else { return Ok(()) };
    let title = format!("pod {}/{}", pod.namespace, pod.name);
    let made = (|| {
        ip(&["netns", "add", name])?;
        // Interfaces have short names, and the pod's number is all that tells those of a hub apart.
        let port = format!("pod{}", name.rsplit('-').next().unwrap_or_default());
        batch(
            hub,
            &format!(
                "link add {port} mtu {MTU} type veth peer name eth0 address {} mtu {MTU} netns {name}\nlink set {port} master br0\nlink set {port} up\n",
                hardware(pod.address)
            ),
        )?;
        let six = pod.six.filter(|_| has_six());
        // As in a container: any port is the app's to listen on.
        let without = if six.is_some() { "0" } else { "1" };
        settle(
            name,
            &[
                ("ipv4/ip_unprivileged_port_start", "0"),
                ("ipv6/conf/eth0/disable_ipv6", without),
                // Off for all new ones where the machine was started so.
                ("ipv6/conf/lo/disable_ipv6", "0"),
            ],
        )?;
        settle(name, &unreachable::POD)?;
        let address = pod.address;
        let mut lines = format!(
            "link set lo up\naddr add {address}/16 dev eth0\nlink set eth0 up\nroute add default via {gateway}\n"
        );
        if let Some(six) = six {
            lines.push_str(&format!("addr add {six}/64 dev eth0 nodad\nroute add default via {HUB_SIX}\n"));
        }
        batch(name, &lines)
    })();
    let made = made.with_context(|| format!("{title}: cannot make its network"));
    let turned = made.and_then(|()| match pod.is_turned() {
        true => redirect(name, pod, weft).with_context(|| format!("{title}: its connections")),
        false => Ok(()),
    });
    // Half a network is in the way of the next try.
    turned.inspect_err(|_| remove(name))
}

/// Whether this kernel has IPv6 at all.
fn has_six() -> bool {
    Path::new("/proc/sys/net/ipv6/conf").exists()
}

/// Writes settings of the kernel for one namespace; one that this kernel does not have is not needed.
fn settle(name: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    super::inside(name, || {
        for (setting, value) in settings {
            let _ = std::fs::write(Path::new("/proc/sys/net").join(setting), value);
        }
    })?;
    Ok(())
}

/// `weft redirect`, in the pod's namespace, with what its annotations ask for.
fn redirect(name: &str, pod: &Pod, weft: &Path) -> anyhow::Result<()> {
    let output = Command::new(weft)
        .arg("redirect")
        .args(flags(&pod.annotations, &pod.proxy))
        .arg(format!("--network-namespace={}", super::path(name).display()))
        // A variable of the user's shell is no wish about a pod's rules.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The flags that Istio's injector would give to a pod of these annotations.
pub(crate) fn flags(annotations: &BTreeMap<String, String>, asked: &Proxy) -> Vec<String> {
    let said = |name: &str| annotations.get(&format!("traffic.sidecar.istio.io/{name}")).cloned();
    let excluded = said("excludeInboundPorts").map(|ports| format!(",{ports}")).unwrap_or_default();
    let all = || "*".to_owned();
    // Istio's later name for it stands before the one that it was given first.
    let rerouted = annotations.get("istio.io/reroute-virtual-interfaces").cloned();
    let virtual_interfaces = rerouted.or_else(|| said("kubevirtInterfaces"));
    let values = [
        ("-p", "15001".to_owned()),
        ("-z", "15006".to_owned()),
        ("-u", SIDECAR_USER.to_string()),
        ("-g", SIDECAR_USER.to_string()),
        ("-m", asked.mode.name().to_owned()),
        ("-i", said("includeOutboundIPRanges").unwrap_or_else(all)),
        ("-x", said("excludeOutboundIPRanges").unwrap_or_default()),
        ("-b", said("includeInboundPorts").unwrap_or_else(all)),
        ("-d", format!("15090,15021,15020{excluded}")),
        ("-o", said("excludeOutboundPorts").unwrap_or_default()),
        ("-q", said("includeOutboundPorts").unwrap_or_default()),
        ("-c", said("excludeInterfaces").unwrap_or_default()),
        ("-k", virtual_interfaces.unwrap_or_default()),
    ];
    let flags = values.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    // Whatever resolver an app asks, the sidecar answers.
    let dns = ["--redirect-dns", "--capture-all-dns"].into_iter().filter(|_| asked.answers_dns());
    flags.chain(dns.map(str::to_owned)).collect()
}

/// The sidecar's user, whose connections are left alone.
pub(crate) const SIDECAR_USER: u32 = 1337;
/// The app's user.
pub(crate) const APP_USER: u32 = 1000;

/// Takes one namespace away, with the processes and interfaces in it.
pub(crate) fn remove(name: &str) {
    remove_all(&[name.to_owned()]);
}

/// Takes away all namespaces of the mesh `id`, with the processes in them.
pub(crate) fn remove_mesh(id: &str) {
    remove_all(&names().filter(|name| id_of(name) == Some(id)).collect::<Vec<_>>());
}

fn remove_all(names: &[String]) {
    super::inmates::end(names);
    for name in names {
        let _ = ip(&["netns", "del", name]);
    }
}

fn names() -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(super::FOLDER).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// The mesh that a namespace of this name belongs to; none, if it is not one of ours.
fn id_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(PREFIX)?;
    let (id, pod) = rest.split_once('-').unwrap_or((rest, "0"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(id) && number(pod)).then_some(id)
}

fn batch(namespace: &str, lines: &str) -> anyhow::Result<()> {
    run(&["-n", namespace, "-batch", "-"], lines)
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run(arguments, "")
}

fn run(arguments: &[&str], input: &str) -> anyhow::Result<()> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `ip`: install iproute2 (Debian: `apt-get install iproute2`)")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
