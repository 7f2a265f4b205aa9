use super::*;

fn service(name: &str, namespace: &str) -> Service {
    Service {
        name: name.into(),
        namespace: namespace.into(),
        selector: BTreeMap::new(),
        ports: Vec::new(),
        headless: false,
        outside: false,
        address: None,
    }
}

#[test]
fn every_service_has_an_address_of_its_own_and_keeps_it_whatever_else_comes() {
    let few = [service("cart", "shop"), service("web", "shop")];
    let many: Vec<Service> =
        (0..300).map(|number| service(&format!("s{number}"), "shop")).chain(few.clone()).collect();
    let of = |services: &[Service]| addresses(services);
    let all: BTreeSet<Ipv4Addr> = of(&many).into_values().collect();
    assert_eq!(all.len(), 302, "no two share one");
    assert!(all.iter().all(|address| address.octets()[..2] == [10, 96]));
    assert_eq!(of(&few)["cart.shop.svc.cluster.local"], of(&few.clone())["cart.shop.svc.cluster.local"]);
}

#[test]
fn an_address_that_a_manifest_gives_is_kept_and_nobody_elses() {
    let mut given = service("cart", "shop");
    let of_web = addresses(&[service("web", "shop")])["web.shop.svc.cluster.local"];
    given.address = Some(of_web);
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
