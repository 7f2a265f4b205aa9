//! A table of a small mesh, and properties over random ones.

use std::net::IpAddr;

use proptest::prelude::*;
use weft_model::names::{NameTable, NamedHost};

use super::*;

fn kubernetes(name: &str, namespace: &str, ips: &[&str]) -> (String, NamedHost) {
    let named = NamedHost {
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        registry: "Kubernetes".to_owned(),
        short_name: name.to_owned(),
        namespace: namespace.to_owned(),
    };
    (format!("{name}.{namespace}.svc.cluster.local"), named)
}

fn external(host: &str, ips: &[&str]) -> (String, NamedHost) {
    let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    (host.to_owned(), NamedHost { ips, registry: "External".to_owned(), ..NamedHost::default() })
}

fn mesh() -> Names {
    let hosts = [
        kubernetes("reviews", "shop", &["10.96.0.1"]),
        kubernetes("ratings", "other", &["10.96.0.2", "fd00::2"]),
        kubernetes("db", "shop", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]),
        external("api.example.com", &["240.240.0.7"]),
        external("*.wild.example", &["192.0.2.1"]),
        external("*.deep.wild.example", &["192.0.2.2"]),
    ];
    Names::new(&NameTable { hosts: hosts.into() }, "shop", Some("shop.svc.cluster.local"))
}

/// The A records of a name, with what it is an alias of; `None`: forwarded.
fn a(names: &Names, name: &str) -> Option<(Vec<IpAddr>, Option<String>)> {
    match lookup(names, &Question { name, wanted: Wanted::V4 }, 0) {
        Answer::Mesh(found) => Some((found.addresses().collect(), found.alias_of.map(str::to_owned))),
        Answer::Forward { .. } => None,
    }
}

#[test]
fn each_name_of_a_host_is_answered_and_no_other() {
    type Wanted = Option<(&'static str, Option<&'static str>)>;
    let table: &[(&str, Wanted)] = &[
        ("reviews", Some(("10.96.0.1", None))),
        ("reviews.shop", Some(("10.96.0.1", None))),
        ("reviews.shop.svc", Some(("10.96.0.1", None))),
        ("reviews.shop.svc.cluster.local", Some(("10.96.0.1", None))),
        ("ratings.other", Some(("10.96.0.2", None))),
        ("ratings.other.svc", Some(("10.96.0.2", None))),
        ("ratings.other.shop.svc.cluster.local", Some(("10.96.0.2", Some("ratings.other")))),
        ("api.example.com", Some(("240.240.0.7", None))),
        ("api.example.com.shop.svc.cluster.local", Some(("240.240.0.7", Some("api.example.com")))),
        ("a.wild.example", Some(("192.0.2.1", None))),
        ("b.a.wild.example", Some(("192.0.2.1", None))),
        ("a.deep.wild.example", Some(("192.0.2.2", None))),
        ("deep.wild.example", Some(("192.0.2.1", None))),
        ("a.wild.example.shop.svc.cluster.local", Some(("192.0.2.1", Some("a.wild.example")))),
        // A short name is of the pod's own namespace.
        ("ratings", None),
        ("ratings.shop.svc.cluster.local", None),
        ("wild.example", None),
        (".wild.example", None),
        ("reviews.svc", None),
        ("xreviews.shop", None),
        ("api.example.com.svc.cluster.local", None),
        ("shop.svc.cluster.local", None),
        (".shop.svc.cluster.local", None),
        ("svc", None),
        ("", None),
        ("*", None),
        ("www.example.org", None),
    ];
    let names = mesh();
    for (name, wanted) in table {
        let wanted = wanted.map(|(ip, alias)| (vec![ip.parse().unwrap()], alias.map(str::to_owned)));
        match (a(&names, name), wanted) {
            (None, None) => {}
            (found, wanted) => assert_eq!(found, wanted, "{name:?}"),
        }
    }
}

