//! ConfigMap.

use std::collections::BTreeMap;

use crate::read::finding::Findings;
use crate::read::node::short;
use crate::read::path::Path;

/// Checks a ConfigMap's keys, each of which can become a file's name.
pub(in crate::read) fn check(data: &BTreeMap<String, String>, into: &mut Findings) {
    let root = Path::ROOT;
    let at = root.key("data");
    for key in data.keys() {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if key.is_empty() || key.len() > 253 || !key.bytes().all(good) || key == "." || key.starts_with("..")
        {
            into.warning(&at.key(key), format!("{} is not a key that a cluster takes", short(key)));
            into.hint("at most 253 letters, digits, -, _ and ., and not .. at the beginning");
        }
    }
}
