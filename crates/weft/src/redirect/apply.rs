//! Rules put in force, as a whole or not at all; and taken away.

use super::iptables::{self, Saved};
use super::programs::{Failed, ask};
use super::rules::Family;
use super::settings::Settings;
use super::undo::Undo;
use super::{chains, nft, routes};
use anyhow::{Context, bail};
use std::collections::BTreeSet;

/// What writes the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackEnd {
    /// One of the programs called iptables, and its twin for IPv6.
    Iptables {
        name: String,
    },
    Nft,
}

/// Who is asked for to write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// An iptables that works here, else nft.
    Any,
    /// The one of this name.
    Iptables(&'static str),
    Nft,
}

/// The programs called iptables, in the order in which they are looked for.
const NAMES: [&str; 3] = ["iptables", "iptables-nft", "iptables-legacy"];
/// Number of the capability.
const NET_ADMIN: u32 = 12;

/// Whether this process may change a network's rules at all.
pub(crate) fn check_capability() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    // Where nothing tells, the kernel will.
    if bits.is_some_and(|bits| bits & (1 << NET_ADMIN) == 0) {
        bail!(
            "the capability NET_ADMIN is missing, without which no rule can be set; run as root, or give the container `securityContext.capabilities.add: [NET_ADMIN, NET_RAW]`"
        );
    }
    Ok(())
}

/// Puts the rules of `settings` in force, in place of what of ours is there. On failure all is as it was.
pub(crate) fn apply(settings: &Settings, tool: Tool) -> anyhow::Result<Undo> {
    let back_end = choose(tool)?;
    let families = families(&back_end)?;
    // All that is there is known before any of it is changed.
    let mut undo = Undo::before(back_end, families, settings).map_err(hint)?;
    if let Err(error) = write(settings, &undo) {
        let error = hint(error);
        return Err(match undo.undo() {
            Ok(()) => error.context("the rules cannot be set, and nothing was changed"),
            Err(undone) => error.context(format!(
                "the rules cannot be set, and what was there could not be put back ({undone}): see iptables-save and nft list ruleset for what is in force"
            )),
        });
    }
    undo.others(clean_others(undo.back_end(), settings));
    Ok(undo)
}

/// Writes the rules, in place of those of ours that were there before.
fn write(settings: &Settings, undo: &Undo) -> Result<(), Failed> {
    let families = undo.families();
    let of = |family: &Family| (*family, chains::rules(settings, *family));
    let rules: Vec<_> = families.iter().map(of).collect();
    match undo.back_end() {
        BackEnd::Iptables { name } => {
            for (family, rules) in &rules {
                let before = read(undo.told(*family), *family, settings);
                let script = iptables::script(rules, *family, &before);
                ask(&tool(name, *family, "-restore"), &["--noflush", "--wait=10"], &script)?;
            }
        }
        BackEnd::Nft => {
            ask("nft", &["-f", "-"], &nft::script(&rules))?;
        }
    }
    routes::apply(settings, families, undo.ways())
}

/// Takes away all that is ours, whoever wrote it.
pub(crate) fn cleanup(settings: &Settings) -> anyhow::Result<()> {
    let mut found = false;
    let mut failed = None;
    let mut marks: BTreeSet<u32> = nft::marks(&own_tables()).collect();
    for name in NAMES {
        for family in Family::BOTH {
            match clean(name, family, settings) {
                Ok(had) => {
                    found = true;
                    marks.extend(had.iter().flat_map(|had| Saved::read(had).marks().collect::<Vec<_>>()));
                }
                Err(Failed::Absent(_)) => {}
                // A kernel without this kind of tables has no rules in them.
                Err(error) => failed = Some(error),
            }
        }
    }
    match ask("nft", &["-f", "-"], &nft::cleanup(&Family::BOTH)) {
        Ok(_) => found = true,
        Err(Failed::Absent(_)) => {}
        Err(error) => failed = Some(error),
    }
    routes::remove(settings, &routes::ways(settings, &marks));
    match failed {
        _ if found => Ok(()),
        Some(error) => Err(hint(error)),
        None => bail!("neither iptables nor nft is installed: no rules of theirs can be here"),
    }
}

/// Whether nft would be used, be it for want of iptables.
pub(crate) fn is_nft(tool: Tool) -> bool {
    matches!(choose(tool), Ok(BackEnd::Nft))
}

