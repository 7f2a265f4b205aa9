//! Access logs: files, in text or JSON.

use weft_model::access_log::{AccessLog, LogFormat};

use super::at::{At, Decoded, unpack};
use super::value::{Packed, message, packed};
use crate::pb::{Kind, Struct, accesslog, core, file_log};

const FILE: &str = "envoy.extensions.access_loggers.file.v3.FileAccessLog";

/// Those that write files; the others are noted.
pub(super) fn access_logs(at: &At<'_>, values: Vec<accesslog::AccessLog>) -> Decoded<Vec<AccessLog>> {
    let mut logs = Vec::new();
    for (n, value) in values.into_iter().enumerate() {
        logs.extend(access_log(&at.item("access_log", n), value)?);
    }
    Ok(logs)
}

fn access_log(at: &At<'_>, value: accesslog::AccessLog) -> Decoded<Option<AccessLog>> {
    let Some(accesslog::access_log::ConfigType::TypedConfig(any)) = value.config_type else {
        at.note("an access log without configuration writes nothing");
        return Ok(None);
    };
    let config = at.field("typed_config");
    let Packed::Message(FILE, bytes) = packed(&config, &any)? else {
        at.note("only access logs to files are written");
        return Ok(None);
    };
    let file: file_log::FileAccessLog = message(&config, bytes)?;
    if file.path.is_empty() {
        return Err(config.field("path").fault("it is empty"));
    }
    let format = format(&config, file.access_log_format)?;
    Ok(Some(AccessLog { path: file.path, format, only_no_route: only_no_route(at, value.filter) }))
}

fn only_no_route(at: &At<'_>, filter: Option<accesslog::AccessLogFilter>) -> bool {
    use accesslog::access_log_filter::FilterSpecifier;
    match filter.and_then(|filter| filter.filter_specifier) {
        None => false,
        Some(FilterSpecifier::ResponseFlagFilter(filter)) if filter.flags == ["NR"] => true,
        Some(_) => {
            at.field("filter").note("the filter has no effect: everything is logged");
            false
        }
    }
}

#[allow(deprecated, reason = "the older forms mean the same")]
fn format(at: &At<'_>, value: Option<file_log::file_access_log::AccessLogFormat>) -> Decoded<LogFormat> {
    use file_log::file_access_log::AccessLogFormat as Is;
    match value {
        None => Ok(LogFormat::Text(String::new())),
        Some(Is::Format(text)) => Ok(LogFormat::Text(text)),
        Some(Is::JsonFormat(value)) => Ok(json(&at.field("json_format"), value)),
        Some(Is::TypedJsonFormat(value)) => Ok(json(&at.field("typed_json_format"), value)),
        Some(Is::LogFormat(value)) => substitution(&at.field("log_format"), value),
    }
}

#[allow(deprecated, reason = "the older forms mean the same")]
fn substitution(at: &At<'_>, value: core::SubstitutionFormatString) -> Decoded<LogFormat> {
    use core::data_source::Specifier;
    use core::substitution_format_string::Format;
    unpack!(at, value, core::SubstitutionFormatString { format } else { omit_empty_values, content_type, formatters, json_format_options });
    match format {
        None => Ok(LogFormat::Text(String::new())),
        Some(Format::TextFormat(text)) => Ok(LogFormat::Text(text)),
        Some(Format::JsonFormat(value)) => Ok(json(&at.field("json_format"), value)),
        Some(Format::TextFormatSource(source)) => match source.specifier {
            Some(Specifier::InlineString(text)) => Ok(LogFormat::Text(text)),
            _ => Err(at.field("text_format_source").fault("the format must stand in place, as a string")),
        },
    }
}

/// A JSON object of operators, sorted by key as Envoy writes it.
fn json(at: &At<'_>, value: Struct) -> LogFormat {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(value.fields.len());
    for (key, value) in value.fields {
        match value.kind {
            Some(Kind::StringValue(operator)) => fields.push((key, operator)),
            _ => at.field(&key).note("only strings are written in a JSON log"),
        }
    }
    fields.sort();
    LogFormat::Json(fields)
}
