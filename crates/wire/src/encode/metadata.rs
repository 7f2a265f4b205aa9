//! Istio's notes on resources: `metadata.filter_metadata.istio`.

use weft_model::cluster::{IstioMetadata, IstioService};

use super::value::{json, json_list, json_object, json_text};
use crate::pb::{Kind, Value, core};

pub(crate) fn config(config: &str) -> Option<core::Metadata> {
    let fields = (!config.is_empty()).then(|| vec![("config", json_text(config))]);
    istio(fields.unwrap_or_default())
}

pub(crate) fn cluster(value: &IstioMetadata) -> Option<core::Metadata> {
    let mut fields = Vec::new();
    if !value.services.is_empty() {
        fields.push(("services", json_list(value.services.iter().map(service))));
    }
    if !value.config.is_empty() {
        fields.push(("config", json_text(&value.config)));
    }
    if !value.subset.is_empty() {
        fields.push(("subset", json_text(&value.subset)));
    }
    if value.external {
        fields.push(("external", json(Kind::BoolValue(true))));
    }
    if let Some(port) = value.default_original_port {
        fields.push(("default_original_port", json(Kind::NumberValue(port.into()))));
    }
    if value.keep_alpn {
        fields.push(("alpn_override", json_text("false")));
    }
    istio(fields)
}

fn service(value: &IstioService) -> Value {
    json(Kind::StructValue(json_object([
        ("host", json_text(&value.host)),
        ("name", json_text(&value.name)),
        ("namespace", json_text(&value.namespace)),
    ])))
}

fn istio(fields: Vec<(&str, Value)>) -> Option<core::Metadata> {
    if fields.is_empty() {
        return None;
    }
    let mut metadata = core::Metadata::default();
    metadata.filter_metadata.insert("istio".to_owned(), json_object(fields));
    Some(metadata)
}
