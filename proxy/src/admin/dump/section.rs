//! One part of the dump: the resources of one type, each as Envoy wraps it.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use weft_wire::json::Descriptors;
use weft_xds::type_url;

use super::query::Query;
use crate::config::apply::{Applier, Held, Refused};
use crate::tls::secrets::Secrets;

/// Resources of one type.
pub(super) struct Section {
    /// `ClustersConfigDump`
    dump: &'static str,
    /// The one field of it that is filled here, by which `?resource=` asks for it.
    pub(super) field: &'static str,
    /// `DynamicCluster`
    entry: &'static str,
    entries: Vec<Value>,
}

/// The full name of a message of Envoy's admin pages.
pub(super) fn admin_type(name: &str) -> String {
    format!("type.googleapis.com/envoy.admin.v3.{name}")
}

impl Section {
    pub(super) const fn new(
        dump: &'static str,
        field: &'static str,
        entry: &'static str,
        entries: Vec<Value>,
    ) -> Self {
        Self { dump, field, entry, entries }
    }

    /// As a part of the whole dump.
    pub(super) fn whole(self) -> Value {
        json!({ "@type": admin_type(self.dump), self.field: self.entries })
    }

    /// Each entry by itself, with its type.
    pub(super) fn alone(mut self) -> Vec<Value> {
        let entry = admin_type(&format!("{}.{}", self.dump, self.entry));
        for each in self.entries.iter_mut().filter_map(Value::as_object_mut) {
            each.insert("@type".into(), entry.as_str().into());
        }
        self.entries
    }

    /// Our certificate and whom we believe, under Istio's names. The key is never shown.
    pub(super) fn secrets(secrets: &Secrets, query: &Query) -> Self {
        let inline = |text: String| json!({ "inline_bytes": BASE64_STANDARD.encode(text) });
        let mut entries = Vec::new();
        if let Some(svid) = secrets.svid().filter(|_| query.wants("default")) {
            let certificate = json!({
                "certificate_chain": inline(pem(&svid.key.cert)),
                "private_key": inline("[redacted]".into()),
            });
            let secret =
                json!({ "@type": type_url::SECRET, "name": "default", "tls_certificate": certificate });
            entries.push(json!({
                "name": "default",
                "version_info": svid.serial,
                "last_updated": timestamp(svid.since),
                "secret": secret,
            }));
        }
        if let Some(trust) = secrets.trust().filter(|_| query.wants("ROOTCA")) {
            let believed = json!({ "trusted_ca": inline(pem(&trust.certificates)) });
            let secret =
                json!({ "@type": type_url::SECRET, "name": "ROOTCA", "validation_context": believed });
            entries.push(json!({
                "name": "ROOTCA",
                "last_updated": timestamp(trust.since),
                "secret": secret,
            }));
        }
        Self::new("SecretsConfigDump", "dynamic_active_secrets", "DynamicSecret", entries)
    }
}

/// All resources of a type: in force, refused, or an older one in force after a newer one was refused.
pub(super) fn entries(
    applier: &Applier,
    of_type: &'static str,
    descriptors: &Descriptors,
    query: &Query,
) -> Vec<Value> {
    let (held, refused) = (applier.held().get(of_type), applier.refused().get(of_type));
    let mut names: Vec<&String> = held.into_iter().flat_map(|held| held.keys()).collect();
    names.extend(refused.into_iter().flat_map(|refused| refused.keys()));
    names.sort();
    names.dedup();
    let entry = |name: &String| {
        let (held, refused) = (held.and_then(|held| held.get(name)), refused.and_then(|all| all.get(name)));
        let mut entry = Map::new();
        let state = held.map(|held| state(of_type, held, descriptors));
        if of_type == type_url::LISTENER {
            entry.insert("name".into(), name.as_str().into());
            entry.extend(state.map(|state| ("active_state".to_owned(), state.into())));
        } else {
            entry.extend(state.unwrap_or_default());
        }
        if let Some(refused) = refused {
            entry.insert("error_state".into(), error_state(of_type, refused, descriptors));
            // A listener has no such field.
            if of_type != type_url::LISTENER {
                entry.insert("client_status".into(), "NACKED".into());
            }
        }
        Value::from(entry)
    };
    names.into_iter().filter(|name| query.wants(name)).map(entry).collect()
}

fn state(of_type: &str, held: &Held, descriptors: &Descriptors) -> Map<String, Value> {
    let field = match of_type {
        type_url::CLUSTER => "cluster",
        type_url::LISTENER => "listener",
        type_url::ROUTES => "route_config",
        _ => "endpoint_config",
    };
    let mut state = Map::new();
    if !held.version.is_empty() {
        state.insert("version_info".into(), held.version.as_str().into());
    }
    state.insert(field.into(), descriptors.packed(of_type, &held.bytes));
    state.insert("last_updated".into(), timestamp(held.since).into());
    state
}

fn error_state(of_type: &str, refused: &Refused, descriptors: &Descriptors) -> Value {
    json!({
        "failed_configuration": descriptors.packed(of_type, &refused.bytes),
        "last_update_attempt": timestamp(refused.at),
        "details": refused.why,
        "version_info": refused.version,
    })
}

fn timestamp(at: SystemTime) -> String {
    let at = time::OffsetDateTime::from(at);
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

fn pem(certificates: &[rustls_pki_types::CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = BASE64_STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}
