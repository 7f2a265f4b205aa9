//! The routes of one port of a service.

use weft_model::route::Route;

use super::Proxy;
use super::routes::default_route;
use crate::world::service::{Port, Service};

/// The routes of `port` as `proxy` sees it.
pub(crate) fn routes(proxy: &Proxy<'_>, service: &Service, port: &Port) -> Vec<Route> {
    vec![default_route(proxy, service, port)]
}
