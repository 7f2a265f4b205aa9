//! Rules as `nft -f` reads them: two families of tables of our own, replaced as a whole in one step. Pure.

use super::markers;
use super::rules::{Chain, Family, Owner, Rule, Table, Then, When, by_table};
use std::fmt::Write as _;

/// The name of our table for one of iptables' tables.
fn table_name(table: Table) -> String {
    format!("istio-proxy-{}", table.name())
}

/// The families' names.
const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// The families and names of all tables of ours.
pub(crate) fn table_names(families: &[Family]) -> Vec<String> {
    let of = |family: &Family| {
        let family = family_name(*family);
        Table::ALL.map(|table| format!("{family} {}", table_name(table)))
    };
    families.iter().flat_map(of).collect()
}

/// The marks of TPROXY that tables of ours tell of, as nft told them.
pub(crate) fn marks(tables: &str) -> impl Iterator<Item = u32> + '_ {
    let names = tables.lines().filter_map(|line| line.trim().strip_prefix("chain ")?.strip_suffix(" {"));
    names.filter_map(markers::mark_of)
}

/// What takes all tables of ours away, whether they are there or not.
pub(crate) fn cleanup(families: &[Family]) -> String {
    let away = |name: String| format!("add table {name}\ndelete table {name}\n");
    table_names(families).into_iter().map(away).collect()
}

/// What asks the kernel whether connections of a family can be turned at all.
pub(crate) fn trial(family: Family) -> String {
    let hook = hook(Table::Nat, Chain::Output).unwrap_or_default();
    let family = family_name(family);
    format!(
        "table {family} istio-proxy-trial {{\n\tchain OUTPUT {{\n\t\t{hook}\n\t\tmeta l4proto tcp redirect to :1\n\t}}\n}}\n"
    )
}

/// Chains of others at which the kernel comes by where it does at ours, of all as nft told them, but for those that hold nothing.
/// Those of iptables' tables are no news where iptables was asked.
pub(crate) fn foreign(told: &str, iptables_was_asked: bool) -> Vec<String> {
    let ours = table_names(&Family::BOTH);
    let is_iptables = |table: &str| {
        table.split_once(' ').is_some_and(|(family, name)| {
            matches!(family, "ip" | "ip6") && matches!(name, "nat" | "mangle" | "raw" | "filter" | "security")
        })
    };
    let named = |line: &str, what: &str| {
        line.strip_prefix(what).and_then(|rest| rest.strip_suffix(" {")).map(str::to_owned)
    };
    let (mut table, mut chain, mut foreign) = (String::new(), None, Vec::new());
    let (mut hook, mut acts) = (None, false);
    for line in told.lines().map(str::trim) {
        if let Some(name) = named(line, "table ") {
            table = name;
        } else if let Some(name) = named(line, "chain ") {
            (chain, hook, acts) = (Some(name), None, false);
        } else if line == "}" {
            let is_foreign = acts && !ours.contains(&table) && !(iptables_was_asked && is_iptables(&table));
            if let (Some(chain), Some(hook)) = (chain.take(), hook.take().filter(|_| is_foreign)) {
                foreign.push(format!("nft: table {table}, chain {chain}: {hook}"));
            }
        } else if line.contains("hook output") || line.contains("hook prerouting") {
            hook = line.split(';').next().map(str::to_owned);
            acts = line.contains("policy drop");
        } else {
            acts = true;
        }
    }
    foreign
}

/// The script that puts the rules of each family in force.
pub(crate) fn script(families: &[(Family, Vec<Rule>)]) -> String {
    let mut text = cleanup(&families.iter().map(|(family, _)| *family).collect::<Vec<_>>());
    for (family, rules) in families {
        for (table, chains) in by_table(rules) {
            let _ = writeln!(text, "table {} {} {{", family_name(*family), table_name(table));
            // Our tables go as a whole; TPROXY's way is no part of them, and is found by its mark.
            for marker in markers::of(rules, table).iter().filter(|name| markers::mark_of(name).is_some()) {
                let _ = writeln!(text, "\tchain {marker} {{\n\t}}");
            }
            // A chain has to be known before a rule leads to it.
            for chain in chains.iter().filter(|chain| !chain.is_shared()) {
                let _ = writeln!(text, "\tchain {} {{\n\t}}", chain.name());
            }
            for chain in chains {
                let _ = writeln!(text, "\tchain {} {{", chain.name());
                if let Some(hook) = hook(table, chain) {
                    let _ = writeln!(text, "\t\t{hook}");
                }
                let of_chain = rules.iter().filter(|rule| rule.table == table && rule.chain == chain);
                for line in of_chain.flat_map(|rule| lines(rule, *family)) {
                    let _ = writeln!(text, "\t\t{line}");
                }
                text.push_str("\t}\n");
            }
            text.push_str("}\n");
        }
    }
    text
}

