//! What istiod 1.29 said to eleven proxies, in two flavours, is understood: everything that weft honours survives
//! decode and encode, and everything else is on the list in `conformance/not-honoured.txt`.
//!
//! `WEFT_BLESS=1` writes that list anew; the diff is then the review.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "conformance/capture.rs"]
mod capture;
#[path = "conformance/envoy.rs"]
mod envoy;
#[path = "conformance/everything.rs"]
mod everything;
#[path = "conformance/strategy.rs"]
mod strategy;
#[path = "conformance/tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

use capture::Resource;
use proptest::prelude::*;
use tree::Tree;
use weft_model::http::HttpFilter;
use weft_model::listener::{Listener, NetworkFilter};
use weft_model::rbac::RbacFilter;
use weft_model::tls::Transport;
use weft_wire::decode::NotHonoured;
use weft_wire::{decode, encode};

/// Decodes, gives what is not honoured and the resource encoded anew.
fn there_and_back(resource: &Resource) -> (Vec<NotHonoured>, Vec<u8>) {
    fn both<M>(read: decode::Result<M>, write: impl Fn(&M) -> encode::Any) -> (Vec<NotHonoured>, Vec<u8>) {
        let (model, notes) = read.unwrap_or_else(|error| panic!("{error}"));
        (notes, write(&model).value)
    }
    let bytes = resource.value.as_slice();
    match resource.kind {
        "lds" => both(decode::listener(bytes), encode::listener),
        "rds" => both(decode::route_configuration(bytes), encode::route_configuration),
        "cds" => both(decode::cluster(bytes), encode::cluster),
        "eds" => both(decode::load_assignment(bytes), encode::load_assignment),
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_that_is_honoured_gets_lost() {
    let mut compared = 0;
    let mut lost = Vec::new();
    for resource in capture::resources() {
        let (notes, again) = there_and_back(&resource);
        let mut was = tree::of(&resource.type_url, &resource.value);
        let mut is = tree::of(&resource.type_url, &again);
        for note in &notes {
            assert!(!note.path.ends_with('?'), "{}: unknown bytes: {note:?}", resource.file);
            assert!(was.strip(&note.path), "{}: nothing stands at {note:?} in {was:#?}", resource.file);
            if !note.path.ends_with(']') {
                is.strip(&note.path);
            }
        }
        was.settle();
        is.settle();
        let mut differences = Vec::new();
        was.differences(&is, "", &mut differences);
        lost.extend(differences.iter().map(|what| format!("{} {}{what}", resource.file, name(&was))));
        compared += 1;
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert!(compared >= 880, "only {compared} resources were compared");
}

#[test]
fn a_loss_would_be_seen() {
    let resources = capture::resources();
    let of = |name: &str| {
        resources.iter().find(|r| r.file == "istio/transactions-service.lds.pb" && r.holds(name)).unwrap()
    };
    let resource = of("virtualInbound");
    let was = tree::of(&resource.type_url, &resource.value);
    let (whole, _) = decode::listener(&resource.value).unwrap();
    let lossy: [fn(&mut Listener); 4] = [
        |listener| listener.listener_filters_timeout = None,
        |listener| {
            listener
                .filter_chains
                .iter_mut()
                .for_each(|chain| chain.matches.application_protocols.truncate(1))
        },
        |listener| listener.filter_chains.iter_mut().for_each(|chain| chain.transport = Transport::Raw),
        |listener| {
            for filter in listener.filter_chains.iter_mut().flat_map(|chain| &mut chain.filters) {
                let NetworkFilter::Http(manager) = filter else { continue };
                for filter in &mut manager.filters {
                    let HttpFilter::Rbac(RbacFilter { rules: Some(rules), .. }) = filter else { continue };
                    rules.policies.values_mut().for_each(|policy| policy.principals.truncate(0));
                }
            }
        },
    ];
    for lose in lossy {
        let mut model = whole.clone();
        lose(&mut model);
        assert_ne!(model, whole);
        let is = tree::of(&resource.type_url, &encode::listener(&model).value);
        let mut differences = Vec::new();
        was.differences(&is, "", &mut differences);
        assert!(
            differences.iter().any(|what| what.contains("lost") || what.contains("became")),
            "{differences:?}"
        );
    }
}

#[test]
fn the_list_of_what_is_not_honoured_is_up_to_date() {
    let mut lines = BTreeSet::new();
    for resource in capture::resources() {
        for note in there_and_back(&resource).0 {
            lines.insert(format!("{} {}: {}", resource.kind, general(&note.path), note.what));
        }
    }
    let list: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/not-honoured.txt");
    if std::env::var_os("WEFT_BLESS").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, list, "run again with WEFT_BLESS=1 and review the diff of {}", path.display());
}

/// A path without the numbers and names that differ from proxy to proxy.
fn general(path: &str) -> String {
    let mut general = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => {
                inside = true;
                general.push('[');
            }
            ']' => {
                inside = false;
                general.push(']');
            }
            _ if inside => {}
            letter => general.push(letter),
        }
    }
    general
}

fn name(tree: &Tree) -> String {
    match tree {
        Tree::Object(fields) => fields.get("name").map(|name| format!("{name:?}")).unwrap_or_default(),
        _ => String::new(),
    }
}

