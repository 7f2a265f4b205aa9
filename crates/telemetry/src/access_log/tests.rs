use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use weft_model::access_log::ISTIO_TEXT;

use super::*;
use crate::{
    ConnectionSecurity, Fields, Peer, PeerMetadata, Protocol, Record, Reporter, ResponseFlag, ResponseFlags,
    Service,
};

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_000_000_123)
}

fn served() -> Record<'static> {
    Record {
        reporter: Reporter::Destination,
        start: start(),
        duration: Duration::from_micros(4_900),
        upstream_service_time: Some(Duration::from_millis(3)),
        protocol: Protocol::Http11,
        method: Some(b"GET"),
        path: Some(b"/reviews/1"),
        authority: Some(b"reviews:9080"),
        user_agent: Some(b"curl/8.5.0"),
        request_id: Some(b"1b2c3d4e-0000-4000-8000-000000000001"),
        response_code: Some(200),
        response_code_details: Some("via_upstream"),
        bytes_sent: 295,
        upstream_host: Some("10.0.0.7:9080".parse().unwrap()),
        upstream_cluster: Some("inbound|9080||"),
        upstream_local: Some("127.0.0.6:47171".parse().unwrap()),
        downstream_local: Some("10.0.0.7:9080".parse().unwrap()),
        downstream_remote: Some("10.0.0.6:46140".parse().unwrap()),
        requested_server_name: Some("outbound_.9080_._.reviews.default.svc.cluster.local"),
        route_name: Some("default"),
        ..Record::default()
    }
}

fn line(format: &Format, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    format.write(record, &mut out);
    String::from_utf8(out).unwrap()
}

fn text(format: &str, record: &Record<'_>) -> String {
    line(&Format::text(format, &Surroundings::NONE).unwrap(), record)
}

fn json(format: serde_json::Value, record: &Record<'_>) -> serde_json::Value {
    serde_json::from_str(&line(&Format::json(&format, &Surroundings::NONE).unwrap(), record)).unwrap()
}

#[test]
fn a_served_request_is_istio_s_line() {
    assert_eq!(
        line(&Format::istio(), &served()),
        "[2025-11-24T16:00:00.123Z] \"GET /reviews/1 HTTP/1.1\" 200 - via_upstream - \"-\" 0 295 4 3 \"-\" \
         \"curl/8.5.0\" \"1b2c3d4e-0000-4000-8000-000000000001\" \"reviews:9080\" \"10.0.0.7:9080\" inbound|9080|| \
         127.0.0.6:47171 10.0.0.7:9080 10.0.0.6:46140 \
         outbound_.9080_._.reviews.default.svc.cluster.local default\n"
    );
}

#[test]
fn a_refused_request_names_the_policy_in_its_details() {
    let record = Record {
        response_code: Some(403),
        response_code_details: Some("rbac_access_denied_matched_policy[ns[foo]-policy[deny all]-rule[0]]"),
        bytes_sent: 19,
        upstream_service_time: None,
        upstream_host: None,
        upstream_local: None,
        ..served()
    };
    let line = line(&Format::istio(), &record);
    assert!(
        line.contains(
            "\" 403 - rbac_access_denied_matched_policy[ns[foo]-policy[deny_all]-rule[0]] - \"-\" 0 19 4 - "
        ),
        "{line}"
    );
    assert!(line.contains(" \"-\" inbound|9080|| - 10.0.0.7:9080 "), "{line}");
}

#[test]
fn a_tcp_connection_is_istio_s_line_too() {
    let record = Record {
        start: start(),
        duration: Duration::from_millis(12),
        protocol: Protocol::Tcp,
        flags: ResponseFlags::from(ResponseFlag::UpstreamConnectionFailure)
            | ResponseFlag::UpstreamRetryLimitExceeded,
        bytes_received: 10,
        upstream_cluster: Some("PassthroughCluster"),
        upstream_transport_failure_reason: Some("delayed connect error: 111"),
        downstream_local: Some("10.0.0.9:5432".parse().unwrap()),
        downstream_remote: Some("10.0.0.6:51000".parse().unwrap()),
        ..Record::default()
    };
    assert_eq!(
        line(&Format::istio(), &record),
        "[2025-11-24T16:00:00.123Z] \"- - -\" 0 UF,URX - - \"delayed connect error: 111\" 10 0 12 - \"-\" \"-\" \"-\" \"-\" \
         \"-\" PassthroughCluster - 10.0.0.9:5432 10.0.0.6:51000 - -\n"
    );
}

