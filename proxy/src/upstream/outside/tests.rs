use super::*;

#[test]
fn what_a_machine_calls_itself_is_not_outside_in_any_disguise() {
    for ip in
        ["127.0.0.1", "127.64.3.2", "0.0.0.0", "169.254.169.254", "::1", "::", "fe80::1", "::ffff:127.0.0.1"]
    {
        let ip: IpAddr = ip.parse().unwrap();
        assert!(is_local(ip.to_canonical()), "{ip}");
    }
    for ip in ["203.0.113.7", "10.0.0.1", "2001:db8::1"] {
        assert!(!is_local(ip.parse().unwrap()), "{ip}");
    }
}

#[test]
fn a_name_that_a_service_entry_covers_is_said_to_be_its_own() {
    let entry = IstioService {
        host: "*.wild.example".into(),
        name: "*.wild.example".into(),
        namespace: "shop".into(),
    };
    let why = unresolved("x.wild.example", &[entry]);
    assert!(why.contains("ServiceEntry for \"*.wild.example\"") && !why.contains("no service"), "{why}");
    assert!(unresolved("x.example", &[]).starts_with("no service of the mesh is called"));
}
