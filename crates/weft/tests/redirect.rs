//! Rules in force in a real network namespace: applied twice they are there once, a connection through them arrives at
//! the proxy's port, taken away they leave nothing, and what fails leaves all as it was. Needs root.

#[path = "meshes/space.rs"]
mod space;

use space::Space;
use std::ops::Deref;
use std::process::Command;

const INJECTED: [&str; 12] =
    ["-p", "15001", "-z", "15006", "-u", "1337", "-i", "*", "-b", "*", "-d", "15090,15021,15020"];

/// A network namespace with a way out.
struct Namespace(Space);

impl Deref for Namespace {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.0
    }
}

impl Namespace {
    fn new() -> Option<Self> {
        Space::with_a_way_out().map(Self)
    }

    fn redirect(&self, flags: &[&str]) -> (bool, String) {
        let words: Vec<&str> =
            [env!("CARGO_BIN_EXE_weft"), "redirect"].into_iter().chain(flags.iter().copied()).collect();
        let output = self.run(&words);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// `weft redirect` where of the system's tools there are only these, and those that `programs` writes in their place.
    fn redirect_with(&self, kept: &[&str], programs: &[(&str, &str)], flags: &[&str]) -> (bool, String) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder can be had");
        let place = |name: &str| folder.path().join(name);
        for tool in kept {
            let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().expect("sh");
            let found = String::from_utf8_lossy(&found.stdout).trim().to_owned();
            std::fs::copy(&found, place(tool)).expect("a tool can be copied");
        }
        for (name, text) in programs {
            std::fs::write(place(name), text).expect("a program can be written");
            let may_run = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(place(name), may_run).expect("it is ours");
        }
        let hide = if programs.is_empty() { "mount -t tmpfs none /usr/sbin &&" } else { "" };
        let line = format!("{hide} PATH={}:/usr/bin:/bin exec \"$@\"", folder.path().display());
        let words = ["unshare", "-m", "sh", "-c", &line, "sh", env!("CARGO_BIN_EXE_weft"), "redirect"];
        let words: Vec<&str> = words.into_iter().chain(flags.iter().copied()).collect();
        let output = self.run(&words);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The rules of everybody, without counters and times.
    fn rules(&self) -> String {
        let mut all = String::new();
        for words in
            [&["iptables-save"][..], &["ip6tables-save"], &["nft", "list", "tables"], &["ip", "rule"]]
        {
            let output = self.run(words);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let counts = |line: &&str| !line.starts_with('#');
            text.lines().filter(counts).for_each(|line| all.push_str(&format!("{line}\n")));
        }
        all
    }
}

fn applied_twice_and_taken_away(more: &[&str]) {
    let Some(namespace) = Namespace::new() else { return };
    let flags: Vec<&str> = INJECTED.into_iter().chain(more.iter().copied()).collect();
    let before = namespace.rules();
    let (good, words) = namespace.redirect(&flags);
    assert!(good, "{words}");
    let once = namespace.rules();
    assert_ne!(once, before);
    let (good, words) = namespace.redirect(&flags);
    assert!(good, "{words}");
    assert_eq!(namespace.rules(), once, "applied twice is applied once");
    // Without any of the flags by which it was applied.
    let (good, words) = namespace.redirect(&["--cleanup"]);
    assert!(good, "{words}");
    let after = namespace.rules();
    for ours in ["ISTIO", "istio", "539", "eth7", "vm0"] {
        assert!(!after.contains(ours), "{after}");
    }
}

#[test]
fn redirect_by_iptables_is_applied_once_works_and_goes() {
    applied_twice_and_taken_away(&[]);
}

#[test]
fn redirect_by_nft_is_applied_once_works_and_goes() {
    applied_twice_and_taken_away(&["--native-nftables"]);
}

#[test]
fn tproxy_by_iptables_is_applied_once_works_and_goes() {
    applied_twice_and_taken_away(&["-m", "TPROXY", "-c", "eth7"]);
    // An interface that was left alone is so no more where nobody says so, whatever else is said.
    applied_twice_and_taken_away(&["-k", "vm0"]);
    if let Some(namespace) = Namespace::new() {
        assert!(
            namespace
                .redirect(&INJECTED.into_iter().chain(["-c", "eth7", "-k", "vm0"]).collect::<Vec<_>>())
                .0
        );
        let (good, words) = namespace.redirect(&INJECTED);
        assert!(good, "{words}");
        let rules = namespace.rules();
        assert!(
            rules.contains("ISTIO_OUTPUT") && !rules.contains("eth7") && !rules.contains("vm0"),
            "{rules}"
        );
    }
    // There is no other way out: what could be tried is left alone.
    applied_twice_and_taken_away(&["-c", "eth7,out"]);
}

#[test]
fn what_other_flags_wrote_goes_with_its_successor_and_by_a_cleanup() {
    let other = ["-m", "TPROXY", "-t", "1400", "-r", "140", "-u", "1777", "--drop-invalid"];
    // The mark in hexadecimal, the table, the user, and what is dropped.
    let traces = ["0x578", "140", "1777", "INVALID"];
    for native in ["--native-nftables=false", "--native-nftables=true"] {
        let Some(namespace) = Namespace::new() else { return };
        let before = sorted(&namespace.rules()).join("\n");
        let flags: Vec<&str> = INJECTED.into_iter().chain(other).chain([native]).collect();
        let apply = |flags: &[&str]| {
            let (good, words) = namespace.redirect(flags);
            assert!(good, "{flags:?}: {words}");
            namespace.rules()
        };
        let once = apply(&flags);
        assert!(once.contains("fwmark 0x578 lookup 140"), "{once}");
        for successor in [&["-m", "TPROXY", native][..], &[native]] {
            apply(&flags);
            let after = apply(&INJECTED.into_iter().chain(successor.iter().copied()).collect::<Vec<_>>());
            assert!(after.contains("istio") || after.contains("ISTIO_OUTPUT"), "{after}");
            for trace in traces {
                assert!(!after.contains(trace), "{successor:?} leaves {trace}: {after}");
            }
        }
        // A successor that does not work puts all of it back.
        let again = apply(&flags);
        let (good, words) =
            namespace.redirect(&[&INJECTED[..], &["-m", "TPROXY", "-u", "nosuchuser"]].concat());
        assert!(!good && words.contains("nothing was changed"), "{words}");
        assert_eq!(sorted(&namespace.rules()), sorted(&again));
        apply(&["--cleanup"]);
        let after = namespace.rules();
        for trace in traces.into_iter().chain(["ISTIO", "istio"]) {
            assert!(!after.contains(trace), "{trace} stays: {after}\nbefore: {before}");
        }
        let table = namespace.run(&["ip", "route", "show", "table", "140"]).stdout;
        assert!(table.is_empty(), "{}", String::from_utf8_lossy(&table));
    }
}

#[test]
fn tproxy_by_nft_is_applied_once_works_and_goes() {
    applied_twice_and_taken_away(&["-m", "TPROXY", "--native-nftables"]);
}

#[test]
fn dns_capture_is_applied_by_both_back_ends() {
    applied_twice_and_taken_away(&["--redirect-dns", "--capture-all-dns"]);
    applied_twice_and_taken_away(&["--redirect-dns", "--capture-all-dns", "--native-nftables"]);
}

#[test]
fn one_back_ends_rules_replace_the_others() {
    let Some(namespace) = Namespace::new() else { return };
    assert!(namespace.redirect(&INJECTED).0);
    let native: Vec<&str> = INJECTED.into_iter().chain(["--native-nftables"]).collect();
    let (good, words) = namespace.redirect(&native);
    assert!(good, "{words}");
    let rules = namespace.rules();
    assert!(!rules.contains("ISTIO_OUTPUT") && rules.contains("istio-proxy-nat"), "{rules}");
    assert!(namespace.redirect(&INJECTED).0);
    let rules = namespace.rules();
    assert!(rules.contains("ISTIO_OUTPUT") && !rules.contains("istio-proxy-nat"), "{rules}");
}

#[test]
fn a_rule_of_others_that_is_in_the_way_is_named_and_nothing_stays() {
    let Some(namespace) = Namespace::new() else { return };
    let foreign = ["iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "15002", "-j", "ACCEPT"];
    assert!(namespace.run(&foreign).status.success());
    let before = namespace.run(&["iptables-save", "-t", "nat"]).stdout;
    // Of networks that are asked for by name one of their addresses is tried.
    for networks in ["*", "10.77.0.0/16,10.78.0.0/16"] {
        let flags =
            ["-u", "1337", "-i", networks, "-x", "10.77.0.0/16", "-b", "*", "--probe-timeout", "300ms"];
        let (good, words) = namespace.redirect(&flags);
        assert!(!good, "{networks}");
        assert!(
            words.contains("the rules do not work") && words.contains("--dport 15002 -j ACCEPT"),
            "{words}"
        );
    }
    let counts = |text: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect()
    };
    assert_eq!(counts(&namespace.run(&["iptables-save", "-t", "nat"]).stdout), counts(&before));
    assert!(!namespace.rules().contains("ISTIO"));
}

#[test]
fn rules_of_others_that_see_first_what_comes_in_are_told_though_nobody_can_try_it() {
    for native in ["--native-nftables=false", "--native-nftables=true"] {
        let Some(namespace) = Namespace::new() else { return };
        let flags = [&INJECTED[..], &[native]].concat();
        let (good, words) = namespace.redirect(&flags);
        assert!(good && !words.contains("others"), "{words}");
        namespace.does("iptables -t nat -I PREROUTING -p tcp --dport 8080 -j ACCEPT");
        let (good, words) = namespace.redirect(&flags);
        assert!(good && words.contains("rules of others see first what comes in"), "{native}: {words}");
        let named = ["-A PREROUTING -p tcp -m tcp --dport 8080 -j ACCEPT", "chain PREROUTING: type nat hook"];
        assert!(named.iter().any(|rule| words.contains(rule)), "{native}: {words}");
    }
}

#[test]
fn a_missing_right_is_told_by_name() {
    let Some(namespace) = Namespace::new() else { return };
    let words = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"];
    let words: Vec<&str> =
        words.into_iter().chain([env!("CARGO_BIN_EXE_weft"), "redirect", "-i", "*", "-b", "*"]).collect();
    let output = namespace.run(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("NET_ADMIN is missing"), "{said}");
}

#[test]
fn a_dry_run_shows_the_rules_and_applies_none() {
    let Some(namespace) = Namespace::new() else { return };
    let before = namespace.rules();
    let words: Vec<&str> =
        [env!("CARGO_BIN_EXE_weft"), "redirect", "--dry-run"].into_iter().chain(INJECTED).collect();
    let output = namespace.run(&words);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("-A ISTIO_OUTPUT -j ISTIO_REDIRECT"), "{shown}");
    assert_eq!(namespace.rules(), before);
}