#[test]
fn a_name_without_addresses_of_the_family_is_answered_with_none_and_not_forwarded() {
    let names = mesh();
    let v6 = |name| match lookup(&names, &Question { name, wanted: Wanted::V6 }, 0) {
        Answer::Mesh(found) => Some(found.addresses().collect::<Vec<_>>()),
        Answer::Forward { .. } => None,
    };
    assert_eq!(v6("reviews"), Some(vec![]));
    assert_eq!(v6("ratings.other"), Some(vec!["fd00::2".parse().unwrap()]));
    assert_eq!(v6("nowhere.example"), None);
}

#[test]
fn other_types_are_forwarded_and_it_is_told_whether_the_name_exists() {
    let names = mesh();
    let other = |name| lookup(&names, &Question { name, wanted: Wanted::Other }, 0);
    assert_eq!(other("api.example.com"), Answer::Forward { exists: true });
    assert_eq!(other("nowhere.example"), Answer::Forward { exists: false });
}

#[test]
fn every_turn_begins_with_another_of_the_addresses() {
    let names = mesh();
    let turn = |turn| match lookup(&names, &Question { name: "db", wanted: Wanted::V4 }, turn) {
        Answer::Mesh(found) => found.addresses().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" "),
        Answer::Forward { .. } => unreachable!(),
    };
    assert_eq!(turn(0), "10.0.0.1 10.0.0.2 10.0.0.3");
    assert_eq!(turn(1), "10.0.0.2 10.0.0.3 10.0.0.1");
    assert_eq!(turn(usize::MAX), turn(usize::MAX % 3));
}

#[test]
fn a_full_name_is_nobody_elses_short_form() {
    let hosts = [kubernetes("reviews", "shop", &["10.96.0.1"]), external("reviews.shop", &["192.0.2.9"])];
    let names = Names::new(&NameTable { hosts: hosts.into() }, "shop", None);
    assert_eq!(a(&names, "reviews.shop").unwrap().0, ["192.0.2.9".parse::<IpAddr>().unwrap()]);
    assert_eq!(a(&names, "reviews").unwrap().0, ["10.96.0.1".parse::<IpAddr>().unwrap()]);
}

#[test]
fn a_namespace_may_be_called_svc() {
    let hosts = [kubernetes("reviews", "svc", &["10.96.0.1"])];
    let names = Names::new(&NameTable { hosts: hosts.into() }, "shop", None);
    for name in ["reviews.svc", "reviews.svc.svc"] {
        assert_eq!(a(&names, name).unwrap().0, ["10.96.0.1".parse::<IpAddr>().unwrap()], "{name}");
    }
}

fn label() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "svc", "shop", "cluster", "local", "*"]).prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(label(), 0..6).prop_map(|labels| labels.join("."))
}

/// The same decision, said plainly: every form of every host is tried.
fn plainly(hosts: &[(String, NamedHost)], name: &str, search: &str) -> Option<IpAddr> {
    let first = |name: &str| {
        let is_name = |host: &str| !host.starts_with("*.");
        let full = hosts.iter().find(|(host, _)| is_name(host) && host == name);
        let short = |rank: u8| {
            hosts.iter().rev().find(|(host, of)| {
                let forms = match rank {
                    0 => [
                        format!("{}.{}", of.short_name, of.namespace),
                        format!("{}.{}.svc", of.short_name, of.namespace),
                    ],
                    _ if of.namespace == "shop" => [of.short_name.clone(), of.short_name.clone()],
                    _ => return false,
                };
                is_name(host) && of.registry == "Kubernetes" && forms.iter().any(|form| form == name)
            })
        };
        full.or_else(|| short(0)).or_else(|| short(1)).map(|(_, of)| of.ips[0])
    };
    let wild = |name: &str| {
        let holds = hosts.iter().filter(|(host, _)| {
            host.strip_prefix('*')
                .is_some_and(|end| end.starts_with('.') && name.len() > end.len() && name.ends_with(end))
        });
        holds.max_by_key(|(host, _)| host.len()).map(|(_, of)| of.ips[0])
    };
    let rest = name.strip_suffix(&format!(".{search}")).filter(|rest| !rest.is_empty());
    first(name).or_else(|| first(rest?)).or_else(|| wild(name)).or_else(|| wild(rest?))
}

