//! May a request pass? What its head becomes first, and then what authorization says of exactly that head.

use std::borrow::Cow;

use rand::rngs::SmallRng;
use weft_http1::{Refusal, RequestHead, Scheme, Upgrade, Version, strip_hop_by_hop, upgrade_tokens};
use weft_model::http::JwtAuthn;
use weft_model::listener::Direction;
use weft_model::request::Connection;
use weft_model::table::chain::HttpManager;
use weft_model::table::path_alone;
use weft_policy::authorize::{self, Denial, Lacks, Near, Note, Outcome, Verdict};
use weft_policy::path::{self, Normalized};
use weft_telemetry::ResponseFlag;

use super::call::{Call, Ledger, View};
use super::reply::Reply;
use super::{hop, upgrade};
use crate::connection::Conn;

/// Makes the head what it will be at the next hop: one host, one path, no header of this hop.
///
/// # Errors
/// The answer to a request that has no unambiguous meaning.
// What it calls is to be a part of it, not it of its one caller, where that would all be calls.
#[inline(never)]
pub fn prepare(conn: &Conn, manager: &HttpManager, call: &mut Call, rng: &mut SmallRng) -> Result<(), Reply> {
    let head = &mut call.request;
    let named = head.to_origin_form().map_err(Reply::bad_request)?;
    if named == Some(Scheme::Https) && conn.direction == Direction::Outbound && !conn.tls {
        // It would go on to the host's port for clear text, which the app did not ask for.
        return Err(Reply::new(400, "", "https_in_clear_text").because(
            "an https URL came to the HTTP proxy in clear text, where nobody encrypts it; use CONNECT for https",
        ));
    }
    let settings = &manager.settings;
    if head.authority().is_empty() && head.version == Version::Http10 {
        // HTTP/1.0 may say no host; the next hop speaks HTTP/1.1 and must be told one.
        let here = conn.destination.to_string();
        head.headers.set("host", here).map_err(|_| Reply::bad_request(Refusal::HostInvalid))?;
    }
    let upgrade = allowed_upgrade(head, manager);
    strip_hop_by_hop(&mut head.headers, if upgrade.is_some() { Upgrade::Keep } else { Upgrade::Drop });
    if let Some(token) = upgrade {
        // Of several protocols offered the upstream may choose but what is allowed here.
        head.headers.set("upgrade", token).map_err(|_| Reply::bad_request(Refusal::InvalidHeaderValue))?;
    }
    if head.method() != "CONNECT" && head.target() != "*" {
        match path::normalize(head.target(), settings.path) {
            Normalized::Forward(Cow::Borrowed(same)) if same.len() == head.target().len() => {}
            Normalized::Forward(path) => {
                let path = path.into_owned();
                head.set_target(&path).map_err(Reply::bad_request)?;
            }
            Normalized::Redirect(to) => {
                let mut reply = Reply::new(307, "", "path_normalization_redirect");
                reply.headers.push(("location", to));
                return Err(reply);
            }
            Normalized::Reject(why) => {
                return Err(Reply::new(400, "", "path_normalization_failed").because(why));
            }
        }
    }
    let mut own = conn.worker.svid.borrow_mut();
    let own_uri = own.load().and_then(|svid| svid.names.uris.first()).map_or("", String::as_str);
    let hop = hop::Hop {
        manager: settings,
        tls: conn.tls,
        peer: conn.names.as_deref(),
        own_uri,
        element: &conn.element,
        source: conn.source.ip(),
    };
    call.ledger.remote = Some(hop::remote(head, settings, conn.source.ip()));
    hop::on_request(head, &hop, rng).map_err(|_| Reply::bad_request(Refusal::InvalidHeaderValue))
}

/// Which of the upgrades asked for does this listener pass on? Unknown tokens are ignored, as RFC 9110 has it.
fn allowed_upgrade(head: &RequestHead, manager: &HttpManager) -> Option<String> {
    let asked = || upgrade_tokens(&head.headers).find(|token| upgrade::is_allowed(manager, token));
    let token = if head.version == Version::Http11 { asked() } else { None };
    token.map(|token| String::from_utf8_lossy(token).into_owned())
}

/// Asks the connection manager's filters.
///
/// # Errors
/// The refusal, which names the policy to the log and nothing to the client.
pub fn authorize(conn: &Conn, manager: &HttpManager, call: &mut Call, scheme: &str) -> Result<(), Reply> {
    let outcome = ask(conn, manager, &call.request, &call.ledger, scheme)?;
    for note in &outcome.notes {
        match note {
            Note::Logged { policy } => {
                tracing::info!(target: "audit", policy, path = call.request.target(), "AUDIT policy matches")
            }
            Note::Shadow { prefix, allowed, policy } => {
                tracing::debug!(target: "audit", prefix, allowed, policy, "dry run");
            }
        }
    }
    match outcome.verdict {
        Verdict::Allowed { policy } => {
            call.ledger.policy = policy.map(str::to_owned);
            Ok(())
        }
        Verdict::Denied(denial) => Err(denied(&denial, conn, &call.request, &call.ledger, scheme)),
    }
}