#[test]
fn where_there_is_no_iptables_nft_does_it_and_where_there_is_neither_that_is_said() {
    let Some(namespace) = Namespace::new() else { return };
    let before = namespace.rules();
    let (good, words) = namespace.redirect_with(&["ip"], &[], &INJECTED);
    assert!(!good && words.contains("neither iptables nor nft is installed"), "{words}");
    assert!(words.contains("apt-get install iptables"), "{words}");
    assert_eq!(namespace.rules(), before);
    let (good, words) = namespace.redirect_with(&["ip", "nft"], &[], &INJECTED);
    assert!(good && words.contains("(nft)"), "{words}");
    assert!(namespace.rules().contains("istio-proxy-nat"));
}

#[test]
fn the_older_iptables_writes_the_rules_where_it_is_asked_for() {
    let Some(namespace) = Namespace::new() else { return };
    let (good, words) =
        namespace.redirect_with(&["ip", "nft"], &[], &[&INJECTED[..], &["--force-legacy-iptables"]].concat());
    assert!(!good && words.contains("iptables-legacy, which is asked for, does not work here"), "{words}");
    assert!(words.contains("it is not installed") && !namespace.rules().contains("istio"), "{words}");
    if !namespace.run(&["iptables-legacy", "-t", "nat", "-S"]).status.success() {
        return eprintln!("skipped: this kernel has no tables of the older iptables");
    }
    let older = || {
        let all = ["iptables-legacy-save", "ip6tables-legacy-save"].map(|tool| namespace.run(&[tool]).stdout);
        String::from_utf8_lossy(&all.concat()).into_owned()
    };
    let own = |rules: &str| rules.matches("-A ISTIO_OUTPUT -j ISTIO_REDIRECT").count();
    // By its flag, by its variable; and once more by nobody's word, since its rules are there.
    let variable = ["env", "FORCE_LEGACY_IPTABLES=true", env!("CARGO_BIN_EXE_weft"), "redirect"];
    let flag = [env!("CARGO_BIN_EXE_weft"), "redirect", "--force-legacy-iptables"];
    for words in [&flag[..], &variable, &variable[2..]] {
        let output = namespace.run(&[words, &INJECTED].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("(iptables-legacy)"), "{words:?}: {said}");
        assert_eq!((own(&older()), own(&namespace.rules())), (2, 0), "{words:?}: {}", older());
    }
    // The newer one in its place, and the older again.
    for (flag, expected) in [("--force-iptables-binary=nft", (0, 2)), ("--force-legacy-iptables", (2, 0))] {
        let (good, words) = namespace.redirect(&[&INJECTED[..], &[flag]].concat());
        assert!(good, "{words}");
        assert_eq!((own(&older()), own(&namespace.rules())), expected, "{flag}");
    }
    let (good, words) = namespace.redirect(&["--cleanup"]);
    assert!(good && !older().contains("ISTIO"), "{words}{}", older());
}