/// Our tables that nft has, as it tells and reads them.
pub(super) fn own_tables() -> String {
    let all = ask("nft", &["list", "tables"], "").unwrap_or_default();
    let told = |name: String| {
        let mut words = vec!["list", "table"];
        words.extend(name.split(' '));
        ask("nft", &words, "").ok()
    };
    let names = nft::table_names(&Family::BOTH).into_iter();
    names.filter(|name| all.lines().any(|line| line.ends_with(name.as_str()))).filter_map(told).collect()
}

/// The families of which rules that somebody else wrote are to be there. Istio's plugin writes those of IPv6 where that is
/// what its pod is known by, and then has the address there to call the app from.
pub(crate) fn families_in_force() -> Vec<Family> {
    let reached = by_six();
    if reached.has_inside || (reached.reach == Reach::World && !has_four()) {
        return Family::BOTH.to_vec();
    }
    if reached.reach == Reach::World {
        crate::say::say!(
            "weft redirect: this machine has an address of IPv6, and the rules that are there leave IPv6 alone: connections by \
             it go around the proxy"
        );
    }
    vec![Family::V4]
}

/// How far somebody comes by this machine's addresses of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Nowhere,
    Itself,
    /// To whoever is on the same wire.
    Link,
    World,
}

/// What this machine has of IPv6.
struct BySix {
    reach: Reach,
    /// The address to call the app from is there.
    has_inside: bool,
}

/// Read from the kernel's list: `fe80...01 02 40 20 80 eth0`, with the scope in the fourth place.
fn by_six() -> BySix {
    let told = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let inside = format!("{:032x} ", 6);
    let reach = told.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (scope, name) = (words.nth(3)?, words.nth(1)?);
        Some(match (name, scope) {
            ("lo", _) => Reach::Itself,
            (_, "20") => Reach::Link,
            _ => Reach::World,
        })
    });
    BySix {
        reach: reach.max().unwrap_or(Reach::Nowhere),
        has_inside: told.lines().any(|line| line.starts_with(&inside)),
    }
}

/// Whether this machine has an address of IPv4 that others know.
fn has_four() -> bool {
    let addresses = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(|of| of.address);
    addresses.filter_map(|address| Some(address.as_sockaddr_in()?.ip())).any(|ip| !ip.is_loopback())
}

/// The families whose rules are written: IPv6 where this machine has it.
fn families(back_end: &BackEnd) -> anyhow::Result<Vec<Family>> {
    const FOUR: [Family; 1] = [Family::V4];
    let reach = by_six().reach;
    if reach == Reach::Nowhere {
        return Ok(FOUR.to_vec());
    }
    let can_be_turned = match back_end {
        BackEnd::Iptables { name } => save(name, Family::V6),
        BackEnd::Nft => ask("nft", &["-c", "-f", "-"], &nft::trial(Family::V6)),
    };
    let Err(error) = can_be_turned else { return Ok(Family::BOTH.to_vec()) };
    match reach {
        // Nobody comes or goes by IPv6 where there is only ::1.
        Reach::Nowhere | Reach::Itself => Ok(FOUR.to_vec()),
        Reach::Link => {
            crate::say::say!(
                "weft redirect: of IPv6 there are addresses of the own link alone (fe80::), by which nothing can be turned here \
                 ({error}): connections by them go around the proxy"
            );
            Ok(FOUR.to_vec())
        }
        Reach::World => Err(hint(error)).context(
            "this machine has IPv6 addresses, and without rules for them connections would go around the proxy",
        ),
    }
}

/// The iptables that works here, of several the one that holds rules already; nft where there is none.
fn choose(tool: Tool) -> anyhow::Result<BackEnd> {
    let names = match tool {
        Tool::Nft => return Ok(BackEnd::Nft),
        Tool::Iptables(name) => vec![name],
        Tool::Any => NAMES.to_vec(),
    };
    let mut working = Vec::new();
    let mut failed = None;
    for name in names {
        // To ask is to make tables that were not there.
        if !working.is_empty() && is_legacy(name) && !has_legacy_tables(Family::V4) {
            continue;
        }
        match save(name, Family::V4) {
            Ok(text) => working.push((name, Saved::read(&text).has_rules())),
            Err(Failed::Absent(_)) => {}
            Err(error) => failed = Some(error),
        }
    }
    let chosen = working.iter().find(|(_, has_rules)| *has_rules).or_else(|| working.first());
    match (chosen, tool, failed) {
        (Some((name, _)), ..) => Ok(BackEnd::Iptables { name: (*name).to_owned() }),
        (None, Tool::Iptables(name), failed) => {
            let why = failed.map_or_else(|| anyhow::anyhow!("it is not installed"), hint);
            Err(why.context(format!(
                "{name}, which is asked for, does not work here; where none is asked for, the one that works is taken"
            )))
        }
        (None, _, failed) => match ask("nft", &["list", "tables"], "") {
            Ok(_) => Ok(BackEnd::Nft),
            Err(Failed::Absent(_)) => match failed {
                Some(error) => Err(hint(error)),
                None => bail!(
                    "neither iptables nor nft is installed: install one of them (Debian: `apt-get install iptables`)"
                ),
            },
            Err(error) => Err(hint(error)),
        },
    }
}