/// Asks them again about a request that was admitted as `head`.
///
/// # Errors
/// The refusal that it would meet now.
pub(super) fn again(
    conn: &Conn,
    manager: &HttpManager,
    head: &RequestHead,
    ledger: &Ledger,
) -> Result<(), Reply> {
    match ask(conn, manager, head, ledger, scheme(head))?.verdict {
        Verdict::Allowed { .. } => Ok(()),
        Verdict::Denied(denial) => Err(denied(&denial, conn, head, ledger, scheme(head))),
    }
}

/// The scheme by which the client asked, which every admitted head tells.
pub(super) fn scheme(head: &RequestHead) -> &'static str {
    if head.headers.text("x-forwarded-proto") == Some("https") { "https" } else { "http" }
}

fn ask<'a>(
    conn: &Conn,
    manager: &'a HttpManager,
    head: &RequestHead,
    ledger: &Ledger,
    scheme: &str,
) -> Result<Outcome<'a>, Reply> {
    if let Some(why) = &manager.refuse {
        return Err(Reply::new(500, "", "filter_not_honoured").because(why.to_string()));
    }
    if let Some(jwt) = &manager.jwt
        && carries_token(jwt, head)
    {
        let mut reply = Reply::new(401, "Jwt verification is not available", "jwt_authn_access_denied{not_available}")
            .flag(ResponseFlag::UnauthorizedExternalService)
            .because("a RequestAuthentication asks for tokens to be verified, which is not done yet: any token is refused");
        reply.headers.push(("www-authenticate", "Bearer error=\"invalid_token\"".into()));
        return Err(reply);
    }
    Ok(authorize::request(&manager.gates, &View { head, scheme }, &facts(conn, ledger)))
}

/// What is known of the connection, with whom the request says it comes from.
fn facts<'a>(conn: &'a Conn, ledger: &Ledger) -> Connection<'a> {
    let facts = conn.facts();
    Connection { remote: ledger.remote.unwrap_or(facts.remote), ..facts }
}

fn denied(denial: &Denial<'_>, conn: &Conn, head: &RequestHead, ledger: &Ledger, scheme: &str) -> Reply {
    let who = conn.names.as_ref().and_then(|n| n.uris.first()).map_or("nobody proven", String::as_str);
    let matched = match denial {
        Denial::Policy { policy } | Denial::Undecided { policy, .. } => *policy,
        Denial::NoneMatched { .. } | Denial::Custom { .. } => "none",
    };
    let near = match denial {
        Denial::NoneMatched { policies } => {
            authorize::near(*policies, &View { head, scheme }, &facts(conn, ledger))
        }
        _ => None,
    };
    let near = near.map(|near| but_for(&near, head)).unwrap_or_default();
    let mut reply =
        Reply::new(403, "RBAC: access denied", format!("rbac_access_denied_matched_policy[{matched}]"));
    reply.policy = Some(matched.into());
    let why = format!("{denial}{near}; the caller is {who}");
    reply.flag(ResponseFlag::UnauthorizedExternalService).because(why)
}

/// What a rule that nearly matched did not allow.
fn but_for(near: &Near<'_>, head: &RequestHead) -> String {
    const LONGEST: usize = 80;
    let all = format!("{} {}", head.method(), path_alone(head.target()));
    let shown: String = all.chars().take(LONGEST).collect();
    let rest = if shown.len() < all.len() { "..." } else { "" };
    // Names of policies have brackets, and a stranger's path shall not look like one.
    let (policy, what) = (near.policy, shown.replace('[', "%5B") + rest);
    match near.lacks {
        Lacks::Permission => {
            format!(": {policy} allows this caller, but its `to` or `when` does not hold for {what}")
        }
        Lacks::Principal => {
            format!(": {policy} allows {what}, but its `from` or `when` does not hold for this caller")
        }
    }
}

/// Does a request bring a token in one of the places where the rules look for one?
fn carries_token(jwt: &JwtAuthn, head: &RequestHead) -> bool {
    let bearer = |name: &str, prefix: &str| {
        let starts = |value: &[u8]| {
            value.len() >= prefix.len() && value[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
        };
        head.headers.get_all(name).any(starts)
    };
    let query = head.target().split_once('?').map_or("", |(_, query)| query);
    let param = |name: &str| query.split('&').any(|p| p.split('=').next() == Some(name));
    jwt.providers.iter().any(|provider| {
        let anywhere = provider.from_headers.is_empty() && provider.from_params.is_empty();
        (anywhere && (bearer("authorization", "Bearer ") || param("access_token")))
            || provider.from_headers.iter().any(|(name, prefix)| bearer(name, prefix))
            || provider.from_params.iter().any(|name| param(name))
            || (!provider.from_cookies.is_empty() && head.headers.contains("cookie"))
    })
}
