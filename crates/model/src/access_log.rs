//! Access log settings: `envoy.extensions.access_loggers.file.v3` and its formats.

/// One access logger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where it writes; `/dev/stdout` is the process's own output.
    pub path: String,
    /// How a line looks.
    pub format: LogFormat,
    /// A `response_flag_filter` on `NR`, which Istio puts on listeners: only unroutable connections are logged.
    pub only_no_route: bool,
}

/// How a line looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// Envoy's command operators in a text; empty: the default of the field.
    Text(String),
    /// A JSON object of operators, in the order given.
    Json(Vec<(String, String)>),
}
