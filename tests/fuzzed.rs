//! The fuzz targets, on what is nearly right: recorded resources and real manifests with a few bytes changed, cut out or
//! put in. `tests/fuzz/run` goes on where this stops.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "conformance/capture.rs"]
#[allow(dead_code, reason = "part of it is for the conformance tests")]
mod capture;
#[path = "fuzz/xds/fuzz.rs"]
mod xds;
#[path = "fuzz/yaml/fuzz.rs"]
mod yaml;

use std::path::Path;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One damage: where, how many bytes go, and what comes in their place.
type Damage = (Index, usize, Vec<u8>);

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for (at, gone, new) in damages {
        let from = at.index(bytes.len() + 1);
        let to = (from + gone).min(bytes.len());
        bytes.splice(from..to, new.iter().copied());
    }
    bytes
}

fn damages(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Damage>> {
    let new = prop_oneof![vec(any::<u8>(), 0..4), select(words).prop_map(|word| word.as_bytes().to_vec()),];
    vec((any::<Index>(), prop_oneof![Just(0), Just(1), 0..24_usize], new), 0..5)
}

/// Recorded resources, each after the byte that names its kind.
static RESOURCES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let kinds = ["lds", "rds", "cds", "eds"];
    let small = capture::resources().into_iter().filter(|resource| resource.value.len() < 8192);
    let all = small.map(|resource| {
        let kind = kinds.iter().position(|kind| *kind == resource.kind).unwrap();
        [&[u8::try_from(kind).unwrap()], resource.value.as_slice()].concat()
    });
    all.collect()
});

/// The documents of real manifests.
static DOCUMENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("../deploy"), root.join("conformance/mesh"), root.join("envoy_accepts")];
    let mut documents = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(path).unwrap();
                documents.extend(text.split("\n---\n").map(|document| document.as_bytes().to_vec()));
            }
        }
    }
    assert!(documents.len() > 50, "{}", documents.len());
    documents
});

const NUMBERS: &[&str] =
    &["\u{0}", "\u{8}\u{ff}", "\u{7f}\u{7f}\u{7f}\u{7f}", "\n\u{0}", "\u{12}\u{0}\u{12}\u{0}"];

const YAML: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "{}",
    "[]",
    "null",
    "~",
    "*",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "-1",
    "1e999",
    "0x10",
    "99999999999999999999",
    "\t",
    "\u{feff}",
    "---\n",
    "...\n",
    "#",
    "|",
    ">",
    "?",
    "%",
    "é",
    "true",
    "1s",
    "0s",
    "100%",
    "'*'",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_resource_is_refused_or_means_one_thing(
        of in any::<Index>(),
        damages in damages(NUMBERS),
    ) {
        xds::fuzz(&damaged(of.get(&RESOURCES).clone(), &damages));
    }

    #[test]
    fn damaged_manifests_are_refused_with_their_place_or_served(
        of in vec(any::<Index>(), 1..4),
        damages in damages(YAML),
    ) {
        let documents: Vec<&[u8]> = of.iter().map(|of| of.get(&DOCUMENTS).as_slice()).collect();
        yaml::fuzz(&damaged(documents.join(&b"\n---\n"[..]), &damages));
    }
}
