use super::*;
use crate::ResponseFlag;

fn http(code: u16) -> Record<'static> {
    Record { response_code: Some(code), ..Record::default() }
}

#[test]
fn a_refusal_is_an_answer_and_a_5xx_is_a_failure() {
    assert!(!http(200).failed() && !http(403).failed() && !http(499).failed());
    assert!(http(500).failed() && http(503).failed());
}

#[test]
fn no_response_is_our_failure_unless_the_client_went_away() {
    assert!(Record::default().failed());
    let gone = Record { flags: ResponseFlag::DownstreamConnectionTermination.into(), ..Record::default() };
    assert!(!gone.failed());
}

#[test]
fn grpc_s_status_counts_though_http_says_200() {
    let grpc = |status| Record { grpc: true, grpc_status: Some(status), ..http(200) }.failed();
    assert!(!grpc(0) && !grpc(5) && !grpc(7));
    assert!(grpc(14) && grpc(13));
}

#[test]
fn a_tcp_connection_fails_by_its_flags() {
    let tcp = |flags| Record { protocol: Protocol::Tcp, flags, ..Record::default() }.failed();
    assert!(!tcp(ResponseFlags::NONE));
    assert!(tcp(ResponseFlag::UpstreamConnectionFailure.into()));
    assert!(!tcp(ResponseFlag::DownstreamConnectionTermination.into()));
}

#[test]
fn copied_fields_are_found_whatever_their_case() {
    let fields = [("User-Agent", "curl"), ("user-agent", "second")];
    assert_eq!(fields.value("user-agent"), Some(&b"curl"[..]));
    assert_eq!(fields.value("accept"), None);
}
