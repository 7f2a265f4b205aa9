//! Clients that speak state-of-the-world.

use super::*;

fn ask(stream: &mut Stream, type_url: &str, names: &[&str], nonce: &str) -> Option<Verdict> {
    let request = DiscoveryRequest {
        type_url: type_url.into(),
        resource_names: strings(names),
        response_nonce: nonce.into(),
        ..DiscoveryRequest::default()
    };
    stream.session.request(request.into(), stream.now).unwrap()
}

fn hear(stream: &mut Stream) -> Option<(DiscoveryResponse, String)> {
    let response: DiscoveryResponse = stream.session.next_response(stream.now)?.try_into().unwrap();
    let mut words = vec![short(&response.type_url).to_owned()];
    words.extend(response.resources.iter().map(peek_name));
    Some((response, words.join(" ")))
}

fn peek_name(any: &envoy_types::pb::google::protobuf::Any) -> String {
    crate::peek::name(&any.type_url, &any.value).unwrap()
}

fn accept(stream: &mut Stream, names: &[&str]) -> String {
    let Some((response, words)) = hear(stream) else { return "nothing".into() };
    assert!(ask(stream, &response.type_url, names, &response.nonce).is_some());
    words
}

fn stream(resources: &[(&str, &str, &str)]) -> Stream {
    let mut stream = Stream::new(Protocol::Sotw);
    stream.retarget("r1", resources);
    stream
}

#[test]
fn clusters_come_as_a_whole_and_endpoints_as_far_as_they_changed() {
    let mut stream =
        stream(&[(CLUSTER, "a", "1"), (CLUSTER, "b", "1"), (ENDPOINTS, "a", "1"), (ENDPOINTS, "b", "1")]);
    ask(&mut stream, CLUSTER, &[], "");
    assert_eq!(accept(&mut stream, &[]), "cds a b");
    ask(&mut stream, ENDPOINTS, &["a", "b"], "");
    assert_eq!(accept(&mut stream, &["a", "b"]), "eds a b");
    stream.retarget(
        "r2",
        &[(CLUSTER, "a", "2"), (CLUSTER, "b", "1"), (ENDPOINTS, "a", "1"), (ENDPOINTS, "b", "2")],
    );
    assert_eq!(accept(&mut stream, &[]), "cds a b");
    assert_eq!(accept(&mut stream, &["a", "b"]), "eds a b", "a with its cluster, b for itself");
    stream.retarget(
        "r3",
        &[(CLUSTER, "a", "2"), (CLUSTER, "b", "1"), (ENDPOINTS, "a", "1"), (ENDPOINTS, "b", "3")],
    );
    assert_eq!(accept(&mut stream, &["a", "b"]), "eds b");
    assert_eq!(accept(&mut stream, &[]), "nothing");
}

#[test]
fn a_cluster_that_goes_is_repeated_until_no_route_can_use_it() {
    let mut stream = stream(&[(CLUSTER, "a", "1"), (LISTENER, "l", "1"), (ROUTES, "80", "to a")]);
    ask(&mut stream, CLUSTER, &[], "");
    accept(&mut stream, &[]);
    ask(&mut stream, ENDPOINTS, &["a", "b"], "");
    assert_eq!(
        accept(&mut stream, &["a", "b"]),
        "eds",
        "told, as far as this protocol can, that there are none"
    );
    ask(&mut stream, LISTENER, &[], "");
    accept(&mut stream, &[]);
    ask(&mut stream, ROUTES, &["80"], "");
    accept(&mut stream, &["80"]);
    stream.retarget("r2", &[(CLUSTER, "b", "1"), (LISTENER, "l", "1"), (ROUTES, "80", "to b")]);
    assert_eq!(accept(&mut stream, &[]), "cds b a");
    assert_eq!(accept(&mut stream, &["80"]), "rds 80");
    assert_eq!(accept(&mut stream, &[]), "cds b");
    assert_eq!(accept(&mut stream, &[]), "nothing");
}

#[test]
fn a_stale_request_is_ignored_with_its_names() {
    let mut stream = stream(&[(SECRET, "a", "1"), (SECRET, "b", "1")]);
    ask(&mut stream, SECRET, &["a"], "");
    let (first, _) = hear(&mut stream).unwrap();
    ask(&mut stream, SECRET, &["a"], &first.nonce);
    stream.retarget("r2", &[(SECRET, "a", "2"), (SECRET, "b", "1")]);
    let (second, _) = hear(&mut stream).unwrap();
    assert_eq!(ask(&mut stream, SECRET, &["a", "b"], &first.nonce), None);
    assert_eq!(hear(&mut stream), None);
    assert!(ask(&mut stream, SECRET, &["a", "b"], &second.nonce).is_some());
    assert_eq!(accept(&mut stream, &["a", "b"]), "Secret b");
}

#[test]
fn names_once_given_and_then_none_mean_nothing_rather_than_everything() {
    let mut stream = stream(&[(SECRET, "a", "1"), (SECRET, "b", "1")]);
    ask(&mut stream, SECRET, &["a"], "");
    assert_eq!(accept(&mut stream, &[]), "Secret a");
    assert_eq!(accept(&mut stream, &[]), "nothing");
    let status = stream.status(SECRET);
    assert_eq!((status.wildcard, status.names, status.held), (false, 0, 0));
}

#[test]
fn a_refused_state_is_sent_again_only_when_it_changed() {
    let mut stream = stream(&[(LISTENER, "l", "bad"), (LISTENER, "m", "1")]);
    ask(&mut stream, LISTENER, &[], "");
    let (response, _) = hear(&mut stream).unwrap();
    let nack = DiscoveryRequest {
        type_url: LISTENER.into(),
        response_nonce: response.nonce,
        error_detail: Some(rpc::Status { message: "no".into(), ..Default::default() }),
        ..DiscoveryRequest::default()
    };
    let verdict = stream.session.request(nack.into(), stream.now).unwrap().unwrap();
    assert_eq!(verdict.error.as_deref(), Some("no"));
    assert_eq!(hear(&mut stream), None);
    assert_eq!(stream.status(LISTENER).nacked.unwrap().message, "no");
    stream.retarget("r2", &[(LISTENER, "l", "good"), (LISTENER, "m", "1")]);
    assert_eq!(accept(&mut stream, &[]), "lds l m");
    let status = stream.status(LISTENER);
    assert_eq!((status.in_sync, status.nacked), (true, None), "m was never bad");
}
