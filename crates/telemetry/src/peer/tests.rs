use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn productpage() -> PeerMetadata {
    PeerMetadata {
        name: "productpage-v1-1".into(),
        namespace: "default".into(),
        workload: "productpage-v1".into(),
        cluster: "Kubernetes".into(),
        owner: "kubernetes://apis/apps/v1/namespaces/default/deployments/productpage-v1".into(),
        canonical_service: "productpage".into(),
        canonical_revision: "v1".into(),
        app: "productpage".into(),
        version: "v1".into(),
    }
}

#[test]
fn what_is_said_is_understood() {
    assert_eq!(PeerMetadata::decode(productpage().encode().as_bytes()), Ok(productpage()));
}

#[test]
fn the_bytes_are_a_struct_with_its_keys_in_order() {
    let metadata = PeerMetadata { namespace: "n".into(), cluster: "K".into(), ..Default::default() };
    let bytes = STANDARD.decode(metadata.encode()).unwrap();
    // field 1 {1: key, 2: {3: text}}, twice
    let expected = b"\x0a\x11\x0a\x0aCLUSTER_ID\x12\x03\x1a\x01K\x0a\x10\x0a\x09NAMESPACE\x12\x03\x1a\x01n";
    assert_eq!(bytes, expected);
}

#[test]
fn other_kinds_of_values_are_passed_over() {
    // {"NAME": 1.0 (number_value), "APP_CONTAINERS": [] (list_value), "NAMESPACE": "n"}
    let bytes = b"\x0a\x11\x0a\x04NAME\x12\x09\x11\x00\x00\x00\x00\x00\x00\xf0\x3f\
        \x0a\x14\x0a\x0eAPP_CONTAINERS\x12\x02\x32\x00\x0a\x10\x0a\x09NAMESPACE\x12\x03\x1a\x01n";
    let metadata = PeerMetadata::decode(STANDARD.encode(bytes).as_bytes()).unwrap();
    assert_eq!(metadata, PeerMetadata { namespace: "n".into(), ..Default::default() });
}

#[test]
fn a_stranger_s_values_are_cleaned_and_cut() {
    let metadata = PeerMetadata { name: "a\r\nb\u{7f}".into(), app: "é".repeat(500), ..Default::default() };
    let heard = PeerMetadata::decode(metadata.encode().as_bytes()).unwrap();
    assert_eq!(heard.name, "ab");
    assert_eq!(heard.app, "é".repeat(128));
}

#[test]
fn too_long_or_broken_headers_are_refused_in_words() {
    let error = PeerMetadata::decode(&[b'A'; MAX_HEADER + 1]).unwrap_err();
    assert_eq!(error, PeerError::TooLong(MAX_HEADER + 1));
    assert!(matches!(PeerMetadata::decode(b"%%%"), Err(PeerError::Base64(_))));
    assert!(matches!(
        PeerMetadata::decode(STANDARD.encode(b"\x0a\xff").as_bytes()),
        Err(PeerError::Struct(_))
    ));
}

#[test]
fn nesting_without_end_is_refused() {
    let mut bytes = Vec::new();
    for _ in 0..150 {
        // LABELS: {LABELS: {..}}, each level a map entry with a struct value.
        let mut value = prost_length(0x2a, &bytes);
        value = prost_length(0x12, &value);
        let mut entry = b"\x0a\x06LABELS".to_vec();
        entry.extend(value);
        bytes = prost_length(0x0a, &entry);
    }
    assert!(matches!(PeerMetadata::decode(STANDARD.encode(bytes).as_bytes()), Err(PeerError::Struct(_))));
}

fn prost_length(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    prost::encode_length_delimiter(bytes.len(), &mut out).unwrap();
    out.extend(bytes);
    out
}

#[test]
fn an_endpoint_s_short_form_names_the_workload() {
    let metadata = PeerMetadata::from_endpoint("reviews-v2;default;reviews;v2;Kubernetes");
    assert_eq!((metadata.workload.as_str(), metadata.canonical_revision.as_str()), ("reviews-v2", "v2"));
    assert_eq!(PeerMetadata::from_endpoint("x").workload, "x");
    assert_eq!(PeerMetadata::from_endpoint(""), PeerMetadata::default());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(header in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = PeerMetadata::decode(&header);
        let _ = PeerMetadata::decode(STANDARD.encode(&header).as_bytes());
    }

    #[test]
    fn printable_words_survive_the_journey(name in "[ -~]{0,64}", app in "[ -~]{0,64}") {
        let metadata = PeerMetadata { name, app, ..Default::default() };
        prop_assert_eq!(PeerMetadata::decode(metadata.encode().as_bytes()), Ok(metadata));
    }
}