#[test]
fn the_path_before_a_rewrite_comes_first() {
    let rewritten = Record { original_path: Some(b"/old"), ..served() };
    let format = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(:PATH)%";
    assert_eq!(
        (text(format, &rewritten).as_str(), text(format, &served()).as_str()),
        ("/old /reviews/1", "/reviews/1 /reviews/1")
    );
}

#[test]
fn a_client_cannot_choose_the_path_under_which_it_is_logged() {
    let request = [("x-envoy-original-path", "/harmless")];
    let format = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(x-envoy-original-path)%";
    let forged = Record { request: &request, ..served() };
    assert_eq!(text(format, &forged), "/reviews/1 -");
    let rewritten = Record { original_path: Some(b"/old"), ..forged };
    assert_eq!(text(format, &rewritten), "/old /old");
    assert!(Format::text(format, &Surroundings::NONE).unwrap().needs().request.is_empty());
}

#[test]
fn any_header_can_be_asked_for_and_cut() {
    let request = [("x-tenant", "blue"), ("cookie", "a=b; c=d")];
    let response = [("content-type", "text/html")];
    let trailers = [("grpc-message", "no such thing")];
    let record = Record { request: &request, response: &response, trailers: &trailers, ..served() };
    let format = "%REQ(X-Tenant)%|\"%REQ(COOKIE):5%\"|%RESP(Content-Type)%|%REQ(NONE?X-TENANT):2%|%TRAILER(GRPC-MESSAGE)%|%RESP(X):3%";
    assert_eq!(text(format, &record), "blue|\"a=b; \"|text/html|bl|no\\x20such\\x20thing|-");
    let needs = Format::text(format, &Surroundings::NONE).unwrap().needs();
    assert_eq!(needs.request, ["x-tenant", "cookie", "none"]);
    assert_eq!(
        (needs.response, needs.trailers),
        (vec!["content-type".into(), "x".into()], vec!["grpc-message".into()])
    );
}

#[test]
fn what_the_proxy_made_of_a_header_counts() {
    let request = [("x-request-id", "theirs")];
    assert_eq!(text("%REQ(X-REQUEST-ID)%", &Record { request: &request, ..Record::default() }), "theirs");
    let own = Record { request: &request, request_id: Some(b"ours"), ..Record::default() };
    assert_eq!(text("%REQ(X-REQUEST-ID)%", &own), "ours");
}

