//! Rules as `iptables-restore` reads them, and what of `iptables-save`'s answer is ours. Pure.

use super::markers;
use super::rules::{Chain, Family, Owner, Rule, Table, Then, When, by_table, is_own_chain};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What is there already, as `iptables-save` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    tables: Vec<(String, SavedTable)>,
    /// Rules of the kernel's own chains that are ours, wherever they are found.
    known: Vec<(Table, BTreeSet<String>)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SavedTable {
    chains: Vec<String>,
    /// `-A CHAIN ...`, as written.
    rules: Vec<String>,
}

/// The script that puts `rules` in force, each table in one step, instead of whatever of ours `saved` holds. Rules of
/// others stay where they are.
pub(crate) fn script(rules: &[Rule], family: Family, saved: &Saved) -> String {
    let mut text = String::new();
    let wanted = by_table(rules);
    for table in Table::ALL {
        let of_table = wanted.iter().find(|(wanted, _)| *wanted == table);
        let chains: Vec<Chain> = of_table.map(|(_, chains)| chains.clone()).unwrap_or_default();
        let (old_chains, old_rules) = saved.own(table, rules, family);
        let markers = markers::of(rules, table);
        if chains.is_empty() && old_chains.is_empty() && old_rules.is_empty() {
            continue;
        }
        let _ = writeln!(text, "*{}", table.name());
        let mut own: BTreeSet<&str> = chains.iter().filter(|c| !c.is_shared()).map(|c| c.name()).collect();
        own.extend(markers.iter().map(String::as_str));
        let old: BTreeSet<&str> = old_chains.iter().map(String::as_str).collect();
        // Declaring a chain makes it, or empties it.
        for chain in own.union(&old) {
            let _ = writeln!(text, ":{chain} - [0:0]");
        }
        for rule in old_rules {
            let _ = writeln!(text, "{}", rule.replacen("-A", "-D", 1));
        }
        for chain in old.difference(&own) {
            let _ = writeln!(text, "-X {chain}");
        }
        for rule in rules.iter().filter(|rule| rule.table == table) {
            let _ = writeln!(text, "{}", line(rule, family));
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// The script that takes away whatever of ours `saved` holds; `rules` tell which of the shared chains' rules are.
pub(crate) fn removal(rules: &[Rule], family: Family, saved: &Saved) -> String {
    let mut text = String::new();
    for table in Table::ALL {
        let (chains, old_rules) = saved.own(table, rules, family);
        if chains.is_empty() && old_rules.is_empty() {
            continue;
        }
        let _ = writeln!(text, "*{}", table.name());
        chains.iter().for_each(|chain| text.push_str(&format!(":{chain} - [0:0]\n")));
        old_rules.iter().for_each(|rule| text.push_str(&format!("{}\n", rule.replacen("-A", "-D", 1))));
        chains.iter().for_each(|chain| text.push_str(&format!("-X {chain}\n")));
        text.push_str("COMMIT\n");
    }
    text
}

/// One rule: `-A CHAIN ...`.
pub(crate) fn line(rule: &Rule, family: Family) -> String {
    let mut line = format!("-A {}", rule.chain.name());
    for when in &rule.when {
        line.push(' ');
        line.push_str(&condition(when));
    }
    line.push_str(" -j ");
    line.push_str(&verdict(rule.then));
    debug_assert!(rule.when.iter().all(|when| is_of(when, family)), "{line} is of the other family");
    line
}

fn is_of(when: &When, family: Family) -> bool {
    match when {
        When::Source(net) | When::Destination(net) | When::NotDestination(net) => family.has(net),
        _ => true,
    }
}

fn condition(when: &When) -> String {
    match when {
        When::In(name) => format!("-i {name}"),
        When::Out(name) => format!("-o {name}"),
        When::Tcp => "-p tcp".to_owned(),
        When::Udp => "-p udp".to_owned(),
        When::Source(network) => format!("-s {network}"),
        When::Destination(network) => format!("-d {network}"),
        When::NotDestination(network) => format!("! -d {network}"),
        When::Port(port) => format!("--dport {port}"),
        When::NotPorts(ports) => match ports.as_slice() {
            [port] => format!("! --dport {port}"),
            ports => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                format!("-m multiport ! --dports {}", ports.join(","))
            }
        },
        When::SourcePort(port) => format!("--sport {port}"),
        When::Owner(owner) => format!("-m owner {}", owned(owner)),
        When::NotOwner(owner) => format!("-m owner ! {}", owned(owner)),
        When::Mark(mark) => format!("-m mark --mark {mark}"),
        When::NotMark(mark) => format!("-m mark ! --mark {mark}"),
        When::ConnectionMark(mark) => format!("-m connmark --mark {mark}"),
        When::Established => "-m conntrack --ctstate RELATED,ESTABLISHED".to_owned(),
        When::Invalid => "-m conntrack --ctstate INVALID".to_owned(),
    }
}

fn owned(owner: &Owner) -> String {
    match owner {
        Owner::User(user) => format!("--uid-owner {user}"),
        Owner::Group(group) => format!("--gid-owner {group}"),
    }
}

fn verdict(then: Then) -> String {
    match then {
        Then::Return => "RETURN".to_owned(),
        Then::Accept => "ACCEPT".to_owned(),
        Then::Drop => "DROP".to_owned(),
        Then::Jump(chain) => chain.name().to_owned(),
        Then::Redirect(port) => format!("REDIRECT --to-ports {port}"),
        Then::Tproxy { port, mark } => format!("TPROXY --tproxy-mark {mark}/0xffffffff --on-port {port}"),
        Then::SetMark(mark) => format!("MARK --set-mark {mark}"),
        Then::SaveMark => "CONNMARK --save-mark".to_owned(),
        Then::RestoreMark => "CONNMARK --restore-mark".to_owned(),
        Then::Zone(zone) => format!("CT --zone {zone}"),
    }
}

impl SavedTable {
    /// Whether a chain of ours tells of this rule.
    fn tells_of(&self, rule: &str) -> bool {
        let found = words(rule);
        let told = self.chains.iter().flat_map(|chain| markers::told(chain, rule));
        told.map(|rule| words(&rule)).any(|told| told == found)
    }
}

impl Saved {
    /// Reads `iptables-save`'s answer.
    pub(crate) fn read(text: &str) -> Self {
        let mut saved = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('*') {
                saved.tables.push((name.to_owned(), SavedTable::default()));
                continue;
            }
            let Some((_, table)) = saved.tables.last_mut() else { continue };
            if let Some(chain) = line.strip_prefix(':') {
                table.chains.extend(chain.split_ascii_whitespace().next().map(str::to_owned));
            } else if line.starts_with("-A ") {
                table.rules.push(line.to_owned());
            }
        }
        saved
    }

    /// Takes these for ours, too.
    pub(crate) fn knowing(self, rules: &[Rule], family: Family) -> Self {
        let known = rules.iter().map(|rule| (rule.table, words(&line(rule, family))));
        Self { known: known.collect(), ..self }
    }

    /// The chains of ours, and the rules of ours in the kernel's chains: those that lead to a chain of ours, those that
    /// `rules` would write again, and those that are known.
    fn own(&self, table: Table, rules: &[Rule], family: Family) -> (Vec<String>, Vec<&str>) {
        let of_table = self.tables.iter().filter(|(name, _)| name == table.name()).map(|(_, table)| table);
        let shared = rules.iter().filter(|rule| rule.table == table && rule.chain.is_shared());
        let mut again: Vec<BTreeSet<String>> = shared.map(|rule| words(&line(rule, family))).collect();
        again.extend(self.known.iter().filter(|(of, _)| *of == table).map(|(_, words)| words.clone()));
        let mut chains = Vec::new();
        let mut own = Vec::new();
        for table in of_table {
            chains.extend(table.chains.iter().filter(|chain| is_own_chain(chain)).cloned());
            own.extend(table.rules.iter().map(String::as_str).filter(|rule| {
                !chain_of(rule).is_some_and(is_own_chain)
                    && (target_of(rule).is_some_and(is_own_chain)
                        || again.contains(&words(rule))
                        || table.tells_of(rule))
            }));
        }
        (chains, own)
    }

    /// Whether any table holds a chain of ours, or a rule that is known.
    pub(crate) fn has_own(&self) -> bool {
        self.tables.iter().any(|(name, table)| {
            table.chains.iter().any(|chain| is_own_chain(chain))
                || table.rules.iter().any(|rule| self.knows(name, rule))
        })
    }

    /// Whether a rule of that table is known for ours.
    fn knows(&self, table: &str, rule: &str) -> bool {
        let words = words(rule);
        let mut told = self.tables.iter().filter(|(name, _)| name == table);
        self.known.iter().any(|(of, known)| of.name() == table && *known == words)
            || told.any(|(_, table)| table.tells_of(rule))
    }

    /// The marks of TPROXY that were written here, whoever's flags they are of.
    pub(crate) fn marks(&self) -> impl Iterator<Item = u32> + '_ {
        let chains = self.tables.iter().flat_map(|(_, table)| &table.chains);
        chains.filter_map(|chain| markers::mark_of(chain))
    }

    /// Whether anybody has a rule here.
    pub(crate) fn has_rules(&self) -> bool {
        self.tables.iter().any(|(_, table)| !table.rules.is_empty())
    }

    /// Rules of others that see a packet before ours do, or decide about it after us.
    pub(crate) fn foreign(&self) -> Vec<String> {
        let mut foreign = Vec::new();
        for (name, table) in &self.tables {
            let others = table.rules.iter().filter(|rule| {
                !chain_of(rule).is_some_and(is_own_chain)
                    && !target_of(rule).is_some_and(is_own_chain)
                    && !self.knows(name, rule)
            });
            foreign.extend(others.map(|rule| format!("{name}: {rule}")));
        }
        foreign
    }
}

fn chain_of(rule: &str) -> Option<&str> {
    rule.strip_prefix("-A ")?.split_ascii_whitespace().next()
}

fn target_of(rule: &str) -> Option<&str> {
    let mut words = rule.split_ascii_whitespace();
    words.by_ref().find(|word| matches!(*word, "-j" | "-g"))?;
    words.next()
}

/// A rule without regard to the order of its parts, and to the two spellings of marks.
fn words(rule: &str) -> BTreeSet<String> {
    let mark = |word: &str| -> String {
        let word = word.strip_suffix("/0xffffffff").unwrap_or(word);
        match word.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16)) {
            Some(Ok(number)) => number.to_string(),
            _ => word.replace("--set-xmark", "--set-mark"),
        }
    };
    let mut words: BTreeSet<String> = rule.split_ascii_whitespace().map(mark).collect();
    // Written out by iptables-save where they say nothing.
    for default in ["--nfmask", "--ctmask", &u32::MAX.to_string()] {
        words.remove(default);
    }
    // A transport that is asked for brings its own match.
    for word in ["-m", "tcp", "udp"] {
        words.remove(word);
    }
    words
}
