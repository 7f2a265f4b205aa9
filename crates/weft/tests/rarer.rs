//! Flags and variables of istio-iptables that few set, in a real network namespace: what they change is changed. Needs root.

#[path = "meshes/injected.rs"]
mod injected;
#[path = "meshes/space.rs"]
mod space;

use injected::INJECTED;
use space::{Running, Space};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn apply(space: &Space, flags: &[&str]) {
    let output = space.run(&[&[WEFT, "redirect"], &INJECTED[..], flags].concat());
    assert!(output.status.success(), "{flags:?}: {output:?}");
}

/// What is shown under these variables, and what is said.
fn shown(space: &Space, variables: &[&str]) -> (String, String) {
    let output = space.run(&[&["env"], variables, &[WEFT, "redirect", "-n", "-i", "*", "-b", "*"]].concat());
    assert!(output.status.success(), "{variables:?}: {output:?}");
    told(&output)
}

#[test]
fn each_variable_of_istio_iptables_counts_by_each_of_its_names() {
    let Some(space) = Space::with_a_way_out() else { return };
    for (variables, rule) in [
        (&["REDIRECT_DNS=true", "CAPTURE_ALL_DNS=true"][..], "--to-ports 15053"),
        (&["ISTIO_META_DNS_CAPTURE=1", "CAPTURE_ALL_DNS=true"], "--to-ports 15053"),
        (&["DROP_INVALID=true"], "--ctstate INVALID -j DROP"),
        (&["INVALID_DROP=true"], "--ctstate INVALID -j DROP"),
        (&["ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=127.0.0.1/8"], "-d 127.0.0.0/8 -j RETURN"),
    ] {
        let (rules, said) = shown(&space, variables);
        assert!(rules.contains(rule) && said.is_empty(), "{variables:?}: {rules}{said}");
    }
    // Of two that say the same, Istio hears the longer one.
    let both = ["REDIRECT_DNS=true", "ISTIO_META_DNS_CAPTURE=false", "CAPTURE_ALL_DNS=true"];
    assert!(!shown(&space, &both).0.contains("15053"));
    for name in ["DUAL_STACK", "ISTIO_DUAL_STACK"] {
        let (rules, said) = shown(&space, &[&format!("{name}=false")]);
        assert!(said.contains("rules of IPv6 are written all the same"), "{name}: {said}");
        assert!(rules.contains("::1/128"), "{rules}");
    }
}

#[test]
fn where_nobody_answers_queries_none_is_turned_and_that_is_said() {
    let Some(space) = Space::with_a_way_out() else { return };
    let line = "mount --bind /dev/null /etc/resolv.conf && exec \"$@\"";
    let words =
        ["unshare", "-m", "sh", "-c", line, "sh", WEFT, "redirect", "-n", "-i", "*", "--redirect-dns"];
    let (rules, said) = told(&space.run(&words));
    assert!(!rules.contains("15053"), "{rules}");
    assert!(said.contains("no DNS query is turned: /etc/resolv.conf names no server"), "{said}");
}

#[test]
fn a_call_of_the_proxy_to_the_apps_own_loopback_is_not_turned_however_wide_that_is() {
    let Some(space) = Space::with_a_way_out() else { return };
    // Stands at the proxy's port for what comes in; at the address itself nobody does.
    let server = "import socket,time\ns=socket.create_server(('0.0.0.0',15006))\nprint('ready',flush=True)\ntime.sleep(60)";
    let mut server = space.command(&["python3", "-c", server]);
    let mut server = Running(server.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let mut ready = BufReader::new(server.0.stdout.take().unwrap()).lines();
    assert_eq!(ready.next().unwrap().unwrap(), "ready");
    let connects = || {
        let line = "exec 3<>/dev/tcp/127.0.0.2/8080";
        let owner = ["setpriv", "--reuid", "1337", "--regid", "1337", "--clear-groups", "bash", "-c", line];
        space.run(&owner).status.success()
    };
    for native in ["--native-nftables=false", "--native-nftables=true"] {
        apply(&space, &[native]);
        assert!(connects(), "{native}: it is turned to the port of what comes in");
        apply(&space, &[native, "--istio-outbound-ipv4-loopback-cidr=127.0.0.0/8"]);
        assert!(!connects(), "{native}: nobody is there, and it is not turned to anybody");
    }
}

#[test]
fn beside_the_machines_files_neither_its_lock_is_taken_nor_its_directory_asked() {
    let Some(space) = Space::with_a_way_out() else { return };
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let tool = folder.path().join("iptables-restore");
    let text = format!(
        "#!/bin/sh\necho lock=$XTABLES_LOCKFILE directory=$(head -c 1 /etc/nsswitch.conf) >>{}\nexec /usr/sbin/iptables-restore \"$@\"\n",
        seen.display()
    );
    std::fs::write(&tool, text).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    let namespace = format!("/run/netns/{}", space.0);
    let mut command = std::process::Command::new("env");
    command.args([&path, WEFT, "redirect"]).args(INJECTED);
    command.args(["--cni-mode", &format!("--network-namespace={namespace}")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen = std::fs::read_to_string(&seen).unwrap();
    assert_eq!(seen, format!("lock={namespace} directory=\n"));
    let rules = told(&space.run(&["iptables-save"])).0;
    assert!(rules.contains("-A ISTIO_OUTPUT -j ISTIO_REDIRECT"), "{rules}");
    assert_ne!(std::fs::read("/etc/nsswitch.conf").unwrap(), b"", "everybody else still has it");
}
