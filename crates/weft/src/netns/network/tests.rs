use super::*;

#[test]
fn only_names_of_our_shape_are_ours() {
    assert_eq!(id_of("weft-up-123"), Some("123"));
    assert_eq!(id_of("weft-up-123-7"), Some("123"));
    for foreign in ["weft-up-", "weft-up-x", "weft-up-1-", "weft-up-1-a", "weft-up-1-2-3", "weft", "cni-123"]
    {
        assert_eq!(id_of(foreign), None, "{foreign}");
    }
}

#[test]
fn a_pods_annotations_become_the_injectors_flags() {
    let said = |name: &str, value: &str| (format!("traffic.sidecar.istio.io/{name}"), value.to_owned());
    let annotations = BTreeMap::from([
        said("excludeInboundPorts", "9000"),
        said("includeOutboundIPRanges", "10.0.0.0/8"),
        said("excludeOutboundPorts", "3306"),
    ]);
    let redirected = flags(&annotations, &Proxy::default()).join(" ");
    assert_eq!(
        redirected,
        "-p 15001 -z 15006 -u 1337 -g 1337 -m REDIRECT -i 10.0.0.0/8 -x  -b * -d 15090,15021,15020,9000 -o 3306 -q  -c  --redirect-dns --capture-all-dns"
    );
    let metadata = BTreeMap::from([("ISTIO_META_DNS_CAPTURE".to_owned(), "false".to_owned())]);
    let asked = Proxy { keeps_source: true, metadata, ..Proxy::default() };
    let transparent = flags(&BTreeMap::new(), &asked).join(" ");
    assert_eq!(
        transparent,
        "-p 15001 -z 15006 -u 1337 -g 1337 -m TPROXY -i * -x  -b * -d 15090,15021,15020 -o  -q  -c "
    );
}
