use rand::SeedableRng as _;
use weft_model::http::{ClientCertDetails, ForwardClientCert, RouteSource};

use super::client_cert::XFCC;
use super::*;

fn manager(mode: ForwardClientCert) -> HttpConnectionManager {
    let mut manager = HttpConnectionManager::new("test", RouteSource::Rds("80".into()), vec![]);
    manager.client_cert = mode;
    manager.client_cert_details = ClientCertDetails { subject: true, uri: true, dns: true, cert: false };
    manager
}

fn head(headers: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead::new();
    head.set_method("GET").unwrap();
    head.set_target("/").unwrap();
    for (name, value) in headers {
        head.headers.append(name, value).unwrap();
    }
    head
}

fn peer() -> PeerNames {
    PeerNames { uris: vec!["spiffe://c/ns/n/sa/client".into()], hash: "ab".into(), ..PeerNames::default() }
}

fn pass(head: &mut RequestHead, manager: &HttpConnectionManager, peer: Option<&PeerNames>) {
    let source = "10.0.0.9".parse().unwrap();
    let element = Element::default();
    let hop = Hop {
        manager,
        tls: peer.is_some(),
        peer,
        own_uri: "spiffe://c/ns/n/sa/me",
        element: &element,
        source,
    };
    on_request(head, &hop, &mut rand::rngs::SmallRng::seed_from_u64(1)).unwrap();
}

#[test]
fn a_sidecar_tells_the_app_who_calls_and_believes_nobody_else() {
    let manager = manager(ForwardClientCert::AppendForward);
    let mut over_mtls = head(&[("x-forwarded-client-cert", "By=a;URI=b")]);
    pass(&mut over_mtls, &manager, Some(&peer()));
    assert_eq!(
        over_mtls.headers.text(XFCC),
        Some("By=a;URI=b,By=spiffe://c/ns/n/sa/me;Hash=ab;Subject=\"\";URI=spiffe://c/ns/n/sa/client")
    );
    let mut over_plaintext = head(&[("X-Forwarded-Client-Cert", "URI=spiffe://c/ns/n/sa/admin")]);
    pass(&mut over_plaintext, &manager, None);
    assert!(!over_plaintext.headers.contains(XFCC));
}

