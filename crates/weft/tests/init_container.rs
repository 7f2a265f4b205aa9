//! `weft redirect` where Istio's templates run it: with their arguments, variables and capabilities, and no more. Needs root.

#[path = "meshes/injected.rs"]
mod injected;
#[path = "meshes/space.rs"]
mod space;

use injected::INJECTED;
use space::Space;
use std::process::{Command, Output, Stdio};

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

/// The command of the template's init container.
fn template() -> Vec<&'static str> {
    let logging = ["--log_output_level=default:info", "--log_as_json"];
    [&["istio-iptables"][..], &INJECTED, &logging].concat()
}

fn space() -> Option<Space> {
    let space = Space::new()?;
    space.does("ip link add out type veth peer name beyond");
    space.does("ip addr add 10.9.0.2/24 dev out");
    space.does("ip link set out up");
    space.does("ip link set beyond up");
    space.does("ip route add default via 10.9.0.1");
    Some(space)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rules(space: &Space) -> String {
    String::from_utf8_lossy(&space.run(&["iptables-save"]).stdout).into_owned()
}

#[test]
fn the_capabilities_of_istios_init_container_are_enough() {
    let Some(space) = space() else { return };
    let few = "-all,+net_admin,+net_raw";
    let words = [&["setpriv", "--bounding-set", few, "--inh-caps", few, WEFT][..], &template()].concat();
    let output = space.run(&words);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("inbound was not tried").count(), 1, "{said}");
    assert!(rules(&space).contains("-A ISTIO_OUTPUT -j ISTIO_REDIRECT"), "{}", rules(&space));
}

/// Validation as Istio's template has it beside the CNI plugin.
fn validate(space: &Space) -> Output {
    let mut command = Command::new(WEFT);
    command.args(["enter", "--netns", &space.0, "--user", "1337", "--group", "1337", "--own", "--"]);
    command.args(template()).args(["--run-validation", "--skip-rule-apply", "--probe-timeout=300ms"]);
    command.output().expect("weft can be run")
}

#[test]
fn beside_istios_cni_plugin_the_proxys_user_sees_whether_the_rules_are_there() {
    let Some(space) = space() else { return };
    // Istio's plugin is asked to repair a pod that ends so.
    let without = validate(&space);
    assert_eq!(without.status.code(), Some(126), "{}", said(&without));
    assert!(said(&without).contains("the rules do not work"), "{}", said(&without));
    let applied = space.run(&[&[WEFT][..], &template()].concat());
    assert!(applied.status.success(), "{}", said(&applied));
    let with = validate(&space);
    assert!(with.status.success(), "{}", said(&with));
}

#[test]
fn of_a_pod_that_is_known_by_ipv4_the_plugin_leaves_ipv6_alone_and_its_rules_are_good() {
    let Some(space) = space() else { return };
    let shown = space.run(&[&[WEFT][..], &template(), &["--dry-run"]].concat());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let (four, six) = shown.split_once("# ip6tables-restore").unwrap();
    let restore = |tool: &str, rules: &str| {
        let mut child = space.command(&[tool, "--noflush"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), rules.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{rules}");
    };
    restore("iptables-restore", four);
    // It has an address of IPv6 on its own link, as every pod, and then one that others know.
    space.does("ip addr add fe80::2/64 dev out nodad");
    let good = validate(&space);
    assert!(good.status.success() && !said(&good).contains("IPv6"), "{}", said(&good));
    space.does("ip addr add fd00:9::2/64 dev out nodad");
    let good = validate(&space);
    assert!(good.status.success() && said(&good).contains("go around the proxy"), "{}", said(&good));
    // One that is known by IPv6 has rules of that.
    space.does("ip addr del 10.9.0.2/24 dev out");
    let without = validate(&space);
    assert_eq!(without.status.code(), Some(126), "{}", said(&without));
    space.does("ip addr add ::6/128 dev lo nodad");
    restore("ip6tables-restore", six.split_once('\n').unwrap().1);
    let good = validate(&space);
    assert!(good.status.success(), "{}", said(&good));
}

#[test]
fn variables_are_read_as_go_reads_them_and_an_empty_one_is_none() {
    let Some(space) = space() else { return };
    let show = |variables: &[&str]| {
        space.run(&[&["env"], variables, &[WEFT, "redirect", "-i", "*", "-b", "*"]].concat())
    };
    for (yes, no) in [("1", "0"), ("t", "f"), ("T", "F"), ("TRUE", "FALSE"), ("True", "False")] {
        let (dry, drop) = (format!("DRY_RUN={yes}"), format!("INVALID_DROP={no}"));
        let output =
            show(&[&dry, &drop, "CLEANUP_ONLY=", "ENVOY_PORT=", "PROBE_TIMEOUT=", "RUN_VALIDATION="]);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{dry}: {}", said(&output));
        assert!(shown.contains("--to-ports 15001") && !shown.contains("INVALID"), "{dry}: {shown}");
    }
    let output = show(&["DRY_RUN=yes"]);
    assert!(!output.status.success() && said(&output).contains("it must be true or false"), "{output:?}");
    assert!(!rules(&space).contains("ISTIO"), "{}", rules(&space));
}
