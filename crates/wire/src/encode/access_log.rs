//! Access logs: files, in text or JSON.

use weft_model::access_log::{AccessLog, LogFormat};

use super::value::{inline, json_object, json_text, pack};
use crate::pb::{accesslog, core, file_log};

pub(crate) fn access_logs(values: &[AccessLog]) -> Vec<accesslog::AccessLog> {
    values.iter().map(access_log).collect()
}

fn access_log(value: &AccessLog) -> accesslog::AccessLog {
    use accesslog::access_log_filter::FilterSpecifier;
    let file = file_log::FileAccessLog { path: value.path.clone(), access_log_format: format(&value.format) };
    let no_route = accesslog::ResponseFlagFilter { flags: vec!["NR".to_owned()] };
    let filter =
        accesslog::AccessLogFilter { filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(no_route)) };
    accesslog::AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        filter: value.only_no_route.then_some(filter),
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(pack(&file))),
    }
}

fn format(value: &LogFormat) -> Option<file_log::file_access_log::AccessLogFormat> {
    use core::substitution_format_string::Format;
    let format = match value {
        LogFormat::Text(text) if text.is_empty() => return None,
        LogFormat::Text(text) => Format::TextFormatSource(inline(text)),
        LogFormat::Json(fields) => {
            Format::JsonFormat(json_object(fields.iter().map(|(key, operator)| (key, json_text(operator)))))
        }
    };
    let format = core::SubstitutionFormatString { format: Some(format), ..Default::default() };
    Some(file_log::file_access_log::AccessLogFormat::LogFormat(format))
}