#[test]
fn other_operators_say_what_they_promise() {
    let source = Arc::new(Peer::new(
        PeerMetadata { workload: "web".into(), namespace: "shop".into(), ..Default::default() },
        Some("spiffe://cluster.local/ns/shop/sa/web"),
    ));
    let service = Arc::new(Service::new("reviews.default.svc.cluster.local", "reviews", "default"));
    let record = Record {
        source: Some(&source),
        service: Some(&service),
        security: ConnectionSecurity::MutualTls,
        grpc_status: Some(3),
        attempts: Some(2),
        flags: ResponseFlag::NoRouteFound.into(),
        request_received_after: Some(Duration::from_millis(1)),
        response_began_after: Some(Duration::from_millis(3)),
        downstream_tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
        connection_id: Some(7),
        reason: Some("no route matches \"reviews\""),
        ..served()
    };
    for (format, expected) in [
        (
            "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%",
            "InvalidArgument INVALID_ARGUMENT 3 3",
        ),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", "2 7"),
        ("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "NR NoRouteFound"),
        ("%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "1 3 1"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%", "10.0.0.6 46140"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%", "10.0.0.6:46140 9080"),
        ("%DOWNSTREAM_PEER_URI_SAN% %UPSTREAM_PEER_URI_SAN%", "spiffe://cluster.local/ns/shop/sa/web -"),
        ("%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER%", "TLSv1.3 TLS_AES_128_GCM_SHA256"),
        (
            "%SOURCE_WORKLOAD%.%SOURCE_NAMESPACE% %DESTINATION_WORKLOAD% %DESTINATION_SERVICE%",
            "web.shop - reviews.default.svc.cluster.local",
        ),
        (
            "%REPORTER% %CONNECTION_SECURITY% %PROTOCOL% %UPSTREAM_PROTOCOL%",
            "destination mutual_tls HTTP/1.1 -",
        ),
        ("\"%REASON%\" %POLICY%", "\"no route matches \\\"reviews\\\"\" -"),
        ("%START_TIME(%s.%3f)% %START_TIME:4%", "1764000000.123 2025"),
        ("%RESP(:STATUS)% 100%%", "200 100%"),
    ] {
        assert_eq!(text(format, &record), expected, "{format}");
    }
}

#[test]
fn a_line_names_the_trace_its_request_belongs_to() {
    let request = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let record = Record { request: &request, ..Record::default() };
    assert_eq!(text("%TRACE_ID%", &record), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(text("%TRACE_ID%", &Record::default()), "-");
    let needs = Format::text("%TRACE_ID%\n", &Surroundings::NONE).unwrap().needs();
    assert!(needs.request.iter().any(|name| name == "x-b3-traceid"));
}

#[test]
fn a_format_without_a_line_end_warns() {
    let warnings = |format| Format::text(format, &Surroundings::NONE).unwrap().warnings().len();
    assert_eq!((warnings("%DURATION%"), warnings("%DURATION%\n"), warnings("%STREAM_ID%\n")), (1, 0, 1));
    assert!(Format::istio().warnings().is_empty());
}

#[test]
fn addresses_of_both_families_are_written_as_envoy_does() {
    for (address, expected) in [
        ("[2001:db8::1]:80", "[2001:db8::1]:80 2001:db8::1 80"),
        ("255.0.10.1:65535", "255.0.10.1:65535 255.0.10.1 65535"),
        ("[::ffff:10.0.0.1]:1", "10.0.0.1:1 10.0.0.1 1"),
    ] {
        let record = Record { downstream_remote: Some(address.parse().unwrap()), ..Record::default() };
        let format =
            "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%";
        assert_eq!(text(format, &record), expected);
    }
}

#[test]
fn json_keeps_types_and_knows_null() {
    let format = serde_json::json!({
        "code": "%RESPONSE_CODE%",
        "took": "%DURATION%",
        "took_text": "%DURATION% ms",
        "flags": "%RESPONSE_FLAGS%",
        "upstream_took": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "sni": "%REQUESTED_SERVER_NAME%",
        "none": "%REQ(X-NONE)%",
        "none_in_text": "<%REQ(X-NONE)%>",
        "protocol": "%UPSTREAM_PROTOCOL%",
        "nested": {"list": ["%BYTES_SENT%", "plain"]},
        "key \"quoted\"": "",
    });
    let expected = serde_json::json!({
        "code": 200,
        "took": 4,
        "took_text": "4 ms",
        "flags": "-",
        "upstream_took": "3",
        "sni": "outbound_.9080_._.reviews.default.svc.cluster.local",
        "none": null,
        "none_in_text": "<->",
        "protocol": "-",
        "nested": {"list": [295, "plain"]},
        "key \"quoted\"": "",
    });
    assert_eq!(json(format, &served()), expected);
}

#[test]
fn empty_values_can_be_left_out() {
    let format = serde_json::json!({"a": "%REQ(X)%", "b": "x%REQ(X)%y", "c": "%RESPONSE_CODE%"});
    let format = Format::json(&format, &Surroundings::NONE).unwrap().omit_empty(true);
    assert_eq!(line(&format, &served()), "{\"b\":\"xy\",\"c\":200}\n");
    let format = Format::text("[%REQ(X)%]", &Surroundings::NONE).unwrap().omit_empty(true);
    assert_eq!(line(&format, &served()), "[]");
}

#[test]
fn weft_s_json_says_why_in_plain_words() {
    let record = Record {
        response_code: Some(503),
        flags: ResponseFlag::UpstreamConnectionTermination.into(),
        response_code_details: Some("upstream_reset_before_response_started{connection_termination}"),
        reason: Some("the app on 10.0.0.7:9080 closed the connection 3 ms after the request was sent"),
        ..served()
    };
    let text = line(&Format::weft_json(), &record);
    assert!(text.starts_with("{\"start_time\":\"2025-11-24T16:00:00.123Z\",\"method\":\"GET\","), "{text}");
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        read["reason"],
        "the app on 10.0.0.7:9080 closed the connection 3 ms after the request was sent"
    );
    assert_eq!((&read["response_flags"], &read["response_code"]), (&"UC".into(), &503.into()));
    assert!(read.get("policy").is_none() && read.get("x_forwarded_for").is_none());
}

#[test]
fn json_that_is_no_format_is_refused_in_words() {
    let refused =
        |format: serde_json::Value| Format::json(&format, &Surroundings::NONE).unwrap_err().to_string();
    assert!(refused(serde_json::json!("x")).contains("it is a string, not an object"));
    assert!(refused(serde_json::json!({"a": 1})).contains("1 is a number"));
    assert!(refused(serde_json::json!({"a": "%NOPE%"})).contains("%NOPE%"));
    let deep = (0..100).fold(serde_json::json!("x"), |inner, _| serde_json::json!({ "a": inner }));
    assert!(refused(deep).contains("deeper"));
}

#[test]
fn a_record_goes_through_a_lane_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    let log = AccessLog::new(Arc::new(Format::istio()), file.lane());
    log.log(&served());
    assert!(file.flush(Duration::from_secs(20)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line(&Format::istio(), &served()));
}

struct Same<'a>(&'a [u8]);

impl Fields for Same<'_> {
    fn value(&self, _: &str) -> Option<&[u8]> {
        Some(self.0)
    }
}

