//! When a request is tried again.

use std::time::Duration;

use weft_model::route::RetryPolicy;

use super::*;

fn policy(retries: &str) -> Option<RetryPolicy> {
    let service = http(&format!("[{{route: [{{destination: {{host: a}}}}], retries: {retries}}}]"));
    forward(&routes(&service)[0]).retry.clone()
}

#[test]
fn by_default_twice_and_only_what_cannot_have_reached_the_app() {
    let default = retry_policy(None, false).unwrap();
    assert_eq!(default.num_retries, Some(2));
    assert_eq!(default.retry_on, "connect-failure,refused-stream,retriable-status-codes");
    assert!(default.retriable_status_codes.is_empty());
    assert!(default.avoid_previous_hosts);
    assert_eq!(default.host_selection_max_attempts, Some(5));
}

#[test]
fn what_may_execute_a_call_twice_is_tried_again_only_where_it_is_written() {
    let silent = policy("{attempts: 3}").unwrap();
    assert!(!silent.retry_on.contains("unavailable") && !silent.retry_on.contains("cancelled"));
    let istios = "connect-failure,refused-stream,unavailable,cancelled,503";
    let said = policy(&format!("{{attempts: 3, retryOn: '{istios}'}}")).unwrap();
    assert_eq!(said.retry_on, "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes");
}

#[test]
fn no_attempts_never_retry() {
    assert_eq!(policy("{attempts: 0}"), None);
}

#[test]
fn what_is_written_replaces_the_default_and_the_rest_stays() {
    let written = policy("{attempts: 3, perTryTimeout: 2s, backoff: 100ms, retryRemoteLocalities: true, retryIgnorePreviousHosts: false}").unwrap();
    let expected = RetryPolicy {
        num_retries: Some(3),
        per_try_timeout: Some(Duration::from_secs(2)),
        back_off_base: Some(Duration::from_millis(100)),
        avoid_previous_priorities: Some(2),
        avoid_previous_hosts: false,
        ..retry_policy(None, false).unwrap()
    };
    assert_eq!(written, expected);
}

#[test]
fn numbers_are_statuses() {
    let cases: [(&str, &str, &[u16]); 5] = [
        ("5xx,reset", "5xx,reset", &[]),
        ("gateway-error, 503 ,429", "gateway-error,retriable-status-codes", &[503, 429]),
        ("503", "retriable-status-codes", &[503]),
        ("retriable-status-codes,503", "retriable-status-codes", &[503]),
        ("5xx,599", "5xx,599", &[]),
    ];
    for (on, reasons, statuses) in cases {
        let written = policy(&format!("{{attempts: 1, retryOn: \"{on}\"}}")).unwrap();
        assert_eq!(
            (written.retry_on.as_str(), &written.retriable_status_codes[..]),
            (reasons, statuses),
            "{on}"
        );
    }
}

#[test]
fn the_meshs_own_default_counts_where_a_route_says_nothing() {
    let retries = crate::resources::virtual_service::Retries { attempts: 7, ..Default::default() };
    let mesh = MeshConfig { default_http_retry_policy: Some(retries), ..MeshConfig::default() };
    let default = default_route("a", 80, Vec::new(), &mesh);
    assert_eq!(forward(&default).retry.as_ref().unwrap().num_retries, Some(7));
    let proxy = Proxy { mesh, ..sidecar() };
    let silent = proxy.routes(&http("[{route: [{destination: {host: a}}]}]"));
    assert_eq!(forward(&silent[0]).retry.as_ref().unwrap().num_retries, Some(7));
    let said = proxy.routes(&http("[{route: [{destination: {host: a}}], retries: {attempts: 1}}]"));
    assert_eq!(forward(&said[0]).retry.as_ref().unwrap().num_retries, Some(1));
}
