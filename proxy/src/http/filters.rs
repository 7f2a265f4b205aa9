//! What the filters before the router do with a request whose route is known, in Istio's order: faults on purpose, then
//! CORS. Each acts only where it stands in the listener's chain and the route speaks to it, whatever the route does then.

use weft_model::route::FaultAbort;
use weft_model::table::chain::HttpManager;
use weft_model::table::route::Route;
use weft_policy::cors::{self, Grant};
use weft_policy::fault;
use weft_telemetry::ResponseFlag;

use super::call::{Ledger, View};
use super::reply::Reply;

/// Asks them; what they have to say of the answer to come is noted in the ledger.
///
/// # Errors
/// The answer, where one of them answers itself. A delay holds it up like any other.
pub(super) fn ask(
    manager: &HttpManager,
    route: &Route,
    view: &View<'_>,
    ledger: &mut Ledger,
    rng: &mut impl rand::Rng,
) -> Result<(), Reply> {
    if let (Some(fault), true) = (&route.fault, manager.filters.fault) {
        let injected = fault::decide(fault, rng);
        ledger.delay = injected.delay;
        if let Some(abort) = injected.abort {
            return Err(aborted(abort));
        }
    }
    if let (Some(policy), true) = (&route.cors, manager.filters.cors) {
        match cors::decide(policy, view) {
            cors::Decision::Nothing => {}
            cors::Decision::Granted(grant) => ledger.granted = headers(&grant),
            cors::Decision::Preflight(grant) => {
                let mut reply = Reply::new(200, "", "cors_response");
                reply.headers = headers(&grant);
                return Err(reply);
            }
            cors::Decision::Withheld => return Err(Reply::new(200, "", "cors_response")),
        }
    }
    Ok(())
}

fn headers(grant: &Grant<'_>) -> Vec<(&'static str, String)> {
    grant.headers().map(|(name, value)| (name, value.to_owned())).collect()
}

fn aborted(abort: FaultAbort) -> Reply {
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
        .because("the route injects this fault on purpose (VirtualService fault.abort)")
}
