//! Chains that hold nothing: their names tell which rules of the kernel's own chains are ours, which name nobody whose they
//! are. By them, what was written by others' flags is found again. Pure.
//!
//! | name | what it tells |
//! |---|---|
//! | `ISTIO_LEFT_eth1` | that interface is left alone |
//! | `ISTIO_DROP_INVALID` | packets of no connection are dropped |
//! | `ISTIO_MARK_1337` | TPROXY's mark |

use super::rules::{Rule, Table, Then, When};
use ipnet::IpNet;
use std::collections::BTreeSet;

const LEFT: &str = "ISTIO_LEFT_";
const DROP_INVALID: &str = "ISTIO_DROP_INVALID";
const MARK: &str = "ISTIO_MARK_";
/// A chain's name is not longer.
const LONGEST_NAME: usize = 28;

/// The chains that tell of those of `rules` that stand in a table's chains of the kernel.
pub(super) fn of(rules: &[Rule], table: Table) -> BTreeSet<String> {
    let shared = rules.iter().filter(|rule| rule.table == table && rule.chain.is_shared());
    let names = shared.filter_map(|rule| match (rule.when.as_slice(), rule.then) {
        ([When::In(name) | When::Out(name)], Then::Return) => Some(format!("{LEFT}{name}")),
        ([When::Invalid], Then::Drop) => Some(DROP_INVALID.to_owned()),
        ([.., When::Mark(mark)], Then::SaveMark) => Some(format!("{MARK}{mark}")),
        _ => None,
    });
    names.filter(|name| name.len() <= LONGEST_NAME).collect()
}

/// The mark that a chain of this name tells of.
pub(super) fn mark_of(chain: &str) -> Option<u32> {
    chain.strip_prefix(MARK)?.parse().ok()
}

/// The rules that a chain of this name may tell of, as iptables has them. What is said of an owner and of the loopback is said
/// of those that `rule` names: they were the proxy and the app's own of then.
pub(super) fn told(chain: &str, rule: &str) -> Vec<String> {
    if let Some(name) = chain.strip_prefix(LEFT) {
        return vec![format!("-A PREROUTING -i {name} -j RETURN"), format!("-A OUTPUT -o {name} -j RETURN")];
    }
    if chain == DROP_INVALID {
        return vec!["-A PREROUTING -m conntrack --ctstate INVALID -j DROP".to_owned()];
    }
    let Some(mark) = mark_of(chain) else { return Vec::new() };
    let after = |is: fn(&str) -> bool| {
        let mut words = rule.split_ascii_whitespace();
        words.by_ref().find(|word| is(word)).zip(words.next())
    };
    let owner = after(|word| matches!(word, "--uid-owner" | "--gid-owner"));
    let localhost = after(|word| word == "-d").map(|(_, network)| network).filter(|it| is_loopback(it));
    let owned = owner.zip(localhost).map(|((kind, name), localhost)| {
        let outbound = mark.wrapping_add(1);
        format!(
            "-A OUTPUT ! -d {localhost} -p tcp -o lo -m owner {kind} {name} -j MARK --set-mark {outbound}"
        )
    });
    let own = [
        format!("-A PREROUTING -p tcp -m mark --mark {mark} -j CONNMARK --save-mark"),
        format!("-A OUTPUT -p tcp -o lo -m mark --mark {mark} -j RETURN"),
        format!("-A OUTPUT -p tcp -m connmark --mark {mark} -j CONNMARK --restore-mark"),
    ];
    own.into_iter().chain(owned).collect()
}

fn is_loopback(network: &str) -> bool {
    network.parse::<IpNet>().is_ok_and(|network| network.addr().is_loopback())
}
