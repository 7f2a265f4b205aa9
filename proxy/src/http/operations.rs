//! Header operations of routes: remove, then set, append, add; with the few command operators that make sense at a hop.

use weft_http1::{Headers, InvalidHeader};
use weft_model::route::{HeaderAction, HeaderOperations, HeaderValueOption};

use crate::connection::Conn;

/// Applies the request's part.
///
/// # Errors
/// If a value is no header value.
pub fn on_request(
    operations: &HeaderOperations,
    headers: &mut Headers,
    conn: &Conn,
) -> Result<(), InvalidHeader> {
    apply(&operations.request_remove, &operations.request_set, headers, conn)
}

/// Applies the response's part.
///
/// # Errors
/// If a value is no header value.
pub fn on_response(
    operations: &HeaderOperations,
    headers: &mut Headers,
    conn: &Conn,
) -> Result<(), InvalidHeader> {
    apply(&operations.response_remove, &operations.response_set, headers, conn)
}

fn apply(
    remove: &[String],
    set: &[HeaderValueOption],
    headers: &mut Headers,
    conn: &Conn,
) -> Result<(), InvalidHeader> {
    for name in remove {
        headers.remove(name);
    }
    for option in set {
        let value = expand(&option.value, headers, conn);
        // `:authority` is Host here; other pseudo headers cannot be set.
        let name = if option.name.eq_ignore_ascii_case(":authority") { "host" } else { option.name.as_str() };
        match option.action {
            HeaderAction::Append => headers.append(name, value)?,
            HeaderAction::Overwrite => headers.set(name, value)?,
            HeaderAction::AddIfAbsent if !headers.contains(name) => headers.append(name, value)?,
            HeaderAction::OverwriteIfPresent if headers.contains(name) => headers.set(name, value)?,
            HeaderAction::AddIfAbsent | HeaderAction::OverwriteIfPresent => {}
        }
    }
    Ok(())
}

/// `%REQ(x)%`, `%DOWNSTREAM_REMOTE_ADDRESS%` and their like; an unknown operator stands for itself, `%%` for `%`.
fn expand(value: &str, headers: &Headers, conn: &Conn) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find('%') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let Some(end) = rest.find('%') else {
            out.push('%');
            break;
        };
        let operator = &rest[..end];
        rest = &rest[end + 1..];
        match operator {
            "" => out.push('%'),
            "DOWNSTREAM_REMOTE_ADDRESS" => out.push_str(&conn.source.to_string()),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => out.push_str(&conn.source.ip().to_string()),
            "DOWNSTREAM_LOCAL_ADDRESS" => out.push_str(&conn.destination.to_string()),
            "DOWNSTREAM_PEER_URI_SAN" => {
                out.push_str(&conn.names.as_ref().map_or(String::new(), |n| n.uris.join(",")))
            }
            "REQUESTED_SERVER_NAME" => out.push_str(&conn.sni),
            _ => match operator.strip_prefix("REQ(").and_then(|r| r.strip_suffix(')')) {
                Some(name) => out.push_str(headers.text(name).unwrap_or_default()),
                None => {
                    out.push('%');
                    out.push_str(operator);
                    out.push('%');
                }
            },
        }
    }
    out.push_str(rest);
    out
}