#[test]
fn an_apps_own_steering_headers_are_removed_and_its_request_id_is_kept() {
    let manager = manager(ForwardClientCert::Sanitize);
    let mut request = head(&[
        ("X-Envoy-Max-Retries", "9"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-original-path", "/kept"),
        ("X-Request-Id", "mine"),
        ("X-Forwarded-For", "1.2.3.4"),
    ]);
    pass(&mut request, &manager, None);
    let names: Vec<_> =
        request.headers.iter().map(|(n, _)| String::from_utf8_lossy(n).into_owned()).collect();
    assert_eq!(names, ["x-envoy-original-path", "X-Request-Id", "X-Forwarded-For", "x-forwarded-proto"]);
    assert_eq!(request.headers.text("x-request-id"), Some("mine"));
    assert_eq!(request.headers.text("x-forwarded-for"), Some("1.2.3.4"));
}

#[test]
fn no_name_of_a_list_is_passed_by_in_any_case() {
    let of_sidecar = STEERING.map(|name| (false, None, name));
    let proven = peer();
    // At the edge a certificate makes nobody a proxy of the mesh.
    let at_edge = || STEERING.into_iter().chain(OURS);
    let of_edge =
        [None, Some(&proven)].into_iter().flat_map(|peer| at_edge().map(move |name| (true, peer, name)));
    for (edge, peer, name) in of_sidecar.into_iter().chain(of_edge) {
        for name in [name.to_owned(), name.to_uppercase()] {
            let mut manager = manager(ForwardClientCert::Sanitize);
            manager.use_remote_address = edge;
            manager.skip_xff_append = true;
            let mut request = head(&[(&name, "of the app"), ("x-mine", "1")]);
            pass(&mut request, &manager, peer);
            assert_ne!(request.headers.text(&name), Some("of the app"), "{name}, edge: {edge}, {peer:?}");
            assert_eq!(request.headers.text("x-mine"), Some("1"));
        }
    }
}

#[test]
fn a_proven_peer_says_how_long_its_caller_waits_and_steers_nothing_else() {
    let manager = manager(ForwardClientCert::Sanitize);
    let said = STEERING.into_iter().chain(OURS).map(|name| (name, "1"));
    let mut request = head(&said.collect::<Vec<_>>());
    pass(&mut request, &manager, Some(&peer()));
    let names = request.headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
    let kept = [EXPECTED.text()].into_iter().chain(OURS).chain(["x-forwarded-proto", "x-request-id"]);
    assert!(names.eq(kept), "{:?}", request.headers);
}

#[test]
fn a_gateway_believes_the_connection_alone() {
    let mut manager = manager(ForwardClientCert::SanitizeSet);
    manager.use_remote_address = true;
    let mut request =
        head(&[("x-request-id", "stranger"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "6.6.6.6")]);
    pass(&mut request, &manager, None);
    assert_eq!(request.headers.text("x-forwarded-for"), Some("6.6.6.6,10.0.0.9"));
    assert_eq!(request.headers.text("x-forwarded-proto"), Some("http"));
    assert_ne!(request.headers.text("x-request-id"), Some("stranger"));
}

#[test]
fn the_clients_address_is_believed_from_as_many_hops_back_as_are_trusted() {
    let mut head = RequestHead::new();
    head.headers.append("x-forwarded-for", "1.1.1.1, 2.2.2.2").unwrap();
    head.headers.append("X-Forwarded-For", "3.3.3.3").unwrap();
    let source: IpAddr = [9, 9, 9, 9].into();
    let mut manager = HttpConnectionManager::new("", RouteSource::Rds("r".into()), vec![]);
    for (edge, hops, wanted) in [
        (false, 0, "3.3.3.3"),
        (false, 1, "2.2.2.2"),
        (true, 0, "9.9.9.9"),
        (true, 1, "3.3.3.3"),
        (true, 3, "1.1.1.1"),
        (true, u32::MAX, "9.9.9.9"),
    ] {
        (manager.use_remote_address, manager.xff_trusted_hops) = (edge, hops);
        assert_eq!(remote(&head, &manager, source).to_string(), wanted, "edge {edge}, {hops} hops");
    }
    head.headers.set("x-forwarded-for", "not an address").unwrap();
    manager.use_remote_address = false;
    assert_eq!(remote(&head, &manager, source), source);
}

#[test]
fn a_connection_tells_the_same_of_its_client_until_it_is_to_tell_something_else() {
    let mut manager = manager(ForwardClientCert::SanitizeSet);
    let (peer, element) = (peer(), Element::default());
    let source = "10.0.0.9".parse().unwrap();
    let told = |manager: &HttpConnectionManager, own_uri| {
        let mut head = head(&[("x-forwarded-client-cert", "By=a;URI=b")]);
        let hop = Hop { manager, tls: true, peer: Some(&peer), own_uri, element: &element, source };
        on_request(&mut head, &hop, &mut rand::rngs::SmallRng::seed_from_u64(1)).unwrap();
        let values: Vec<_> =
            head.headers.get_all(&XFCC).map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        values.join(" and ")
    };
    let first = told(&manager, "spiffe://c/ns/n/sa/me");
    assert_eq!(first, "By=spiffe://c/ns/n/sa/me;Hash=ab;Subject=\"\";URI=spiffe://c/ns/n/sa/client");
    assert_eq!(told(&manager, "spiffe://c/ns/n/sa/me"), first);
    assert!(told(&manager, "spiffe://other/ns/n/sa/me").starts_with("By=spiffe://other/"));
    manager.client_cert_details.subject = false;
    assert!(!told(&manager, "spiffe://other/ns/n/sa/me").contains("Subject"));
}