#[test]
fn a_second_decoding_finds_the_same_model_and_the_same_bytes() {
    for resource in capture::resources() {
        let (_, once) = there_and_back(&resource);
        let again = Resource { value: once.clone(), ..resource };
        let (_, twice) = there_and_back(&again);
        assert_eq!(once, twice, "{}", again.file);
    }
}

#[test]
fn settings_of_every_kind_survive_the_wire() {
    let (listener, notes) = decode::listener(&encode::listener(&everything::listener()).value).unwrap();
    assert_eq!((listener, notes_of_requests(&notes)), (everything::listener(), true), "{notes:?}");
    let (routes, notes) =
        decode::route_configuration(&encode::route_configuration(&everything::routes()).value).unwrap();
    assert_eq!((routes, notes), (everything::routes(), Vec::new()));
    for cluster in everything::clusters() {
        let (again, _) = decode::cluster(&encode::cluster(&cluster).value).unwrap();
        assert_eq!(again, cluster);
    }
}

/// Notes about external authorizers alone, which nobody here asks.
fn notes_of_requests(notes: &[NotHonoured]) -> bool {
    let fields = ["transport_api_version", "stat_prefix", "uri", "timeout"];
    notes.iter().all(|note| fields.iter().any(|field| note.path.ends_with(field)))
}

#[test]
#[ignore = "needs envoy on the PATH"]
fn a_stock_envoy_takes_what_istiod_said_in_our_words() {
    let mut nodes = BTreeSet::new();
    for resource in capture::resources() {
        if let Some(node) = resource.file.strip_prefix("stock/") {
            nodes.insert(node.split('.').next().unwrap().to_owned());
        }
    }
    assert_eq!(nodes.len(), 11);
    for node in nodes {
        let mut configuration = envoy::Configuration::default();
        for resource in capture::resources().iter().filter(|r| r.file.starts_with(&format!("stock/{node}.")))
        {
            let (_, again) = there_and_back(resource);
            match resource.kind {
                "lds" => configuration.listener(&again),
                "cds" => configuration.cluster(&again),
                "rds" => configuration.routes(decode::route_configuration(&again).unwrap().0),
                _ => {}
            }
        }
        configuration.validate(&node).unwrap();
    }
}

#[test]
#[ignore = "needs envoy on the PATH"]
fn a_stock_envoy_takes_settings_of_every_kind() {
    let with_clusters = || {
        let mut configuration = envoy::Configuration::default();
        for cluster in everything::clusters() {
            configuration.cluster(&encode::cluster(&cluster).value);
        }
        configuration
    };
    with_clusters().validate("clusters").unwrap();
    let mut configuration = with_clusters();
    configuration.routes(everything::routes());
    configuration.validate("routes").unwrap();
    let mut configuration = with_clusters();
    configuration.listener(&encode::listener(&everything::listener()).value);
    configuration.validate("listener").unwrap();
}

/// Any model, there and back again.
fn survives<M: PartialEq + std::fmt::Debug>(
    model: &M,
    write: impl Fn(&M) -> encode::Any,
    read: impl Fn(&[u8]) -> decode::Result<M>,
) -> Result<(), TestCaseError> {
    let any = write(model);
    let (again, notes) = read(&any.value).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(model, &again, "{:?}", notes);
    prop_assert_eq!(any.value, write(&again).value, "equal models, other bytes");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_listener_survives_the_wire(model in strategy::listener()) {
        survives(&model, encode::listener, decode::listener)?;
    }

    #[test]
    fn any_route_configuration_survives_the_wire(model in strategy::route_configuration()) {
        survives(&model, encode::route_configuration, decode::route_configuration)?;
    }

    #[test]
    fn any_cluster_survives_the_wire(model in strategy::cluster()) {
        survives(&model, encode::cluster, decode::cluster)?;
    }

    #[test]
    fn any_load_assignment_survives_the_wire(model in strategy::load_assignment()) {
        survives(&model, encode::load_assignment, decode::load_assignment)?;
    }

    #[test]
    fn any_name_table_survives_the_wire(model in strategy::name_table()) {
        let any = weft_wire::nds::encode(&model);
        prop_assert_eq!(&model, &weft_wire::nds::decode(&any.value).unwrap());
    }

    #[test]
    fn any_node_survives_the_wire(model in strategy::node()) {
        let node = weft_wire::node::encode(&model);
        prop_assert_eq!(&model, &weft_wire::node::decode(&node).unwrap());
    }

    #[test]
    fn a_captured_resource_with_wounds_is_an_answer_or_an_error_but_never_a_panic(
        pick in any::<prop::sample::Index>(),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut resource = pick.get(&capture::resources()).clone();
        for (place, byte) in wounds {
            let place = place.index(resource.value.len());
            resource.value[place] = byte;
        }
        let cut = cut.index(resource.value.len() * 4);
        resource.value.truncate(cut.max(1));
        let bytes = resource.value.as_slice();
        let _ = decode::listener(bytes);
        let _ = decode::route_configuration(bytes);
        let _ = decode::cluster(bytes);
        let _ = decode::load_assignment(bytes);
        let _ = weft_wire::nds::decode(bytes);
    }
}
