//! Access logs in Envoy's format strings, written by another thread.
//!
//! A [`Format`] is compiled once from the configuration; a [`LogFile`] is opened once for a path; each worker
//! takes a [`LogLane`] of it and joins both to an [`AccessLog`]. Logging a record formats it into the lane's
//! buffer, nothing more: a slow disk or a blocked pipe costs lines, which are counted, but never a request's
//! time.
//!
//! Whatever a stranger sent is escaped: no value can end a line, leave its quotes or bring control bytes to a
//! terminal.
//!
//! In one point the operators differ from Envoy's: `%REQ(X-ENVOY-ORIGINAL-PATH)%` is the path before a rewrite by this
//! proxy, never a header of that name that came with the request. With Istio's `%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%` a
//! client could otherwise choose the path under which it is logged.

mod escape;
mod file;
mod format;
mod json;
mod operator;
mod parse;
mod text;
mod time;
mod value;

use std::sync::Arc;

use crate::record::Record;

pub use file::{LogFile, LogFileError, LogFiles, LogLane};
pub use format::{Format, FormatError, Needs, Surroundings};

/// One worker's way to one log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: Arc<Format>,
    lane: LogLane,
}

impl AccessLog {
    /// Writes records in `format` into `lane`.
    pub fn new(format: Arc<Format>, lane: LogLane) -> Self {
        Self { format, lane }
    }

    /// Logs one record; returns at once.
    pub fn log(&self, record: &Record<'_>) {
        self.lane.write(|buffer| self.format.write(record, buffer));
    }
}

#[cfg(test)]
mod tests;
