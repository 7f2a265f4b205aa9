use super::*;

fn service(name: &str, namespace: &str) -> Service {
    Service {
        name: name.into(),
        namespace: namespace.into(),
        selector: BTreeMap::new(),
        ports: Vec::new(),
        headless: false,
        outside: false,
        addresses: Vec::new(),
        families: vec![Family::V4],
    }
}

#[test]
fn every_service_has_an_address_of_its_own_and_keeps_it_whatever_else_comes() {
    let few = [service("cart", "shop"), service("web", "shop")];
    let many: Vec<Service> =
        (0..300).map(|number| service(&format!("s{number}"), "shop")).chain(few.clone()).collect();
    let of = |services: &[Service]| addresses(services);
    let all: BTreeSet<IpAddr> = of(&many).into_values().flatten().collect();
    assert_eq!(all.len(), 302, "no two share one");
    assert!(all.iter().all(|address| address.to_string().starts_with("10.96.")));
    assert_eq!(of(&few)["cart.shop.svc.cluster.local"], of(&few.clone())["cart.shop.svc.cluster.local"]);
}

#[test]
fn an_address_that_a_manifest_gives_is_kept_and_nobody_elses() {
    let mut given = service("cart", "shop");
    let of_web = addresses(&[service("web", "shop")])["web.shop.svc.cluster.local"].clone();
    given.addresses = of_web.clone();
    let both = addresses(&[given, service("web", "shop")]);
    assert_eq!(both["cart.shop.svc.cluster.local"], of_web);
    assert_ne!(both["web.shop.svc.cluster.local"], of_web);
}

#[test]
fn a_name_resolves_as_it_is_written_in_its_namespace_and_in_others() {
    let named = all(&[service("cart", "shop"), service("cart", "blog")], &[]);
    let shop = resolve(&named, "cart", "shop").unwrap();
    for name in ["cart.shop", "cart.shop.svc", "cart.shop.svc.cluster.local", "CART.shop.svc.cluster.local."]
    {
        assert_eq!(resolve(&named, name, "blog"), Some(shop), "{name}");
    }
    assert_ne!(resolve(&named, "cart", "blog"), Some(shop));
    assert_eq!(resolve(&named, "nobody", "shop"), None);
}

#[test]
fn a_service_has_an_address_of_each_of_its_families_and_keeps_what_is_given() {
    let both = vec![Family::V6, Family::V4];
    let mut dual = Service { families: both, ..service("dual", "shop") };
    let of =
        |service: &Service| addresses(std::slice::from_ref(service))["dual.shop.svc.cluster.local"].clone();
    let free = of(&dual);
    assert!(free[0].to_string().starts_with("fd00:10:96::") && free[1].to_string().starts_with("10.96."));
    dual.addresses = vec!["10.96.1.2".parse().unwrap()];
    assert_eq!(of(&dual), [free[0], dual.addresses[0]]);
    let named = all(&[dual], &[]);
    assert_eq!(resolve(&named, "dual.shop", "blog"), Some(free[0]));
}

#[test]
fn of_whom_programs_ask_for_names_a_pod_has_its_own() {
    let machines = "passwd: files systemd\n# hosts: all\nhosts: files mdns4_minimal [NOTFOUND=return] resolve\nnetworks: files";
    let own = "passwd: files systemd\n# hosts: all\nnetworks: files\nhosts: files dns\n";
    assert_eq!(nsswitch(machines), own);
}