proptest! {
    #[test]
    fn no_value_can_forge_a_line_or_a_field(bytes in proptest::collection::vec(any::<u8>(), 0..80), words in any::<String>()) {
        let same = Same(&bytes);
        let record = Record {
            method: Some(&bytes),
            path: Some(&bytes),
            authority: Some(&bytes),
            user_agent: Some(&bytes),
            request: &same,
            response: &same,
            response_code_details: Some(&words),
            connection_termination_details: Some(&words),
            upstream_transport_failure_reason: Some(&words),
            requested_server_name: Some(&words),
            route_name: Some(&words),
            upstream_cluster: Some(&words),
            reason: Some(&words),
            policy: Some(&words),
            ..Record::default()
        };
        let text = line(&Format::istio(), &record);
        prop_assert!(text.ends_with('\n') && text.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        // As many quotes as the format has, and outside of them as many blanks.
        let bare = text.replace("\\\\", "").replace("\\\"", "");
        prop_assert_eq!(bare.matches('"').count(), ISTIO_TEXT.matches('"').count());
        let outside: usize = bare.split('"').step_by(2).map(|part| part.matches(' ').count()).sum();
        let expected: usize = ISTIO_TEXT.split('"').step_by(2).map(|part| part.matches(' ').count()).sum();
        prop_assert_eq!(outside, expected);
        let json = line(&Format::weft_json(), &record);
        prop_assert_eq!(json.matches(char::is_control).count(), 1);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&read["reason"], &serde_json::Value::from(words));
    }
}

#[test]
#[ignore = "a measurement: run with --release --ignored --nocapture"]
fn nanoseconds_of_a_line() {
    for (name, format) in [("text", Format::istio()), ("json", Format::weft_json())] {
        let (record, mut out) = (served(), Vec::new());
        let rounds = 500_000_u32;
        let begin = std::time::Instant::now();
        for _ in 0..rounds {
            out.clear();
            format.write(std::hint::black_box(&record), &mut out);
        }
        println!("{name}: {:.0} ns a line", begin.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
}