#[test]
fn a_kernel_that_lacks_a_module_is_told_of_and_nothing_stays() {
    let Some(namespace) = Namespace::new() else { return };
    let before = namespace.rules();
    let lacks = "#!/bin/sh\necho 'iptables-restore: No chain/target/match by that name.' >&2\nexit 1\n";
    let (good, words) = namespace.redirect_with(&[], &[("iptables-restore", lacks)], &INJECTED);
    assert!(
        !good && words.contains("this kernel lacks a module") && words.contains("xt_REDIRECT"),
        "{words}"
    );
    assert!(words.contains("nothing was changed"), "{words}");
    assert_eq!(namespace.rules(), before);
    // The half that went well before is taken back.
    let lacks = lacks.replace("iptables", "ip6tables");
    let (good, words) = namespace.redirect_with(&[], &[("ip6tables-restore", &lacks)], &INJECTED);
    assert!(!good && words.contains("this kernel lacks a module"), "{words}");
    assert!(!namespace.rules().contains("ISTIO"), "{}", namespace.rules());
}

#[test]
fn what_was_in_force_is_in_force_again_when_its_successor_does_not_work() {
    let Some(namespace) = Namespace::new() else { return };
    let tproxy: Vec<&str> = INJECTED.into_iter().chain(["-m", "TPROXY"]).collect();
    let (good, words) = namespace.redirect(&tproxy);
    assert!(good, "{words}");
    // In the way of whoever tries it at another port; what is in force has been tried.
    for words in [
        "nft add table ip foreign",
        "nft add chain ip foreign out { type nat hook output priority -110 ; }",
        "nft add rule ip foreign out tcp dport 15003 redirect",
    ] {
        assert!(namespace.run(&words.split(' ').collect::<Vec<_>>()).status.success(), "{words}");
    }
    let before = namespace.rules();
    for more in [&[][..], &["-m", "TPROXY"], &["--native-nftables"], &["--native-nftables", "-m", "TPROXY"]] {
        let probed = ["--iptables-probe-port", "15003", "--probe-timeout", "300ms"];
        let flags: Vec<&str> = INJECTED.into_iter().chain(probed).chain(more.iter().copied()).collect();
        let (good, words) = namespace.redirect(&flags);
        assert!(!good && words.contains("the rules do not work"), "{more:?}: {words}");
        assert!(
            words.contains("nft: table ip foreign, chain out: type nat hook output"),
            "{more:?}: {words}"
        );
        assert!(!words.contains("table ip istio-proxy"), "{more:?}: {words}");
        assert_eq!(sorted(&namespace.rules()), sorted(&before), "{more:?}");
    }
    // One mode after the other leaves nothing of the first.
    let (good, words) = namespace.redirect(&INJECTED);
    assert!(good, "{words}");
    let after = namespace.rules();
    assert!(!after.contains("0x539") && !after.contains("TPROXY"), "{after}");
}

