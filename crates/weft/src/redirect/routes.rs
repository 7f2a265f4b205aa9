//! What interception needs besides rules: an address to call the app from, and for TPROXY a way to ourselves.

use super::programs::{Failed, ask};
use super::rules::Family;
use super::settings::{Mode, Settings};

/// The arguments of `ip`, in order; each may be given again without harm.
pub(crate) fn commands(settings: &Settings, families: &[Family]) -> Vec<Vec<String>> {
    let words = |text: String| text.split_ascii_whitespace().map(str::to_owned).collect();
    let mut commands = Vec::new();
    for family in families {
        let version = version(*family);
        if *family == Family::V6 {
            // All of 127/8 is the machine's own; of IPv6 only ::1 is.
            commands.push(words(format!("{version} addr replace ::6/128 dev lo")));
        }
        if settings.mode == Mode::Tproxy {
            let table = settings.route_table;
            commands.push(words(format!("{version} rule add fwmark {} lookup {table}", settings.mark)));
            commands.push(words(format!("{version} route replace local default dev lo table {table}")));
        }
    }
    commands
}

/// Puts them in force. A rule that is there would be there twice, and one that was for another mode is for nothing.
pub(crate) fn apply(settings: &Settings, families: &[Family]) -> Result<(), Failed> {
    remove_ways(settings);
    for command in commands(settings, families) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        ask("ip", &words, "")?;
    }
    Ok(())
}

/// Takes them away, as far as they are there.
pub(crate) fn remove(settings: &Settings) {
    remove_ways(settings);
    let _ = ask("ip", &["-6", "addr", "del", "::6/128", "dev", "lo"], "");
}

/// The families that have TPROXY's way to ourselves.
pub(crate) fn ways(settings: &Settings) -> Vec<Family> {
    let (mark, table) = (settings.mark.to_string(), settings.route_table.to_string());
    let has = |family: &Family| {
        let told = ask("ip", &[version(*family), "rule", "list", "fwmark", &mark, "table", &table], "");
        told.is_ok_and(|told| !told.trim().is_empty())
    };
    Family::BOTH.into_iter().filter(has).collect()
}

fn remove_ways(settings: &Settings) {
    for family in Family::BOTH {
        let version = version(family);
        let (mark, table) = (settings.mark.to_string(), settings.route_table.to_string());
        remove_rule(version, &["fwmark", &mark, "lookup", &table]);
        let _ = ask("ip", &[version, "route", "del", "local", "default", "dev", "lo", "table", &table], "");
    }
}

fn remove_rule(version: &str, rule: &[&str]) {
    // As often as it was added; somebody who adds for ever is not waited for.
    for _ in 0..16 {
        if ask("ip", &[&[version, "rule", "del"], rule].concat(), "").is_err() {
            return;
        }
    }
}

const fn version(family: Family) -> &'static str {
    match family {
        Family::V4 => "-4",
        Family::V6 => "-6",
    }
}