/// Where the kernel comes by, at the priorities of iptables' tables.
fn hook(table: Table, chain: Chain) -> Option<&'static str> {
    Some(match (table, chain) {
        (Table::Nat, Chain::Prerouting) => "type nat hook prerouting priority -100; policy accept;",
        (Table::Nat, Chain::Output) => "type nat hook output priority -100; policy accept;",
        (Table::Mangle, Chain::Prerouting) => "type filter hook prerouting priority -150; policy accept;",
        // Of this type a changed mark finds a new route.
        (Table::Mangle, Chain::Output) => "type route hook output priority -150; policy accept;",
        (Table::Raw, Chain::Prerouting) => "type filter hook prerouting priority -300; policy accept;",
        (Table::Raw, Chain::Output) => "type filter hook output priority -300; policy accept;",
        _ => return None,
    })
}

/// One rule, which may take two.
pub(crate) fn lines(rule: &Rule, family: Family) -> Vec<String> {
    let transport = if rule.when.contains(&When::Udp) { "udp" } else { "tcp" };
    let has_port = |when: &When| matches!(when, When::Port(_) | When::NotPorts(_) | When::SourcePort(_));
    let names_port = rule.when.iter().any(has_port);
    let mut parts = Vec::new();
    for when in &rule.when {
        match when {
            // A port says it too.
            When::Tcp | When::Udp if names_port => {}
            when => parts.push(condition(when, family, transport)),
        }
    }
    let before = parts.join(" ");
    let with = |verdict: String| {
        if before.is_empty() { verdict } else { format!("{before} {verdict}") }
    };
    match rule.then {
        // Where no socket takes it, iptables' target drops; nft's goes on to the next rule.
        Then::Tproxy { port, mark } => {
            vec![with(format!("tproxy to :{port} meta mark set {mark} accept")), with("drop".to_owned())]
        }
        then => vec![with(verdict(then))],
    }
}

fn condition(when: &When, family: Family, transport: &str) -> String {
    let ip = family_name(family);
    match when {
        When::In(name) => format!("iifname \"{}\"", wildcard(name)),
        When::Out(name) => format!("oifname \"{}\"", wildcard(name)),
        When::Tcp => "meta l4proto tcp".to_owned(),
        When::Udp => "meta l4proto udp".to_owned(),
        When::Source(network) => format!("{ip} saddr {network}"),
        When::Destination(network) => format!("{ip} daddr {network}"),
        When::NotDestination(network) => format!("{ip} daddr != {network}"),
        When::Port(port) => format!("{transport} dport {port}"),
        When::NotPorts(ports) => match ports.as_slice() {
            [port] => format!("{transport} dport != {port}"),
            ports => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                format!("{transport} dport != {{ {} }}", ports.join(", "))
            }
        },
        When::SourcePort(port) => format!("{transport} sport {port}"),
        When::Owner(owner) => owned(owner, ""),
        When::NotOwner(owner) => owned(owner, "!= "),
        When::Mark(mark) => format!("meta mark {mark}"),
        When::NotMark(mark) => format!("meta mark != {mark}"),
        When::ConnectionMark(mark) => format!("ct mark {mark}"),
        When::Established => "ct state related,established".to_owned(),
        When::Invalid => "ct state invalid".to_owned(),
    }
}

fn owned(owner: &Owner, not: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Both back ends take numbers from one to another.
    let is_range = |text: &str| text.split_once('-').is_some_and(|(a, b)| is_number(a) && is_number(b));
    let quoted = |name: &str| {
        if is_number(name) || is_range(name) { name.to_owned() } else { format!("\"{name}\"") }
    };
    match owner {
        Owner::User(user) => format!("meta skuid {not}{}", quoted(user)),
        Owner::Group(group) => format!("meta skgid {not}{}", quoted(group)),
    }
}

/// iptables writes `eth+` for what nft calls `eth*`.
fn wildcard(name: &str) -> String {
    name.strip_suffix('+').map_or_else(|| name.to_owned(), |start| format!("{start}*"))
}

fn verdict(then: Then) -> String {
    match then {
        Then::Return => "return".to_owned(),
        Then::Accept => "accept".to_owned(),
        Then::Drop => "drop".to_owned(),
        Then::Jump(chain) => format!("jump {}", chain.name()),
        Then::Redirect(port) => format!("redirect to :{port}"),
        Then::Tproxy { port, mark } => format!("tproxy to :{port} meta mark set {mark} accept"),
        Then::SetMark(mark) => format!("meta mark set {mark}"),
        Then::SaveMark => "ct mark set meta mark".to_owned(),
        Then::RestoreMark => "meta mark set ct mark".to_owned(),
        Then::Zone(zone) => format!("ct zone set {zone}"),
    }
}