/// What `iptables-save` tells of a family.
pub(super) fn save(name: &str, family: Family) -> Result<String, Failed> {
    // Asking the table itself tells whether the kernel has it; saving tells nothing where it has none.
    ask(&tool(name, family, ""), &["--wait=10", "-t", "nat", "-S", "OUTPUT"], "")?;
    ask(&tool(name, family, "-save"), &[], "")
}

/// What `iptables-save` told, and what of that is ours.
pub(super) fn read(text: &str, family: Family, settings: &Settings) -> Saved {
    Saved::read(text).knowing(&chains::known(settings, family), family)
}

/// Takes away what is ours; gives what was there, if something of ours was.
pub(super) fn clean(name: &str, family: Family, settings: &Settings) -> Result<Option<String>, Failed> {
    if is_legacy(name) && !has_legacy_tables(family) {
        return Ok(None);
    }
    let text = save(name, family)?;
    let saved = read(&text, family, settings);
    if !saved.has_own() {
        return Ok(None);
    }
    let script = iptables::removal(&chains::rules(settings, family), family, &saved);
    ask(&tool(name, family, "-restore"), &["--noflush", "--wait=10"], &script)?;
    Ok(Some(text))
}

/// What another back end wrote at another time would turn connections a second time. Gives what there was of it in tables
/// of iptables.
fn clean_others(chosen: &BackEnd, settings: &Settings) -> Vec<(String, Family, String)> {
    let mut cleaned = Vec::new();
    for name in NAMES {
        let same = |chosen: &str| name == chosen || is_same_kind(name, chosen);
        if matches!(chosen, BackEnd::Iptables { name: chosen } if same(chosen)) {
            continue;
        }
        for family in Family::BOTH {
            let text = clean(name, family, settings).ok().flatten();
            cleaned.extend(text.map(|text| (name.to_owned(), family, text)));
        }
    }
    if *chosen != BackEnd::Nft {
        let _ = ask("nft", &["-f", "-"], &nft::cleanup(&Family::BOTH));
    }
    cleaned
}

fn is_legacy(name: &str) -> bool {
    name.ends_with("-legacy")
}

/// Whether the kernel has any table of the older kind in this namespace.
fn has_legacy_tables(family: Family) -> bool {
    let names = match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    };
    std::fs::read_to_string(names).is_ok_and(|names| !names.trim().is_empty())
}

/// Whether two names stand for the same tables of the kernel.
fn is_same_kind(one: &str, other: &str) -> bool {
    let kind = |name: &str| ask(name, &["--version"], "").map(|text| text.contains("nf_tables")).ok();
    matches!((kind(one), kind(other)), (Some(one), Some(other)) if one == other)
}

/// `iptables-legacy`, `-save` → `ip6tables-legacy-save`.
pub(super) fn tool(name: &str, family: Family, kind: &str) -> String {
    let name = match family {
        Family::V4 => name.to_owned(),
        Family::V6 => name.replacen("iptables", "ip6tables", 1),
    };
    format!("{name}{kind}")
}

/// What a tool's words usually mean.
fn hint(error: Failed) -> anyhow::Error {
    let text = error.to_string();
    let hint = if matches!(&error, Failed::Absent(program) if program == "ip") {
        "install iproute2"
    } else if text.contains("ermission denied") || text.contains("not permitted") {
        "the capabilities NET_ADMIN and NET_RAW are needed"
    } else if text.contains("does not exist")
        || text.contains("No chain/target/match")
        || text.contains("not supported")
    {
        "this kernel lacks a module that the rules need: see that xt_REDIRECT, xt_owner, xt_conntrack, xt_TPROXY (or nft_redir, nft_tproxy) can be loaded"
    } else if text.contains("incompatible") {
        "tables of nft's own stand where iptables' would be: use --native-nftables"
    } else {
        return error.into();
    };
    anyhow::anyhow!("{text}; {hint}")
}
