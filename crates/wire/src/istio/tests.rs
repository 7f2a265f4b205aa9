use std::collections::BTreeMap;
use std::path::Path;

use envoy_types::pb::google::protobuf::{Any, Struct, value::Kind};
use prost::{Message, Name};

use super::*;

const PREFIX: &[u8] = b"type.googleapis.com/";

/// Every captured response, with its path.
fn captures() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/captured");
    let mut files = Vec::new();
    for flavour in ["istio", "stock"] {
        for entry in std::fs::read_dir(root.join(flavour)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pb") {
                files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    assert!(files.len() >= 80, "only {} captures in {}", files.len(), root.display());
    files
}

/// The `Any`s of type `T` anywhere in `bytes`, found by their type URL, so that no message around them need be known.
fn anys<T: Name>(bytes: &[u8]) -> Vec<Any> {
    let url = T::type_url();
    let mut found = Vec::new();
    for at in 1..bytes.len().saturating_sub(url.len()) {
        let is_any = bytes[at..].starts_with(url.as_bytes()) && usize::from(bytes[at - 1]) == url.len();
        if !is_any {
            continue;
        }
        let mut rest = &bytes[at + url.len()..];
        let mut value = Vec::new();
        if rest.first() == Some(&0x12) {
            rest = &rest[1..];
            let length = prost::decode_length_delimiter(&mut rest).unwrap();
            value = rest[..length].to_vec();
        }
        found.push(Any { type_url: url.clone(), value });
    }
    found
}

/// Decodes and encodes again every captured `T`; gives how often each content came.
fn survive<T: Name + Default + std::fmt::Debug>(ordered: bool) -> BTreeMap<Vec<u8>, usize> {
    let mut seen = BTreeMap::new();
    for (path, bytes) in captures() {
        for any in anys::<T>(&bytes) {
            let message = T::decode(&any.value[..]).unwrap_or_else(|error| panic!("{path}: {error}"));
            let again = message.encode_to_vec();
            // A Struct's fields come in any order: then nothing was lost if nothing got shorter.
            assert_eq!(again.len(), any.value.len(), "{path}: {message:?}");
            assert!(!ordered || again == any.value, "{path}: {message:?}");
            *seen.entry(any.value).or_insert(0) += 1;
        }
    }
    assert!(!seen.is_empty(), "no {} in the captures", T::full_name());
    seen
}

fn only<T: Name + Default>(contents: &BTreeMap<Vec<u8>, usize>) -> T {
    assert_eq!(contents.len(), 1);
    T::decode(contents.keys().next().unwrap().as_slice()).unwrap()
}

#[test]
fn the_captured_alpn_filter_survives_byte_for_byte_and_reads_as_istio_means_it() {
    let filter: alpn::FilterConfig = only(&survive::<alpn::FilterConfig>(true));
    let offers: Vec<_> = filter
        .alpn_override
        .iter()
        .map(|entry| (entry.upstream_protocol().as_str_name(), entry.alpn_override.join(",")))
        .collect();
    assert_eq!(
        offers,
        [
            ("HTTP10", "istio-http/1.0,istio,http/1.0".to_owned()),
            ("HTTP11", "istio-http/1.1,istio,http/1.1".to_owned()),
            ("HTTP2", "istio-h2,istio,h2".to_owned()),
        ]
    );
}

#[test]
fn the_captured_stats_filters_survive_byte_for_byte_with_their_one_setting() {
    let contents = survive::<stats::PluginConfig>(true);
    let settings: Vec<bool> = contents
        .keys()
        .map(|bytes| stats::PluginConfig::decode(&bytes[..]).unwrap().disable_host_header_fallback)
        .collect();
    assert_eq!(settings, [false, true]);
}

#[test]
fn the_captured_typed_structs_survive_and_name_both_metadata_exchange_filters() {
    let contents = survive::<udpa::TypedStruct>(false);
    let mut names: Vec<String> = contents
        .keys()
        .map(|bytes| {
            let typed = udpa::TypedStruct::decode(&bytes[..]).unwrap();
            assert_eq!(udpa::TypedStruct::decode(&typed.encode_to_vec()[..]).unwrap(), typed);
            assert_eq!(xds::TypedStruct::decode(&bytes[..]).unwrap().value, typed.value);
            typed.type_url
        })
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(
        names,
        [metadata_exchange::MetadataExchange::type_url(), peer_metadata::Config::type_url()],
        "what a TypedStruct wraps"
    );
}

#[test]
fn every_field_that_istio_writes_into_a_typed_struct_is_a_field_of_the_message_it_names() {
    let known = BTreeMap::from([
        (
            metadata_exchange::MetadataExchange::type_url(),
            ["protocol", "enable_discovery", "additional_labels"].as_slice(),
        ),
        (
            peer_metadata::Config::type_url(),
            &["downstream_discovery", "upstream_discovery", "downstream_propagation", "upstream_propagation"],
        ),
    ]);
    for bytes in survive::<udpa::TypedStruct>(false).into_keys() {
        let typed = udpa::TypedStruct::decode(&bytes[..]).unwrap();
        for field in typed.value.unwrap().fields.keys() {
            assert!(known[&typed.type_url].contains(&field.as_str()), "{}.{field}", typed.type_url);
        }
    }
}

#[test]
fn a_certificate_request_has_the_bytes_of_istios_agents() {
    let mut metadata = Struct::default();
    metadata.fields.insert(
        "ClusterID".to_owned(),
        envoy_types::pb::google::protobuf::Value { kind: Some(Kind::StringValue("k".to_owned())) },
    );
    let request = ca::IstioCertificateRequest {
        csr: "c".to_owned(),
        validity_duration: 86_400,
        metadata: Some(metadata),
    };
    let mut expected = vec![0x0a, 1, b'c', 0x18, 0x80, 0xa3, 0x05, 0x22, 18, 0x0a, 16, 0x0a, 9];
    expected.extend(b"ClusterID");
    expected.extend([0x12, 3, 0x1a, 1, b'k']);
    assert_eq!(request.encode_to_vec(), expected);
    assert_eq!(ca::IstioCertificateRequest::decode(&expected[..]).unwrap(), request);

    let response = ca::IstioCertificateResponse { cert_chain: vec!["a".to_owned(), "b".to_owned()] };
    assert_eq!(response.encode_to_vec(), [0x0a, 1, b'a', 0x0a, 1, b'b']);
}

#[test]
fn equal_name_tables_have_equal_bytes() {
    let info = |ip: &str| nds::name_table::NameInfo {
        ips: vec![ip.to_owned()],
        registry: "Kubernetes".to_owned(),
        shortname: "a".to_owned(),
        namespace: "b".to_owned(),
    };
    let names: Vec<String> = (0..50).map(|n| format!("svc-{n}.b.svc.cluster.local")).collect();
    let forward: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), info("10.0.0.1"))).collect();
    let backward: BTreeMap<_, _> = names.iter().rev().map(|name| (name.clone(), info("10.0.0.1"))).collect();
    let one = nds::NameTable { table: forward, name_info: None };
    let other = nds::NameTable { table: backward, name_info: None };
    assert_eq!(one.encode_to_vec(), other.encode_to_vec());
    assert_eq!(nds::NameTable::decode(&one.encode_to_vec()[..]).unwrap(), one);
}

#[test]
fn type_urls_are_those_on_the_wire() {
    assert_eq!(nds::NameTable::type_url(), NAME_TABLE);
    assert_eq!(udpa::TypedStruct::type_url(), "type.googleapis.com/udpa.type.v1.TypedStruct");
    assert_eq!(xds::TypedStruct::type_url(), "type.googleapis.com/xds.type.v3.TypedStruct");
    assert!(stats::PluginConfig::type_url().as_bytes().starts_with(PREFIX));
}
