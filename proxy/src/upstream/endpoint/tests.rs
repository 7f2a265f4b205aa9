use super::*;

#[test]
fn an_endpoint_is_as_old_as_it_was_seen_and_new_again_when_it_comes_back() {
    let endpoint = EndpointState::new(SocketAddr::from(([127, 0, 0, 1], 80)), Arc::default());
    let at = |secs| endpoint.origin + Duration::from_secs(secs);
    assert_eq!(endpoint.age(at(0)), Duration::ZERO);
    assert_eq!(endpoint.age(at(90)), Duration::from_secs(90));
    endpoint.comes_back(at(100));
    assert_eq!(endpoint.age(at(100)), Duration::ZERO);
    assert_eq!(endpoint.age(at(130)), Duration::from_secs(30));
    assert_eq!(endpoint.age(at(99)), Duration::ZERO, "clocks of two workers may differ by a little");
}
