//! What the filters before the router do with a request whose route is known: rate limits, then in Istio's order faults
//! on purpose and CORS. Each acts only where it stands in the listener's chain and the route speaks to it, whatever the route does then.

use std::time::Instant;

use weft_model::limit::TokenBucket;
use weft_model::route::FaultAbort;
use weft_model::table::chain::HttpManager;
use weft_model::table::limit::Limit;
use weft_model::table::route::Route;
use weft_policy::cors::{self, Grant};
use weft_policy::route::falls_in;
use weft_policy::{fault, limit};
use weft_telemetry::ResponseFlag;

use super::call::{Ledger, View};
use super::exchange::called;
use super::reply::Reply;

/// Asks them; what they have to say of the answer to come is noted in the ledger. The process `began` then.
///
/// # Errors
/// The answer, where one of them answers itself. A delay holds it up like any other.
pub(super) fn ask(
    manager: &HttpManager,
    route: &Route,
    view: &View<'_>,
    ledger: &mut Ledger,
    began: Instant,
    rng: &mut impl rand::Rng,
) -> Result<(), Reply> {
    if manager.filters.limit
        && !route.unlimited
        && let Some(limit) = route.limit.as_ref().or(manager.limit.as_ref())
    {
        limited(limit, ledger, began, rng)?;
    }
    if let (Some(fault), true) = (&route.fault, manager.filters.fault) {
        let injected = fault::decide(fault, rng);
        ledger.delay = injected.delay;
        if let Some(abort) = injected.abort {
            return Err(aborted(abort, &route.name));
        }
    }
    if let (Some(policy), true) = (&route.cors, manager.filters.cors) {
        match cors::decide(policy, view) {
            cors::Decision::Nothing => {}
            cors::Decision::Granted(grant) => ledger.said.granted.extend(headers(&grant)),
            cors::Decision::Preflight(grant) => {
                return Err(preflight(
                    &grant,
                    "the preflight is answered by its route (VirtualService corsPolicy)",
                ));
            }
            cors::Decision::Withheld(grant) => {
                let why =
                    "the preflight's origin is not among those of its route (VirtualService corsPolicy)";
                return Err(preflight(&grant, why));
            }
        }
    }
    Ok(())
}

/// Takes a token from a bucket, or refuses in Envoy's words.
fn limited(
    limit: &Limit,
    ledger: &mut Ledger,
    began: Instant,
    rng: &mut impl rand::Rng,
) -> Result<(), Reply> {
    let settings = &limit.settings;
    if !falls_in(settings.enabled, rng) {
        return Ok(());
    }
    let taken = limit::take(&limit.bucket, &limit.left, ledger.start.duration_since(began));
    if settings.headers {
        ledger.said.limit = Some((limit.bucket.max_tokens, taken));
    }
    if taken.passes || !falls_in(settings.enforced, rng) {
        return Ok(());
    }
    let TokenBucket { max_tokens, tokens_per_fill, fill_interval } = limit.bucket;
    let mut reply = Reply::new(settings.status, "local_rate_limited", "local_rate_limited")
        .flag(ResponseFlag::RateLimited)
        .because(format!(
            "the local rate limit {} is reached: {max_tokens} at once, {tokens_per_fill} more every {fill_interval:?}",
            settings.stat_prefix
        ));
    reply.grpc = Some(if settings.resource_exhausted { 8 } else { 14 });
    Err(reply)
}

fn preflight(grant: &Grant<'_>, why: &'static str) -> Reply {
    let mut reply = Reply::new(200, "", "cors_response").because(why);
    reply.headers = headers(grant).collect();
    reply
}

fn headers(grant: &Grant<'_>) -> impl Iterator<Item = (&'static str, String)> {
    grant.headers().map(|(name, value)| (name, value.to_owned()))
}

fn aborted(abort: FaultAbort, route: &str) -> Reply {
    let reply = match abort {
        FaultAbort::Http(status) => Reply::new(status, "fault filter abort", "fault_filter_abort"),
        FaultAbort::Grpc(status) => {
            let mut reply = Reply::new(200, "fault filter abort", "fault_filter_abort");
            reply.grpc = u8::try_from(status).ok();
            reply
        }
    };
    reply
        .flag(ResponseFlag::FaultInjected)
        .because(format!("{} injects this fault on purpose (VirtualService fault.abort)", called(route)))
}