#[test]
fn what_is_in_force_stays_in_force_when_its_successor_cannot_be_written() {
    let Some(namespace) = Namespace::new() else { return };
    let fails = "#!/bin/sh\necho 'ip6tables-restore: No chain/target/match by that name.' >&2\nexit 1\n";
    for more in [&[][..], &["-m", "TPROXY"], &["--native-nftables", "-m", "TPROXY"]] {
        let flags: Vec<&str> = INJECTED.into_iter().chain(more.iter().copied()).collect();
        let (good, words) = namespace.redirect(&flags);
        assert!(good, "{words}");
        let before = namespace.rules();
        // What is refused at its first step.
        let unknown: Vec<&str> = flags.iter().copied().chain(["-u", "nosuchuser"]).collect();
        let (good, words) = namespace.redirect(&unknown);
        assert!(!good && words.contains("nothing was changed"), "{more:?}: {words}");
        assert_eq!(sorted(&namespace.rules()), sorted(&before), "{more:?}");
        // And what is refused when a half of it stands already.
        let other: Vec<&str> = INJECTED.into_iter().chain(["-o", "3306"]).collect();
        let (good, words) = namespace.redirect_with(&[], &[("ip6tables-restore", fails)], &other);
        assert!(!good && words.contains("nothing was changed"), "{more:?}: {words}");
        assert_eq!(sorted(&namespace.rules()), sorted(&before), "{more:?}");
    }
}

