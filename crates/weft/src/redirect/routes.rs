//! What interception needs besides rules: an address to call the app from, and for TPROXY a way to ourselves.

use super::programs::{Failed, ask};
use super::rules::Family;
use super::settings::{Mode, Settings};
use std::collections::BTreeSet;

/// TPROXY's way to ourselves: what has this mark is looked up in that table, in which all is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) family: Family,
    pub(crate) mark: u32,
    /// By number, or by the name that this machine has for it.
    pub(crate) table: String,
}

/// The arguments of `ip`, in order; each may be given again without harm.
pub(crate) fn commands(settings: &Settings, families: &[Family]) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for family in families {
        let version = version(*family);
        if *family == Family::V6 {
            // All of 127/8 is the machine's own; of IPv6 only ::1 is.
            commands.push(words(&format!("{version} addr replace ::6/128 dev lo")));
        }
        if settings.mode == Mode::Tproxy {
            commands.extend(own_way(settings, *family).commands());
        }
    }
    commands
}

/// Puts them in force. A rule that is there would be there twice, and one that was for another mode is for nothing, as are
/// those ways `before` that other settings wrote.
pub(crate) fn apply(settings: &Settings, families: &[Family], before: &[Way]) -> Result<(), Failed> {
    remove_ways(settings, before);
    commands(settings, families).iter().try_for_each(|command| run(command))
}

/// Takes them away, as far as they are there, and the ways `before`.
pub(crate) fn remove(settings: &Settings, before: &[Way]) {
    remove_ways(settings, before);
    let _ = ask("ip", &["-6", "addr", "del", "::6/128", "dev", "lo"], "");
}

/// Puts ways there.
pub(crate) fn put(ways: &[Way]) -> Result<(), Failed> {
    ways.iter().flat_map(Way::commands).try_for_each(|command| run(&command))
}

/// The ways to ourselves that are there: those of `settings`, and those of marks that rules of ours tell of.
pub(crate) fn ways(settings: &Settings, marks: &BTreeSet<u32>) -> Vec<Way> {
    let own = (settings.mark, settings.route_table.to_string());
    let of = |family: Family| {
        let told = ask("ip", &[version(family), "rule", "list"], "").unwrap_or_default();
        read(&told, family)
    };
    let is_ours = |way: &Way| marks.contains(&way.mark) || (way.mark, &way.table) == (own.0, &own.1);
    Family::BOTH.into_iter().flat_map(of).filter(is_ours).collect()
}

/// What `ip rule list` tells of marks alone: `32765: from all fwmark 0x539 lookup 133`.
pub(crate) fn read(told: &str, family: Family) -> Vec<Way> {
    let way = |line: &str| {
        let (_, rule) = line.split_once(':')?;
        let [from, all, fwmark, mark, lookup, table] = words(rule).try_into().ok()?;
        let is_way = [from.as_str(), &all, &fwmark, &lookup] == ["from", "all", "fwmark", "lookup"];
        let mark = match mark.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => mark.parse().ok()?,
        };
        is_way.then_some(Way { family, mark, table })
    };
    let mut ways: Vec<Way> = told.lines().filter_map(way).collect();
    ways.dedup();
    ways
}

impl Way {
    fn commands(&self) -> [Vec<String>; 2] {
        let Self { family, mark, table } = self;
        let version = version(*family);
        [
            words(&format!("{version} rule add fwmark {mark} lookup {table}")),
            words(&format!("{version} route replace local default dev lo table {table}")),
        ]
    }

    fn remove(&self) {
        let (version, mark) = (version(self.family), self.mark.to_string());
        // As often as it was added; somebody who adds for ever is not waited for.
        for _ in 0..16 {
            if ask("ip", &[version, "rule", "del", "fwmark", &mark, "lookup", &self.table], "").is_err() {
                break;
            }
        }
        let route = [version, "route", "del", "local", "default", "dev", "lo", "table", &self.table];
        let _ = ask("ip", &route, "");
    }
}

fn own_way(settings: &Settings, family: Family) -> Way {
    Way { family, mark: settings.mark, table: settings.route_table.to_string() }
}

fn remove_ways(settings: &Settings, before: &[Way]) {
    Family::BOTH.into_iter().for_each(|family| own_way(settings, family).remove());
    before.iter().for_each(Way::remove);
}

fn run(command: &[String]) -> Result<(), Failed> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    ask("ip", &words, "").map(|_| ())
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

const fn version(family: Family) -> &'static str {
    match family {
        Family::V4 => "-4",
        Family::V6 => "-6",
    }
}
