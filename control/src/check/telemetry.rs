//! Access logs for providers that nobody has defined, or that are no files.

use super::Checked;
use crate::read::nearest;

/// The provider that is there without being defined.
const BUILT_IN: &str = "envoy";

impl Checked<'_> {
    pub(super) fn log_providers(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.telemetries {
            for (place, logging) in object.spec.access_logging.iter().enumerate() {
                for (at, provider) in logging.providers.iter().enumerate() {
                    if let Some((message, hint)) = self.log_provider(&provider.name) {
                        let path = format!("spec.accessLogging[{place}].providers[{at}].name");
                        self.warn("Telemetry", object, path, message, hint);
                    }
                }
            }
        }
    }

    /// Why nothing is logged to the provider of that name.
    fn log_provider(&self, name: &str) -> Option<(String, Option<String>)> {
        let known = &self.world.mesh.config.extension_providers;
        match known.iter().find(|provider| provider.name == name) {
            Some(provider) if provider.envoy_file_access_log.is_some() => None,
            Some(_) => {
                Some((format!("{name} is no file, and weft logs to files alone: nothing comes there"), None))
            }
            None if name == BUILT_IN => None,
            None => {
                let names = known.iter().map(|provider| provider.name.as_str()).chain([BUILT_IN]);
                let near = nearest(name, names).map(|near| format!("did you mean {near}?"));
                let message =
                    format!("the mesh's extensionProviders have no {name}: nothing is logged there");
                Some((message, near))
            }
        }
    }
}
