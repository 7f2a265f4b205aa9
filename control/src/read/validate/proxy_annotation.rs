//! What a pod asks of its proxy by annotations: `proxy.istio.io/config`, the same settings as a MeshConfig's
//! `defaultConfig`, as YAML within a text; and `sidecar.istio.io/interceptionMode`.

use std::collections::BTreeMap;

use crate::read::finding::Findings;
use crate::read::not_honoured::{self, PROXY_SETTINGS};
use crate::read::path::Path;
use crate::read::shape::{self, Rules};
use crate::read::yaml;
use crate::resources::mesh_config::{INTERCEPTION_MODE, InterceptionMode, PROXY_CONFIG, ProxySettings};

/// Checks the annotations, which stand at `at`.
pub(in crate::read) fn check(of: &BTreeMap<String, String>, at: &Path<'_>, into: &mut Findings) {
    if let Some(text) = of.get(PROXY_CONFIG) {
        let mut found = Findings::default();
        settings(text, &at.key(PROXY_CONFIG), &mut found);
        // Places within the text are none of the file's: what is found stands where the annotation does.
        into.0
            .extend(found.0.into_iter().map(|finding| crate::read::finding::Finding { at: None, ..finding }));
    }
    if let Some(mode) = of.get(INTERCEPTION_MODE)
        && InterceptionMode::named(mode).is_none()
    {
        into.error(&at.key(INTERCEPTION_MODE), format!("{mode:?} is none of REDIRECT, TPROXY and NONE"));
    }
}

/// Reads the settings that `text` writes.
pub(in crate::read) fn settings(text: &str, at: &Path<'_>, into: &mut Findings) -> Option<ProxySettings> {
    let mut documents = yaml::documents(text).into_iter();
    let node = match (documents.next(), documents.next()) {
        (None, _) => return Some(ProxySettings::default()),
        (Some(Ok(node)), None) => node,
        (Some(Err(error)), _) => {
            into.error(at, format!("this is no YAML: {}", error.message));
            return None;
        }
        (Some(_), Some(_)) => {
            into.error(at, "only one YAML document can stand here");
            return None;
        }
    };
    not_honoured::check_below(PROXY_SETTINGS, &node, at, into);
    let settings: ProxySettings = shape::fit(&node, at, Rules::ProtoJson, into)?;
    super::share::not_negative(settings.concurrency.unwrap_or(0), &at.key("concurrency"), into);
    Some(settings)
}
