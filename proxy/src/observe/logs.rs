//! One worker's access logs: each format compiled once, each file opened once.

use std::path::Path;
use std::sync::Arc;

use weft_model::access_log::{AccessLog as Settings, LogFormat};
use weft_telemetry::access_log::{AccessLog, Format, LogFiles, Surroundings};
use weft_telemetry::{Record, ResponseFlag};

/// Loggers that were asked for so far.
pub(super) struct Logs {
    files: LogFiles,
    known: Vec<(Settings, Option<AccessLog>)>,
}

/// More differing loggers than this are made by nobody but a configuration that churns; then all are made anew.
const MOST: usize = 64;

impl Logs {
    /// None was asked for yet.
    pub(super) fn new(files: LogFiles) -> Self {
        Self { files, known: Vec::new() }
    }

    /// Writes a record wherever the settings say.
    pub(super) fn log(&mut self, settings: &[Settings], record: &Record<'_>) {
        for wanted in settings {
            if wanted.only_no_route && !record.flags.contains(ResponseFlag::NoRouteFound) {
                continue;
            }
            let place = self.known.iter().position(|(known, _)| known == wanted).unwrap_or_else(|| {
                if self.known.len() >= MOST {
                    self.known.clear();
                }
                self.known.push((wanted.clone(), self.make(wanted)));
                self.known.len() - 1
            });
            if let Some(log) = &self.known[place].1 {
                log.log(record);
            }
        }
    }

    fn make(&self, settings: &Settings) -> Option<AccessLog> {
        let hostname = std::env::var("HOSTNAME").unwrap_or_default();
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = Surroundings { hostname: &hostname, variable: &variable };
        let format = match &settings.format {
            LogFormat::Text(text) if text.is_empty() => Ok(Format::istio()),
            LogFormat::Text(text) => Format::text(text, &surroundings),
            LogFormat::Json(fields) => {
                let object =
                    fields.iter().map(|(k, v)| (k.clone(), serde_json::Value::from(v.as_str()))).collect();
                Format::json(&serde_json::Value::Object(object), &surroundings)
            }
        };
        let format = format.inspect_err(|error| tracing::warn!(%error, "no access log")).ok()?;
        let file = self.files.open(Path::new(&settings.path));
        let file = file.inspect_err(|error| tracing::warn!(%error, "no access log")).ok()?;
        Some(AccessLog::new(Arc::new(format), file.lane()))
    }
}