proptest! {
    #[test]
    fn random_tables_are_looked_up_as_they_read(
        hosts in prop::collection::btree_map(name().prop_filter("a host", |name| !name.is_empty()), (label(), label(), any::<bool>()), 0..8),
        asked in prop::collection::vec(name(), 1..20),
    ) {
        let mut known: Vec<(String, NamedHost)> = Vec::new();
        for (place, (host, (short, namespace, kubernetes))) in hosts.into_iter().enumerate() {
            // Two services of one name and namespace are none.
            let twin = known.iter().any(|(_, of)| of.short_name == short && of.namespace == namespace);
            let registry = if kubernetes && !twin { "Kubernetes" } else { "External" };
            let ips = vec![IpAddr::from([10, 0, 0, u8::try_from(place).unwrap()])];
            known.push((host, NamedHost { ips, registry: registry.to_owned(), short_name: short, namespace }));
        }
        let names = Names::new(&NameTable { hosts: known.iter().cloned().collect() }, "shop", Some("shop.svc"));
        for name in asked {
            let found = a(&names, &name).map(|(ips, _)| ips[0]);
            prop_assert_eq!(found, plainly(&known, &name, "shop.svc"), "{}", name);
        }
    }

    #[test]
    fn no_string_is_too_strange_to_be_looked_up(name in ".{0,300}", turn in any::<usize>()) {
        let names = mesh();
        for wanted in [Wanted::V4, Wanted::V6, Wanted::Other] {
            if let Answer::Mesh(found) = lookup(&names, &Question { name: &name, wanted }, turn) {
                prop_assert!(found.addresses().len() <= 3);
            }
        }
    }
}

#[test]
fn where_nobody_else_can_be_asked_the_cluster_s_own_names_are_known_to_be_missing_and_others_are_not() {
    let names = mesh();
    let own = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"].map(str::to_owned);
    let of = |name: &str, exists: bool| alone(&names, name, exists, &own);
    assert_eq!(of("reviews.shop.svc.cluster.local", true), Alone::Nothing);
    assert_eq!(of("api.example.com", true), Alone::Nothing);
    for missing in
        ["reviewz", "reviewz.shop.svc.cluster.local", "a.b.cluster.local", "reviewz.none.svc.cluster.local"]
            .into_iter()
            // As they may be written, and as no name of the world is.
            .chain(["reviewz.shop", "reviewz.other", "reviewz.shop.svc", "reviewz.none.svc", "a.b.shop"])
    {
        assert_eq!(of(missing, false), Alone::NoSuchName, "{missing}");
    }
    for domain in ["cluster.local", "svc.cluster.local", "other.svc.cluster.local", "local"] {
        assert_eq!(of(domain, false), Alone::Nothing, "{domain}");
    }
    for outside in ["www.example.org", "reviewz.none", "notcluster.local", "1.0.0.127.in-addr.arpa"] {
        assert_eq!(of(outside, false), Alone::Unknown, "{outside}");
    }
}

#[test]
fn what_is_missing_in_a_domain_that_ends_here_is_nobody_s_though_others_can_be_asked_about_the_rest() {
    let names = mesh();
    let own = ["cluster.local".to_owned()];
    let of = |name: &str, exists: bool| within(&names, name, exists, &own);
    assert_eq!(of("reviewz.shop.svc.cluster.local", false), Alone::NoSuchName);
    assert_eq!(of("www.example.org.shop.svc.cluster.local", false), Alone::NoSuchName);
    for nothing in ["cluster.local", "svc.cluster.local", "other.svc.cluster.local"] {
        assert_eq!(of(nothing, false), Alone::Nothing, "{nothing}");
    }
    assert_eq!(of("reviews.shop.svc.cluster.local", true), Alone::Nothing);
    for others in ["www.example.org", "reviewz", "reviewz.shop", "local", "notcluster.local"] {
        assert_eq!(of(others, false), Alone::Unknown, "{others}");
    }
}
