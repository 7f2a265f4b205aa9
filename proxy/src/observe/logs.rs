//! One worker's access logs: each format compiled once, each file opened once.

use std::path::Path;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use weft_model::access_log::{AccessLog as Settings, LogFormat};
use weft_model::table::chain as table;
use weft_telemetry::access_log::{AccessLog, Format, LogFiles, Surroundings};
use weft_telemetry::{Record, ResponseFlag};

/// The loggers of the chains that had something to log so far.
pub(super) struct Logs {
    files: LogFiles,
    /// Most chains have the same one, and a line is soonest made behind another of its format.
    formats: Vec<(LogFormat, Arc<Format>)>,
    /// By the chain's address; the chain is kept, so that the address stays its own.
    chains: HashMap<usize, Of<table::Chain>>,
    /// The same of listeners, where no chain was for a connection.
    listeners: HashMap<usize, Of<table::Listener>>,
}

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
        Self { files, formats: Vec::new(), chains: HashMap::new(), listeners: HashMap::new() }
    }

    /// Writes a record wherever the chain's settings say.
    pub(super) fn log(&mut self, chain: &Arc<table::Chain>, settings: &[Settings], record: &Record<'_>) {
        if settings.is_empty() {
            return;
        }
        let key = Arc::as_ptr(chain).addr();
        if let Some(known) = self.chains.get(&key) {
            return known.log(record);
        }
        if self.chains.len() >= MOST {
            self.chains.clear();
            self.formats.clear();
        }
        let known = Of { _keep: chain.clone(), logs: self.all(settings) };
        known.log(record);
        self.chains.insert(key, known);
    }

    /// Writes a record of what no chain of `listener` takes wherever that says.
    pub(super) fn log_unmatched(&mut self, listener: &Arc<table::Listener>, record: &Record<'_>) {
        let settings = &listener.settings.access_log;
        let key = Arc::as_ptr(listener).addr();
        if settings.is_empty() {
            return;
        }
        if !self.listeners.contains_key(&key) {
            if self.listeners.len() >= MOST {
                self.listeners.clear();
            }
            let known = Of { _keep: listener.clone(), logs: self.all(settings) };
            self.listeners.insert(key, known);
        }
        if let Some(known) = self.listeners.get(&key) {
            known.log(record);
        }
    }

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
