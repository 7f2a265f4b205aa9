use std::path::Path;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use prost::{Message as _, Name as _};
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use serde_json::{Value, json};
use weft_model::cluster::Cluster;

use super::Descriptors;
use crate::pb::tls;

fn open() -> Descriptors {
    Descriptors::open().unwrap()
}

/// Every resource that istiod was recorded to send.
fn recorded() -> Vec<envoy_types::pb::google::protobuf::Any> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/captured");
    let flavours = ["istio", "stock"].map(|flavour| std::fs::read_dir(root.join(flavour)).unwrap());
    let files = flavours.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| {
        let name = path.to_string_lossy();
        ["lds.pb", "rds.pb", "cds.pb", "eds.pb"].iter().any(|kind| name.ends_with(kind))
    });
    let responses = files.map(|path| DiscoveryResponse::decode(&*std::fs::read(path).unwrap()).unwrap());
    responses.flat_map(|response| response.resources).collect()
}

fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        Value::Object(fields) => fields.values().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn every_recorded_resource_is_shown_to_its_last_packed_message() {
    let descriptors = open();
    let resources = recorded();
    assert!(resources.len() > 500, "only {}", resources.len());
    for resource in resources {
        let shown = descriptors.packed(&resource.type_url, &resource.value);
        assert_eq!(shown["@type"], resource.type_url);
        walk(&shown, &mut |value| {
            let opaque = value.get("@type").is_some() && value.get("value").is_some_and(Value::is_string);
            assert!(!opaque, "{value} is not taken apart");
        });
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same_message() {
    let descriptors = open();
    for resource in recorded() {
        let name = resource.type_url.rsplit('/').next().unwrap();
        let descriptor = descriptors.pool.get_message_by_name(name).unwrap();
        let mut shown = descriptors.packed(&resource.type_url, &resource.value);
        shown.as_object_mut().unwrap().remove("@type");
        let back = DynamicMessage::deserialize(descriptor.clone(), shown).unwrap();
        let original = DynamicMessage::decode(descriptor, &*resource.value).unwrap();
        // Maps have no order within packed bytes, so the packed ones are compared as JSON again.
        let text = |message: &DynamicMessage| descriptors.message(message, super::value::Shown::Open, 16);
        assert_eq!(text(&back), text(&original), "{}", original.descriptor().full_name());
    }
}

#[test]
fn names_enums_durations_and_wrappers_are_written_as_envoy_writes_them() {
    let any = crate::encode::cluster(&Cluster {
        name: "outbound|80||a.b.svc.cluster.local".into(),
        connect_timeout: Some(std::time::Duration::from_millis(2500)),
        discovery: weft_model::cluster::Discovery::Eds(String::new()),
        ..Cluster::default()
    });
    let shown = open().packed(&any.type_url, &any.value);
    assert_eq!(shown["@type"], "type.googleapis.com/envoy.config.cluster.v3.Cluster");
    assert_eq!(shown["name"], "outbound|80||a.b.svc.cluster.local");
    assert_eq!(shown["connect_timeout"], "2.500s");
    assert_eq!(shown["type"], "EDS");
    assert_eq!(shown["eds_cluster_config"]["eds_config"]["ads"], json!({}));
}

#[test]
fn a_private_key_is_not_shown_but_its_certificate_is() {
    use crate::pb::core::{DataSource, data_source::Specifier};
    let source = |text: &str| {
        Some(DataSource { specifier: Some(Specifier::InlineString(text.into())), ..Default::default() })
    };
    let certificate = tls::TlsCertificate {
        certificate_chain: source("chain"),
        private_key: source("key of keys"),
        ..Default::default()
    };
    let shown = open().packed(&tls::TlsCertificate::type_url(), &certificate.encode_to_vec());
    assert_eq!(shown["certificate_chain"]["inline_string"], "chain");
    assert_eq!(shown["private_key"]["inline_string"], "[redacted]");
    assert!(!shown.to_string().contains("key of keys"));
}

#[test]
fn an_unknown_type_and_broken_bytes_are_shown_as_bytes() {
    let descriptors = open();
    let unknown = descriptors.packed("type.googleapis.com/no.such.Thing", b"abc");
    assert_eq!(unknown, json!({ "@type": "type.googleapis.com/no.such.Thing", "value": "YWJj" }));
    let url = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    assert_eq!(descriptors.packed(url, b"\xff\xff"), json!({ "@type": url, "value": "//8=" }));
}
