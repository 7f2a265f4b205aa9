//! One worker's access logs: each format compiled once, each file opened once.

use std::path::Path;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use weft_model::access_log::{AccessLog as Settings, LogFormat};
use weft_model::table::chain as table;
use weft_telemetry::access_log::{AccessLog, Format, LogFiles, Surroundings};
use weft_telemetry::{Record, ResponseFlag};

/// The loggers of the chains that had something to log so far, and of listeners where no chain was for a connection.
pub(super) struct Logs {
    made: Made,
    chains: Known<table::Chain>,
    listeners: Known<table::Listener>,
}

/// What loggers are made of.
struct Made {
    files: LogFiles,
    /// Most chains have the same one, and a line is soonest made behind another of its format.
    formats: Vec<(LogFormat, Arc<Format>)>,
}

/// Each one's by its address; it is kept, so that the address stays its own.
struct Known<T>(HashMap<usize, Of<T>>);

struct Of<T> {
    _keep: Arc<T>,
    logs: Vec<(bool, AccessLog)>,
}

impl<T> Of<T> {
    fn log(&self, record: &Record<'_>) {
        for (only_no_route, log) in &self.logs {
            if !only_no_route || record.flags.contains(ResponseFlag::NoRouteFound) {
                log.log(record);
            }
        }
    }
}

/// Chains and listeners that went away are forgotten when so many are known.
const MOST: usize = 256;

impl Logs {
    /// None was asked for yet.
    pub(super) fn new(files: LogFiles) -> Self {
        let made = Made { files, formats: Vec::new() };
        Self { made, chains: Known(HashMap::new()), listeners: Known(HashMap::new()) }
    }

    /// Writes a record wherever the chain's settings say.
    pub(super) fn log(&mut self, chain: &Arc<table::Chain>, settings: &[Settings], record: &Record<'_>) {
        self.chains.log(chain, settings, record, &mut self.made);
    }

    /// Writes a record of what no chain of `listener` takes wherever that says.
    pub(super) fn log_unmatched(&mut self, listener: &Arc<table::Listener>, record: &Record<'_>) {
        self.listeners.log(listener, &listener.settings.access_log, record, &mut self.made);
    }
}

impl<T> Known<T> {
    fn log(&mut self, of: &Arc<T>, settings: &[Settings], record: &Record<'_>, made: &mut Made) {
        if settings.is_empty() {
            return;
        }
        let key = Arc::as_ptr(of).addr();
        if let Some(known) = self.0.get(&key) {
            return known.log(record);
        }
        if self.0.len() >= MOST {
            self.0.clear();
            made.formats.clear();
        }
        let known = Of { _keep: of.clone(), logs: made.all(settings) };
        known.log(record);
        self.0.insert(key, known);
    }
}

impl Made {
    fn all(&mut self, settings: &[Settings]) -> Vec<(bool, AccessLog)> {
        settings.iter().filter_map(|s| Some((s.only_no_route, self.make(s)?))).collect()
    }

    fn make(&mut self, settings: &Settings) -> Option<AccessLog> {
        let known = self.formats.iter().find(|(known, _)| *known == settings.format);
        let known = known.map(|(_, format)| format.clone());
        let format = match known {
            Some(format) => format,
            None => self.compile(&settings.format)?,
        };
        let file = self.files.open(Path::new(&settings.path));
        let file = file.inspect_err(|error| tracing::warn!(%error, "no access log")).ok()?;
        Some(AccessLog::new(format, file.lane()))
    }

    fn compile(&mut self, settings: &LogFormat) -> Option<Arc<Format>> {
        let hostname = std::env::var("HOSTNAME").unwrap_or_default();
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = Surroundings { hostname: &hostname, variable: &variable };
        let format = match settings {
            LogFormat::Text(text) if text.is_empty() => Ok(Format::istio()),
            LogFormat::Text(text) => Format::text(text, &surroundings),
            LogFormat::Json(fields) => {
                let object =
                    fields.iter().map(|(k, v)| (k.clone(), serde_json::Value::from(v.as_str()))).collect();
                Format::json(&serde_json::Value::Object(object), &surroundings)
            }
        };
        let format = format.inspect_err(|error| tracing::warn!(%error, "no access log")).ok()?;
        let format = Arc::new(format);
        self.formats.push((settings.clone(), format.clone()));
        Some(format)
    }
}
