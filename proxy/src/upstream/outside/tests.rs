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
    let why = unresolved("x.wild.example", &[entry], None);
    assert!(why.contains("ServiceEntry for \"*.wild.example\"") && !why.contains("no service"), "{why}");
    assert!(unresolved("x.example", &[], None).starts_with("no service of the mesh is called"));
}

#[test]
fn a_name_that_the_mesh_has_by_other_ports_is_not_said_to_be_nobodys() {
    let known = [("web.shop.svc.cluster.local", "9080"), ("web.shop.svc.cluster.local", "9090")];
    let lacks = "web.shop.svc.cluster.local has no port 80 here; it has 9080, 9090";
    assert_eq!(super::lacks(&known, 80).as_deref(), Some(lacks));
    assert_eq!(super::lacks(&known, 9090), None);
    assert_eq!(super::lacks(&[], 80), None);
    let told = unresolved("web", &[], Some(lacks.to_owned()));
    assert_eq!(told, format!("{lacks}; and \"web\" does not resolve outside"));
    let host = "web.shop.svc.cluster.local";
    for name in ["web", "Web.shop", "web.shop.svc", "web.shop.svc.cluster.local."] {
        assert!(is_called(host, name, "shop"), "{name}");
    }
    for (name, namespace) in [("web", "money"), ("we", "shop"), ("web.s", "shop"), ("shop", "shop")] {
        assert!(!is_called(host, name, namespace), "{name}");
    }
}
