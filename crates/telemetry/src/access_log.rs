//! Access logs in Envoy's format strings, written by another thread.
//!
//! A [`Format`] is compiled once from the configuration; a [`LogFile`] is opened once for a path; each worker
//! takes a [`LogLane`] of it and joins both to an [`AccessLog`]. Logging a record formats it into the lane's
//! buffer, nothing more: a slow disk or a blocked pipe costs lines, which are counted, but never a request's
//! time.
//!
//! Whatever a stranger sent is escaped: no value can end a line, leave its quotes or bring control bytes to a
//! terminal.

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

/// Istio's default format, without its line end.
pub const ISTIO_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
    %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";

/// weft's fields in JSON: Istio's names, then who called whom and, in plain words, why it went as it did.
pub const WEFT_JSON_FORMAT: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("reason", "%REASON%"),
    ("policy", "%POLICY%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("trace_id", "%TRACE_ID%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("grpc_status", "%GRPC_STATUS_NUMBER%"),
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("reporter", "%REPORTER%"),
    ("source_workload", "%SOURCE_WORKLOAD%"),
    ("source_principal", "%SOURCE_PRINCIPAL%"),
    ("destination_workload", "%DESTINATION_WORKLOAD%"),
    ("destination_principal", "%DESTINATION_PRINCIPAL%"),
    ("connection_security", "%CONNECTION_SECURITY%"),
];

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
