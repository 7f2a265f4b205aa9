//! The rules as text, line by line, for both back ends. What the kernel makes of them: `tests/netns.rs`.

#[path = "../../tests/meshes/injected.rs"]
mod injected;

use super::apply::Tool;
use super::iptables::{Saved, removal, script};
use super::rules::{Family, Rule};
use super::settings::Settings;
use super::{Args, chains, nft};
use clap::Parser;
use injected::INJECTED;

#[derive(Debug, clap::Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn settings(flags: &[&str]) -> Settings {
    let words = ["redirect"].into_iter().chain(flags.iter().copied());
    Command::try_parse_from(words).unwrap().args.settings().unwrap()
}

fn refusal(flags: &[&str]) -> String {
    let words = ["redirect"].into_iter().chain(flags.iter().copied());
    Command::try_parse_from(words).unwrap().args.settings().unwrap_err().to_string()
}

fn lines(flags: &[&str], family: Family) -> Vec<String> {
    let rules = chains::rules(&settings(flags), family);
    let text = script(&rules, family, &Saved::default());
    let is_rule = |line: &&str| line.starts_with('*') || line.starts_with("-A");
    text.lines().filter(is_rule).map(str::to_owned).collect()
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    INJECTED.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn the_injectors_flags_yield_istios_rules_in_istios_order() {
    let expected = "\
*nat
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT";
    assert_eq!(lines(&INJECTED, Family::V4).join("\n"), expected);
}

#[test]
fn ipv6_has_the_same_rules_with_its_own_addresses() {
    let v4 = lines(&INJECTED, Family::V4).join("\n");
    let expected = v4.replace("127.0.0.6/32", "::6/128").replace("127.0.0.1/32", "::1/128");
    assert_eq!(lines(&INJECTED, Family::V6).join("\n"), expected);
}

#[test]
fn excluded_interfaces_come_first_and_excluded_ports_before_the_proxys_own() {
    let lines = lines(&with(&["-c", "eth9", "-o", "3306"]), Family::V4);
    assert_eq!(lines[1..3], ["-A PREROUTING -i eth9 -j RETURN", "-A OUTPUT -o eth9 -j RETURN"]);
    let at = |text: &str| lines.iter().position(|line| line == text).unwrap();
    let tcp = at("-A ISTIO_OUTPUT -p tcp --dport 3306 -j RETURN");
    assert_eq!(at("-A ISTIO_OUTPUT -p udp --dport 3306 -j RETURN"), tcp + 1);
    assert_eq!(at("-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN"), tcp + 2);
}

#[test]
fn networks_stand_in_place_of_the_last_rule() {
    let flags = ["-i", "10.0.0.0/8,fd00::/8", "-x", "10.1.0.0/16", "-q", "443"];
    let v4 = lines(&flags, Family::V4);
    assert_eq!(
        v4[v4.len() - 4..],
        [
            "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
            "-A ISTIO_OUTPUT -d 10.1.0.0/16 -j RETURN",
            "-A ISTIO_OUTPUT -p tcp --dport 443 -j ISTIO_REDIRECT",
            "-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT",
        ]
    );
    assert_eq!(lines(&flags, Family::V6).last().unwrap(), "-A ISTIO_OUTPUT -d fd00::/8 -j ISTIO_REDIRECT");
    assert!(!v4.iter().any(|line| line.contains("PREROUTING")), "no -b, no inbound");
}

#[test]
fn a_loopback_network_that_is_asked_for_is_not_left_alone() {
    let lines = lines(&["-i", "127.1.2.3/32"], Family::V4);
    assert!(!lines.iter().any(|line| line.contains("! --uid-owner")), "{lines:?}");
}

#[test]
fn queries_of_the_app_go_to_the_dns_proxy_and_those_of_the_proxy_do_not() {
    let mut settings = settings(&with(&[]));
    settings.dns = super::settings::Dns::To(vec!["10.96.0.10".parse().unwrap()]);
    let rules = chains::rules(&settings, Family::V4);
    let text = script(&rules, Family::V4, &Saved::default());
    for line in "\
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp -m multiport ! --dports 53,15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -p tcp ! --dport 53 -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -p tcp ! --dport 53 -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT_DNS -p tcp --dport 53 -d 10.96.0.10/32 -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -d 10.96.0.10/32 -j REDIRECT --to-ports 15053
-A OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --uid-owner 1337 -j CT --zone 1
-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --uid-owner 1337 -j CT --zone 2
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner --gid-owner 1337 -j CT --zone 1
-A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner --gid-owner 1337 -j CT --zone 2
-A ISTIO_OUTPUT_DNS -p udp --dport 53 -d 10.96.0.10/32 -j CT --zone 2
-A PREROUTING -j ISTIO_INBOUND
-A ISTIO_INBOUND -p udp --sport 53 -s 10.96.0.10/32 -j CT --zone 1"
        .lines()
    {
        assert!(text.lines().any(|had| had == line), "no {line} in\n{text}");
    }
}

#[test]
fn tproxy_marks_what_comes_and_what_the_proxy_sends_to_its_own_pod() {
    let expected = "\
*mangle
-A ISTIO_DIVERT -j MARK --set-mark 1337
-A ISTIO_DIVERT -j ACCEPT
-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006
-A ISTIO_INBOUND -p tcp -m mark --mark 1337 -j RETURN
-A ISTIO_INBOUND -p tcp -s 127.0.0.6/32 -i lo -j RETURN
-A ISTIO_INBOUND -p tcp -i lo -m mark ! --mark 1338 -j RETURN
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -p tcp -o lo -m mark --mark 1337 -j RETURN
-A OUTPUT ! -d 127.0.0.1/32 -p tcp -o lo -m owner --uid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT ! -d 127.0.0.1/32 -p tcp -o lo -m owner --gid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark";
    let lines = lines(&with(&["-m", "TPROXY"]), Family::V4);
    let nat = lines.iter().position(|line| line == "*nat").unwrap();
    assert_eq!(lines[..nat].join("\n"), expected);
    assert!(!lines[nat..].iter().any(|line| line.contains("-A PREROUTING")), "inbound is mangle's alone");
    let ways = super::routes::commands(&settings(&["-m", "TPROXY"]), &[Family::V4]);
    let ways: Vec<String> = ways.iter().map(|words| words.join(" ")).collect();
    let expected = ["-4 rule add fwmark 1337 lookup 133", "-4 route replace local default dev lo table 133"];
    assert_eq!(ways, expected);
}

#[test]
fn what_is_in_force_is_replaced_and_rules_of_others_are_not_touched() {
    let saved = Saved::read(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:MINE - [0:0]\n:ISTIO_OUTPUT - [0:0]\n:ISTIO_OLD - [0:0]\n\
         -A OUTPUT -p tcp -j MINE\n-A OUTPUT -j ISTIO_OUTPUT\n-A ISTIO_OUTPUT -j RETURN\n-A MINE -j ACCEPT\nCOMMIT\n",
    );
    let rules: Vec<Rule> = chains::rules(&settings(&INJECTED), Family::V4);
    let text = script(&rules, Family::V4, &saved);
    assert!(text.contains("-D OUTPUT -j ISTIO_OUTPUT\n") && text.contains("-X ISTIO_OLD\n"), "{text}");
    assert!(!text.contains("MINE"), "{text}");
    let away = removal(&rules, Family::V4, &saved);
    assert!(away.contains("-X ISTIO_OUTPUT\n") && !away.contains("MINE") && !away.contains("-A"), "{away}");
    assert_eq!(saved.foreign(), ["nat: -A OUTPUT -p tcp -j MINE", "nat: -A MINE -j ACCEPT"]);
}

#[test]
fn a_rule_of_a_shared_chain_is_known_again_however_iptables_writes_it_back() {
    let flags = with(&["-m", "TPROXY"]);
    let rules = chains::rules(&settings(&flags), Family::V4);
    let saved = Saved::read(
        "*mangle\n:OUTPUT ACCEPT [0:0]\n:ISTIO_DIVERT - [0:0]\n\
         -A OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j MARK --set-xmark 0x53a/0xffffffff\n\
         -A OUTPUT -p tcp -m connmark --mark 0x539 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n\
         -A OUTPUT -p udp -j DROP\nCOMMIT\n",
    );
    let away = removal(&rules, Family::V4, &saved);
    assert_eq!(away.matches("-D OUTPUT").count(), 2, "{away}");
}

#[test]
fn what_another_mode_wrote_is_known_as_ours_whatever_mode_is_asked_for_now() {
    let redirect = settings(&INJECTED);
    let known = chains::known(&redirect, Family::V4);
    let text = "*mangle\n:OUTPUT ACCEPT [0:0]\n\
         -A OUTPUT -p tcp -m connmark --mark 0x539 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n\
         -A OUTPUT -p udp -j DROP\nCOMMIT\n";
    assert!(!Saved::read(text).has_own());
    let saved = Saved::read(text).knowing(&known, Family::V4);
    assert!(saved.has_own());
    assert_eq!(saved.foreign(), ["mangle: -A OUTPUT -p udp -j DROP"]);
    let rules = chains::rules(&redirect, Family::V4);
    for script in [removal(&rules, Family::V4, &saved), script(&rules, Family::V4, &saved)] {
        assert_eq!(script.matches("-D OUTPUT").count(), 1, "{script}");
        assert!(!script.contains("DROP"), "{script}");
    }
}

#[test]
fn what_other_flags_wrote_in_the_kernels_chains_is_told_of_by_chains_that_hold_nothing() {
    let flags = with(&["-m", "TPROXY", "-t", "1400", "-u", "1500", "--drop-invalid"]);
    let written = script(&chains::rules(&settings(&flags), Family::V6), Family::V6, &Saved::default());
    for marker in [":ISTIO_MARK_1400 ", ":ISTIO_DROP_INVALID "] {
        assert!(written.contains(marker), "{written}");
    }
    let foreign = "-A PREROUTING -i eth7 -m conntrack --ctstate INVALID -j DROP";
    let saved = Saved::read(&format!("{written}*mangle\n{foreign}\nCOMMIT\n"));
    assert_eq!(saved.marks().collect::<Vec<_>>(), [1400]);
    let redirect = chains::rules(&settings(&INJECTED), Family::V6);
    for script in [removal(&redirect, Family::V6, &saved), script(&redirect, Family::V6, &saved)] {
        // Invalid ones, the mark that is saved, two owners, the mark that returns and the one that is restored.
        for (what, count) in [("INVALID", 1), ("save-mark", 1), ("-owner 1500", 2), ("--mark 1400", 3)] {
            let deleted = script.lines().filter(|line| line.starts_with("-D") && line.contains(what));
            assert_eq!(deleted.count(), count, "{what}: {script}");
        }
        assert!(!script.contains("eth7"), "{script}");
    }
}

#[test]
fn a_way_to_ourselves_is_read_from_the_kernels_rules_and_nobody_elses_is() {
    let told = "0:\tfrom all lookup local\n32764:\tfrom all fwmark 0x578 lookup 140\n\
                32765:\tfrom all fwmark 0x200/0xf00 lookup 2004\n32766:\tfrom all lookup main\n";
    let ways = super::routes::read(told, Family::V4);
    assert_eq!(ways, [super::routes::Way { family: Family::V4, mark: 1400, table: "140".to_owned() }]);
}

#[test]
fn nft_says_the_same() {
    let of = |family| (family, chains::rules(&settings(&INJECTED), family));
    let text = nft::script(&[of(Family::V4), of(Family::V6)]);
    for line in [
        "table ip istio-proxy-nat {",
        "type nat hook prerouting priority -100; policy accept;",
        "tcp dport 15008 return",
        "meta l4proto tcp redirect to :15001",
        "meta l4proto tcp redirect to :15006",
        "meta l4proto tcp jump ISTIO_INBOUND",
        "tcp dport 15090 return",
        "meta l4proto tcp jump ISTIO_IN_REDIRECT",
        "jump ISTIO_OUTPUT",
        "oifname \"lo\" ip saddr 127.0.0.6/32 return",
        "oifname \"lo\" ip daddr != 127.0.0.1/32 tcp dport != 15008 meta skuid 1337 jump ISTIO_IN_REDIRECT",
        "oifname \"lo\" meta skuid != 1337 return",
        "meta skgid 1337 return",
        "ip daddr 127.0.0.1/32 return",
        "jump ISTIO_REDIRECT",
        "table ip6 istio-proxy-nat {",
        "oifname \"lo\" ip6 saddr ::6/128 return",
    ] {
        assert!(text.lines().any(|had| had.trim() == line), "no {line} in\n{text}");
    }
}

#[test]
fn numbers_from_one_to_another_are_no_name_to_either_back_end() {
    let flags = ["-u", "1337-1339", "-g", "app-1", "-i", "*"];
    let rules = chains::rules(&settings(&flags), Family::V4);
    let by_nft = nft::script(&[(Family::V4, rules)]);
    for rule in ["meta skuid 1337-1339 return", "meta skgid \"app-1\" return"] {
        assert!(by_nft.lines().any(|had| had.trim() == rule), "no {rule} in\n{by_nft}");
    }
    assert!(
        lines(&flags, Family::V4)
            .contains(&"-A ISTIO_OUTPUT -m owner --uid-owner 1337-1339 -j RETURN".into())
    );
}

#[test]
fn of_all_chains_those_of_others_that_see_what_ours_see_are_told() {
    let told = "table ip nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority -100; policy accept;\n\t\taccept\n\t}\n}\n\
                table ip istio-proxy-nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority -100; policy accept;\n\t\taccept\n\t}\n}\n\
                table inet mine {\n\tset known {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1 }\n\t}\n\tchain plain {\n\t}\n\
                \tchain early {\n\t\ttype filter hook prerouting priority -200; policy accept;\n\t\tdrop\n\t}\n\
                \tchain empty {\n\t\ttype filter hook prerouting priority -200; policy accept;\n\t}\n\
                \tchain closed {\n\t\ttype filter hook output priority 0; policy drop;\n\t}\n\
                \tchain late {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tdrop\n\t}\n}\n";
    let mine = "nft: table inet mine, chain early: type filter hook prerouting priority -200";
    let closed = "nft: table inet mine, chain closed: type filter hook output priority 0";
    assert_eq!(nft::foreign(told, true), [mine, closed]);
    let of_iptables = "nft: table ip nat, chain OUTPUT: type nat hook output priority -100";
    assert_eq!(nft::foreign(told, false), [of_iptables, mine, closed]);
}

#[test]
fn where_no_socket_takes_it_tproxy_drops_under_nft_too() {
    let rules = chains::rules(&settings(&with(&["-m", "TPROXY"])), Family::V4);
    let text = nft::script(&[(Family::V4, rules)]);
    let at = text.find("tproxy to :15006 meta mark set 1337 accept").unwrap();
    assert!(text[at..].lines().nth(1).unwrap().trim().ends_with("drop"), "{text}");
}

#[test]
fn groups_limit_whose_connections_are_turned() {
    let only = lines(&["-i", "*", "--istio-outbound-owner-groups", "java,202"], Family::V4);
    let none = "-A ISTIO_OUTPUT -m owner ! --gid-owner java -m owner ! --gid-owner 202 -j RETURN";
    assert!(only.iter().any(|line| line == none), "{only:?}");
    let but = lines(&["-i", "*", "--istio-outbound-owner-groups-exclude", "java"], Family::V4);
    assert!(but.iter().any(|line| line == "-A ISTIO_OUTPUT -m owner --gid-owner java -j RETURN"), "{but:?}");
}

#[test]
fn more_groups_than_a_rule_has_room_for_are_refused() {
    let list = |count: u32| (1..=count).map(|group| group.to_string()).collect::<Vec<_>>().join(",");
    lines(&["-i", "*", "--istio-outbound-owner-groups", &list(64)], Family::V4);
    let refused = refusal(&["-i", "*", "--istio-outbound-owner-groups", &list(65)]);
    assert!(refused.ends_with("more than 64 do not fit into a rule"), "{refused}");
}

#[test]
fn who_is_to_write_the_rules_may_be_said_in_several_ways_that_do_not_contradict_each_other() {
    let tool = |flags: &[&str]| {
        let words = ["redirect"].into_iter().chain(flags.iter().copied());
        Command::try_parse_from(words).unwrap().args.tool().map_err(|wrong| wrong.to_string())
    };
    let (legacy, nft) = (Tool::Iptables("iptables-legacy"), Tool::Iptables("iptables-nft"));
    for (flags, expected) in [
        (&[][..], Tool::Any),
        (&["--force-legacy-iptables"], legacy),
        (&["--force-legacy-iptables=true", "--force-iptables-binary=legacy"], legacy),
        (&["--force-legacy-iptables=false"], Tool::Any),
        (&["--force-legacy-iptables=false", "--native-nftables"], Tool::Nft),
        (&["--force-iptables-binary", "legacy"], legacy),
        (&["--force-iptables-binary", "nft"], nft),
        (&["--native-nftables"], Tool::Nft),
    ] {
        assert_eq!(tool(flags), Ok(expected), "{flags:?}");
    }
    for (flags, refused) in [
        (&["--force-legacy-iptables", "--native-nftables"][..], "with --native-nftables it must be false"),
        (
            &["--force-legacy-iptables", "--force-iptables-binary=nft"],
            "with --force-legacy-iptables it must be legacy",
        ),
        (&["--force-iptables-binary=ipchains"], "it must be legacy or nft"),
    ] {
        assert!(tool(flags).unwrap_err().ends_with(refused), "{flags:?}: {:?}", tool(flags));
    }
}

#[test]
fn what_of_the_loopback_is_the_apps_own_may_be_more_than_one_address() {
    for mode in ["REDIRECT", "TPROXY"] {
        let of = |more: &[&str], family| lines(&with(&[&["-m", mode], more].concat()), family);
        let wider = ["--istio-outbound-ipv4-loopback-cidr", "127.0.0.1/8"];
        let expected = of(&[], Family::V4).join("\n").replace("127.0.0.1/32", "127.0.0.0/8");
        assert_eq!(of(&wider, Family::V4).join("\n"), expected);
        assert_eq!(of(&wider, Family::V6), of(&[], Family::V6));
    }
    for wrong in ["10.0.0.0/8", "127.0.0.1/7", "::1/128", "127.0.0.1,127.0.0.2", "127.0.0.1/33"] {
        let refused = refusal(&["--istio-outbound-ipv4-loopback-cidr", wrong]);
        assert!(refused.starts_with("--istio-outbound-ipv4-loopback-cidr"), "{refused}");
    }
}

#[test]
fn the_mark_of_a_wider_loopback_is_known_again_by_whoever_has_another() {
    let flags = with(&["-m", "TPROXY", "--istio-outbound-ipv4-loopback-cidr", "127.0.0.0/8"]);
    let written = script(&chains::rules(&settings(&flags), Family::V4), Family::V4, &Saved::default());
    let foreign = "-A OUTPUT ! -d 10.0.0.0/8 -p tcp -o lo -m owner --uid-owner 1337 -j MARK --set-mark 1338";
    let saved = Saved::read(&format!("{written}*mangle\n{foreign}\nCOMMIT\n"));
    let away = removal(&chains::rules(&settings(&INJECTED), Family::V4), Family::V4, &saved);
    assert_eq!(away.matches("-D OUTPUT ! -d 127.0.0.0/8").count(), 2, "{away}");
    assert!(!away.contains("10.0.0.0/8"), "{away}");
}

#[test]
fn what_makes_no_difference_here_is_taken_and_what_might_be_missed_is_said() {
    let remarks = |flags: &[&str]| {
        let words = ["redirect"].into_iter().chain(flags.iter().copied());
        let args = Command::try_parse_from(words).unwrap().args;
        let settings = args.settings().unwrap();
        args.remarks(&settings)
    };
    let silent = [
        &["--dual-stack", "--reconcile", "--force-apply", "-f", "--host-nsenter-exec"][..],
        &["--log_output_level=default:info", "--log_as_json", "--log_target=stderr", "--log_caller", "all"],
        &["--log_stacktrace_level", "none", "--vklog", "9", "--iptables-trace-logging=false"],
        &["--log_rotate_max_age", "1", "--log_rotate_max_size=2", "--log_rotate_max_backups", "3"],
        &["--dual-stack=true", "--reconcile=true", "--force-apply=false", "--restore-format=true"],
    ];
    for flags in silent {
        assert_eq!(remarks(flags), Vec::<String>::new());
    }
    for (flag, words) in [
        ("--dual-stack=false", "rules of IPv6 are written all the same"),
        ("--reconcile=false", "are replaced all the same"),
        ("--restore-format=false", "what iptables-restore reads"),
        ("--iptables-trace-logging", "no rule writes a log"),
        ("--log_target=/tmp/log", "in no file"),
        ("--log_rotate=/tmp/log", "in no file"),
    ] {
        let remarks = remarks(&[flag]);
        assert!(remarks.len() == 1 && remarks[0].contains(words), "{flag}: {remarks:?}");
    }
}

#[test]
fn what_comes_from_a_virtual_machine_is_outbound() {
    let lines = lines(&with(&["-k", "tap0"]), Family::V4);
    assert_eq!(lines[1..3], ["-A PREROUTING -i tap0 -j ISTIO_REDIRECT", "-A PREROUTING -i tap0 -j RETURN"]);
}

#[test]
fn a_value_that_does_not_do_is_told_with_its_flag() {
    assert_eq!(refusal(&["-p", "http"]), "--envoy-port \"http\": \"http\" is no port");
    assert_eq!(
        refusal(&["-m", "NAT"]),
        "--istio-inbound-interception-mode \"NAT\": it must be REDIRECT or TPROXY"
    );
    assert!(refusal(&["-i", "10.0.0.0/99"]).contains("is no network such as 10.0.0.0/8"));
    assert!(refusal(&["-c", "eth0 -j ACCEPT"]).contains("is no name"));
    assert!(refusal(&["-u", "1;drop"]).contains("is no name"));
}