#[test]
fn where_connections_by_ipv6_cannot_be_turned_it_counts_how_far_they_come() {
    let fails = "#!/bin/sh\necho 'modprobe: FATAL: Module ip6_tables not found' >&2\nexit 3\n";
    let programs = ["ip6tables", "ip6tables-save", "ip6tables-restore"].map(|name| (name, fails));
    // On the loopback alone, it is neither turned nor tried.
    let Some(namespace) = Namespace::new() else { return };
    namespace.does("sysctl -qw net.ipv6.conf.out.disable_ipv6=1 net.ipv6.conf.beyond.disable_ipv6=1");
    let (good, words) = namespace.redirect_with(&[], &programs, &INJECTED);
    assert!(good && !words.contains("IPv6"), "{words}");
    let has_four_alone = |namespace: &Namespace| {
        let rules = namespace.rules();
        assert!(rules.contains("127.0.0.6/32") && !rules.contains("::6/128"), "{rules}");
    };
    has_four_alone(&namespace);
    // On its own link a pod of an IPv4 cluster has it, too, where its kernel may not know how to turn it.
    let Some(namespace) = Namespace::new() else { return };
    namespace.does("ip addr add fe80::2/64 dev out nodad");
    let (good, words) = namespace.redirect_with(&[], &programs, &INJECTED);
    assert!(good && words.contains("(fe80::)") && words.contains("go around the proxy"), "{words}");
    has_four_alone(&namespace);
    // By an address that is known to the world, nobody is to come around the proxy.
    namespace.does("ip addr add fd00:9::2/64 dev out nodad");
    let before = namespace.rules();
    let (good, words) = namespace.redirect_with(&[], &programs, &INJECTED);
    assert!(!good && words.contains("this machine has IPv6 addresses"), "{words}");
    assert_eq!(namespace.rules(), before);
}

/// Rules are put back in their order; tables need not be.
fn sorted(rules: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = rules.lines().filter(|line| !line.starts_with(':')).collect();
    lines.sort_unstable();
    lines
}
