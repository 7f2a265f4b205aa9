//! A pair of pods and what their sidecars write, for the tests.

use super::names::Names;
use crate::up::plan::Plan;
use serde_json::json;

/// web-1 at 127.64.1.1 and fd00::1, api-1 at 127.64.2.1 and fd00::2.
pub(super) fn names() -> Names {
    let pod = |name: &str, block: u8| {
        json!({
            "name": name, "namespace": "shop", "kind": "Deployment", "workload": name, "service_account": "default",
            "services": [], "labels": {}, "annotations": {}, "address": format!("127.64.{block}.1"),
            "localhost": format!("127.64.{block}.2"), "sidecar": true, "containers": [], "ports": [], "tcp": {},
            "environment": [], "rewritten": [], "ready": true, "template": "", "six": format!("fd00::{block}"),
        })
    };
    let pods = [pod("web-1", 1), pod("api-1", 2)].map(|pod| serde_json::from_value(pod).unwrap());
    Names::of(&Plan { pods: pods.to_vec(), ..Plan::default() })
}

/// A GET of web-1 at api-1, as one of their sidecars writes it.
pub(super) fn entry(reporter: &str, id: &str, millisecond: u32, code: u16) -> String {
    let (local, remote, upstream) = match reporter {
        "source" => ("127.64.1.2:15007", "127.0.0.1:40000", "127.64.2.1:8000"),
        _ => ("127.64.2.1:8000", "127.64.1.1:40001", "127.64.2.2:8000"),
    };
    json!({
        "start_time": format!("2026-01-01T12:00:00.{millisecond:03}Z"), "reporter": reporter, "method": "GET",
        "path": "/x", "protocol": "HTTP/1.1", "response_code": code, "response_flags": "-",
        "response_code_details": "via_upstream", "reason": null, "policy": null, "bytes_received": 5,
        "bytes_sent": 9, "duration": 7, "request_id": id, "authority": "api", "upstream_host": upstream,
        "upstream_cluster": "outbound|80||api.shop.svc.cluster.local", "downstream_local_address": local,
        "downstream_remote_address": remote, "grpc_status": null, "attempts": 1, "source_workload": "web-1",
        "destination_workload": "api-1",
    })
    .to_string()
}
