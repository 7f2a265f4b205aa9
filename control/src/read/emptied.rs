//! Lists that are there and empty, where that means the contrary of what it looks like: to Istio `principals: []` is no
//! condition at all. A template that renders no names opens a door.

use super::finding::Findings;
use super::node::Node;
use super::path::Path;
use super::place::{says_something, visit};

const ANY: &str = "nothing stands here, and that is no condition: everything matches";

/// A kind, a place in it, and what follows where nothing stands there.
pub(super) const EMPTIED: &[(&str, &str, &str)] = &[
    ("AuthorizationPolicy", "spec.rules[].from", ANY),
    ("AuthorizationPolicy", "spec.rules[].to", ANY),
    ("AuthorizationPolicy", "spec.rules[].when", ANY),
    ("AuthorizationPolicy", "spec.rules[].from[].source{*}", ANY),
    ("AuthorizationPolicy", "spec.rules[].to[].operation{*}", ANY),
    (
        "AuthorizationPolicy",
        "spec.selector.matchLabels",
        "no label is asked for: the policy is for the whole namespace",
    ),
    (
        "PeerAuthentication",
        "spec.selector.matchLabels",
        "no label is asked for: the policy is for the whole namespace",
    ),
    (
        "RequestAuthentication",
        "spec.selector.matchLabels",
        "no label is asked for: the policy is for the whole namespace",
    ),
    ("PeerAuthentication", "spec.mtls", "nothing stands here: the mode is that of the namespace or the mesh"),
];

/// Warns of what is there and empty.
pub(super) fn check(kind: &str, node: &Node, into: &mut Findings) {
    for (line_kind, place, consequence) in EMPTIED {
        if *line_kind == kind {
            visit(node, place, &Path::ROOT, &mut |found, path| {
                if !says_something(found) {
                    into.warning(path, *consequence);
                }
            });
        }
    }
}
