//! Istio's notes on resources: `metadata.filter_metadata.istio`.

use weft_model::cluster::{IstioMetadata, IstioService};

use super::at::At;
use crate::pb::{Kind, Struct, Value, core};

/// The one note of listeners, chains and routes: the resource that they were made from.
pub(super) fn config(at: &At<'_>, value: Option<core::Metadata>) -> String {
    let mut config = String::new();
    istio(at, value, |at, key, kind| match (key, kind) {
        ("config", Some(Kind::StringValue(value))) => config = value,
        _ => at.field(key).note("it has no effect"),
    });
    config
}

/// What is noted of a cluster.
pub(super) fn cluster(at: &At<'_>, value: Option<core::Metadata>) -> IstioMetadata {
    let mut notes = IstioMetadata::default();
    istio(at, value, |at, key, kind| match (key, kind) {
        ("services", Some(Kind::ListValue(list))) => {
            for (n, value) in list.values.into_iter().enumerate() {
                notes.services.extend(service(&at.item("services", n), value));
            }
        }
        ("config", Some(Kind::StringValue(value))) => notes.config = value,
        ("subset", Some(Kind::StringValue(value))) => notes.subset = value,
        ("external", Some(Kind::BoolValue(value))) => notes.external = value,
        ("alpn_override", Some(Kind::StringValue(value))) if value == "false" => notes.keep_alpn = true,
        ("default_original_port", Some(Kind::NumberValue(value))) if (0.0..=65535.0).contains(&value) => {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the guard holds it in range"
            )]
            let port = value as u16;
            notes.default_original_port = Some(port);
        }
        _ => at.field(key).note("it has no effect"),
    });
    notes
}

fn istio(at: &At<'_>, value: Option<core::Metadata>, mut note: impl FnMut(&At<'_>, &str, Option<Kind>)) {
    let at = at.field("metadata");
    let Some(metadata) = value else { return };
    at.left("typed_filter_metadata", &metadata.typed_filter_metadata);
    for (namespace, values) in metadata.filter_metadata {
        let at = at.key("filter_metadata", &namespace);
        if namespace == "istio" {
            for (key, value) in values.fields {
                note(&at, &key, value.kind);
            }
        } else {
            at.note("it has no effect");
        }
    }
}

fn service(at: &At<'_>, value: Value) -> Option<IstioService> {
    let Some(Kind::StructValue(Struct { fields })) = value.kind else {
        at.note("it is no service");
        return None;
    };
    let mut service = IstioService::default();
    for (key, value) in fields {
        match (key.as_str(), value.kind) {
            ("host", Some(Kind::StringValue(value))) => service.host = value,
            ("name", Some(Kind::StringValue(value))) => service.name = value,
            ("namespace", Some(Kind::StringValue(value))) => service.namespace = value,
            _ => at.field(&key).note("it has no effect"),
        }
    }
    Some(service)
}
