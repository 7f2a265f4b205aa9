//! The processes' own logs: what they do and what is wrong, for people and for machines.
//!
//! Levels go by target and can be changed while the process runs, as Envoy's `/logging` does. Everything goes
//! to standard error: standard output belongs to access logs.

use std::fmt;
use std::io::{self, IsTerminal};

use parking_lot::Mutex;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

/// In what shape lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogShape {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why levels are not understood, or a log cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Not a level.
    #[error("{0:?} is no log level: there are trace, debug, info, warning, error and off")]
    Level(String),
    /// Not a target.
    #[error("{0:?} is no log target: write a module's name like weft_proxy or weft_xds::client")]
    Target(String),
    /// Too many.
    #[error("more than {MAX_TARGETS} targets with levels of their own")]
    TooMany,
    /// Somebody was first.
    #[error("this process has a log already: it is to be started once, in main")]
    Started,
}

const MAX_TARGETS: usize = 100;

/// Levels by target: `info`, or `warn,weft_proxy=debug`. The longest target that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    default: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
}

/// Changes the levels of a log that runs.
#[derive(Debug)]
pub struct LogControl {
    levels: Mutex<Levels>,
    handle: reload::Handle<Targets, Registry>,
}

/// Starts the log of this process. Panics are logged too, whichever thread they happen on.
pub fn start(shape: LogShape, levels: Levels) -> Result<LogControl, LogError> {
    let colour = io::stderr().is_terminal();
    let (subscriber, control) = build(shape, levels, io::stderr, colour);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Started)?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("without a message");
        tracing::error!(
            thread = thread.name().unwrap_or("unnamed"),
            place,
            panic = what,
            "a panic: a bug in weft"
        );
    }));
    Ok(control)
}

fn build<W>(
    shape: LogShape,
    levels: Levels,
    writer: W,
    colour: bool,
) -> (impl Subscriber + Send + Sync, LogControl)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(levels.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    let lines = match shape {
        LogShape::Text => lines.boxed(),
        LogShape::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    (subscriber, LogControl { levels: Mutex::new(levels), handle })
}

impl LogControl {
    /// The levels now.
    pub fn levels(&self) -> Levels {
        self.levels.lock().clone()
    }

    /// Replaces all levels.
    pub fn set(&self, levels: Levels) {
        let mut now = self.levels.lock();
        // It fails only when the subscriber is gone, and then there is nothing to filter.
        let _ = self.handle.reload(levels.filter());
        *now = levels;
    }

    /// Does what the query of Envoy's `POST /logging` asks: `level=debug` for everything,
    /// `paths=a:debug,b:info` or `a=debug` for targets; nothing at all only asks. Answers with the levels
    /// that are then in force.
    pub fn apply_query(&self, query: &str) -> Result<Levels, LogError> {
        let mut levels = self.levels();
        for (key, value) in query.split('&').filter(|pair| !pair.is_empty()).map(split_pair) {
            match key {
                "level" => levels = Levels::all(parse_level(value)?),
                "paths" => {
                    for path in value.split(',') {
                        // The last colon: targets have colons of their own.
                        let (target, level) =
                            path.rsplit_once(':').ok_or_else(|| LogError::Level(path.to_owned()))?;
                        levels.set_target(target, parse_level(level)?)?;
                    }
                }
                target => levels.set_target(target, parse_level(value)?)?,
            }
        }
        self.set(levels.clone());
        Ok(levels)
    }
}

fn split_pair(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

impl Levels {
    /// One level for everything.
    pub const fn all(level: LevelFilter) -> Self {
        Self { default: level, targets: Vec::new() }
    }

    fn set_target(&mut self, target: &str, level: LevelFilter) -> Result<(), LogError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
        if target.is_empty() || target.len() > 100 || !target.chars().all(valid) {
            return Err(LogError::Target(target.chars().take(100).collect()));
        }
        if let Some((_, now)) = self.targets.iter_mut().find(|(known, _)| known == target) {
            *now = level;
            return Ok(());
        }
        if self.targets.len() >= MAX_TARGETS {
            return Err(LogError::TooMany);
        }
        self.targets.push((target.to_owned(), level));
        Ok(())
    }

    fn filter(&self) -> Targets {
        Targets::new().with_default(self.default).with_targets(self.targets.iter().cloned())
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self::all(LevelFilter::INFO)
    }
}

impl std::str::FromStr for Levels {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let mut levels = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None => levels.default = parse_level(part)?,
                Some((target, level)) => levels.set_target(target.trim(), parse_level(level.trim())?)?,
            }
        }
        Ok(levels)
    }
}

/// The crate that tracing uses would read a mistyped level as a target's name and switch everything else off.
fn parse_level(level: &str) -> Result<LevelFilter, LogError> {
    match level.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "info" => Ok(LevelFilter::INFO),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "error" | "critical" => Ok(LevelFilter::ERROR),
        "off" => Ok(LevelFilter::OFF),
        _ => Err(LogError::Level(level.chars().take(100).collect())),
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

#[cfg(test)]
mod tests;
