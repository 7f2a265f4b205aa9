//! Who gets an address, and that it stays.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::sample;
use crate::world::World;

fn entry(name: &str, namespace: &str, host: &str, more: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{hosts: ['{host}'], ports: [{{number: 3306, name: tcp, protocol: TCP}}], {more}}}\n"
    )
}

fn automatic(world: &World) -> BTreeMap<(String, String), Vec<String>> {
    let key = |service: &Service| (service.namespace.clone(), service.host.clone());
    let ips = |service: &Service| service.automatic.iter().map(ToString::to_string).collect();
    world.services.iter().map(|service| (key(service), ips(service))).collect()
}

#[test]
fn an_entry_without_addresses_gets_one_of_each_family_unless_it_cannot_be_used_or_is_declined() {
    let world = sample::world(&[
        entry("a", "shop", "db.example", "resolution: DNS"),
        entry("b", "shop", "own.example", "resolution: DNS, addresses: [192.0.2.1]"),
        entry("c", "shop", "*.wild.example", "resolution: STATIC, endpoints: [{address: 192.0.2.2}]"),
        entry("d", "shop", "through.example", "resolution: NONE"),
        entry("e", "shop", "no.example", "resolution: DNS").replace(
            "name: e,",
            "name: e, labels: {networking.istio.io/enable-autoallocate-ip: 'false'},",
        ),
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n".to_owned(),
    ].concat());
    let given = automatic(&world);
    let with: Vec<_> = given.iter().filter(|(_, ips)| !ips.is_empty()).collect();
    let [((_, host), ips)] = &with[..] else { panic!("{with:?}") };
    assert_eq!(host, "db.example");
    assert!(ips[0].starts_with("240.240.") && ips[1].starts_with("2001:2::f0f0:"), "{ips:?}");
}

#[test]
fn addresses_do_not_depend_on_the_other_entries_or_on_the_order_of_documents() {
    let mut documents: Vec<String> = (0..40)
        .map(|n| entry(&format!("e{n}"), "shop", &format!("h{n}.example"), "resolution: DNS"))
        .collect();
    let before = automatic(&sample::world(&documents.concat()));
    documents.reverse();
    assert_eq!(automatic(&sample::world(&documents.concat())), before);
    documents.truncate(20);
    documents.push(entry("new", "shop", "new.example", "resolution: DNS"));
    let after = automatic(&sample::world(&documents.concat()));
    let kept = before.iter().filter(|(key, ips)| after.get(key) == Some(ips)).count();
    assert_eq!(kept, 20);
}

#[test]
fn no_address_is_given_twice_and_none_that_is_written_somewhere() {
    let mut documents: Vec<String> = (0..3000)
        .map(|n| entry(&format!("e{n}"), "shop", &format!("h{n}.example"), "resolution: DNS"))
        .collect();
    let one = automatic(&sample::world(&documents[7]));
    let taken = &one[&("shop".to_owned(), "h7.example".to_owned())][0];
    documents.push(entry(
        "taken",
        "shop",
        "taken.example",
        &format!("resolution: DNS, addresses: [{taken}]"),
    ));
    let given = automatic(&sample::world(&documents.concat()));
    let all: Vec<&String> = given.values().flatten().collect();
    assert_eq!(all.len(), 6000);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 6000);
    assert!(!all.contains(&taken));
}

#[test]
fn numbers_stay_within_their_network_and_off_its_edges() {
    for number in [0, 253, 254, ADDRESSES - 1] {
        let [IpAddr::V4(v4), _] = both(number) else { panic!() };
        let [a, b, _, d] = v4.octets();
        assert_eq!((a, b), (240, 240));
        assert!((1..=254).contains(&d));
    }
    assert_ne!(both(253), both(254));
}
