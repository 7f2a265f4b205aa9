use super::super::request::Join;
use super::super::sample::{entry, names};
use super::*;
use serde_json::{Value, json};

/// web-1's call of api-1's service, as web-1's sidecar alone tells it.
fn told(change: impl Fn(&mut Value)) -> Request {
    let mut line: Value = serde_json::from_str(&entry("source", "r", 0, 503)).unwrap();
    change(&mut line);
    let mut join = Join::new(names());
    assert!(join.add("web-1", &line.to_string()));
    join.take_but(0).remove(0)
}

fn whom(pods: &[&str], services: &[&str]) -> Whom {
    let set = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect();
    Whom { pods: set(pods), all: set(&["web-1", "api-1", "api-2"]), services: set(services) }
}

fn api() -> Whom {
    whom(&["api-1"], &["api.shop.svc.cluster.local"])
}

fn other() -> Whom {
    whom(&["api-2"], &["api.shop.svc.cluster.local"])
}

#[test]
fn a_call_that_reached_no_pod_is_one_to_the_workload_behind_the_service() {
    let nobody = told(|line| {
        line["upstream_host"] = Value::Null;
        line["destination_workload"] = Value::Null;
    });
    assert!(api().takes_part(&nobody) && other().takes_part(&nobody));
    assert!(whom(&["web-1"], &[]).takes_part(&nobody), "its caller's it stays");
    assert!(!whom(&["api-1"], &["cart.shop.svc.cluster.local"]).takes_part(&nobody));
    let subset = told(|line| {
        line["upstream_host"] = Value::Null;
        line["destination_workload"] = Value::Null;
        line["upstream_cluster"] = json!("outbound|80|v1|api.shop.svc.cluster.local");
    });
    assert!(api().takes_part(&subset));
}

#[test]
fn a_call_that_broke_off_at_a_pods_door_is_that_pods_and_not_the_next_ones() {
    let broken = told(|_| {});
    assert!(api().takes_part(&broken));
    assert!(!other().takes_part(&broken));
}

#[test]
fn a_call_of_before_is_one_to_a_workload_whose_pods_are_gone() {
    let gone = told(|line| {
        line["upstream_host"] = json!("127.64.9.1:8000");
        line["destination_workload"] = json!("api");
    });
    assert!(whom(&[], &["api.shop.svc.cluster.local"]).takes_part(&gone));
}

#[test]
fn where_the_route_answers_the_name_that_was_called_tells() {
    let answered = |authority: &str| {
        told(|line| {
            for field in ["upstream_host", "upstream_cluster", "destination_workload"] {
                line[field] = Value::Null;
            }
            line["authority"] = json!(authority);
        })
    };
    for name in ["api", "API:80", "api.shop", "api.shop.svc:80", "api.shop.svc.cluster.local."] {
        assert!(api().takes_part(&answered(name)), "{name}");
    }
    for name in ["apis", "api.blog", "shop", "svc"] {
        assert!(!api().takes_part(&answered(name)), "{name}");
    }
    let outside = whom(&[], &["api.example.org"]);
    assert!(outside.takes_part(&answered("api.example.org:443")));
}
