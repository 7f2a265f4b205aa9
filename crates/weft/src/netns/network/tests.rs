use super::*;
use weft_control::resources::mesh_config::InterceptionMode;

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
        "-p 15001 -z 15006 -u 1337 -g 1337 -m REDIRECT -i 10.0.0.0/8 -x  -b * -d 15090,15021,15020,9000 -o 3306 -q  -c  -k  --redirect-dns --capture-all-dns"
    );
    let metadata = BTreeMap::from([("ISTIO_META_DNS_CAPTURE".to_owned(), "false".to_owned())]);
    let asked = Proxy { mode: InterceptionMode::Tproxy, metadata, ..Proxy::default() };
    let transparent = flags(&BTreeMap::new(), &asked).join(" ");
    assert_eq!(
        transparent,
        "-p 15001 -z 15006 -u 1337 -g 1337 -m TPROXY -i * -x  -b * -d 15090,15021,15020 -o  -q  -c  -k "
    );
}

#[test]
fn every_annotation_of_istio_about_traffic_is_a_flag_and_an_empty_one_means_none() {
    let said = |names: &[(&str, &str)]| {
        let of = names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        flags(&of.collect(), &Proxy::default())
    };
    for (name, flag) in [
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "-i"),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "-x"),
        ("traffic.sidecar.istio.io/includeInboundPorts", "-b"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "-o"),
        ("traffic.sidecar.istio.io/includeOutboundPorts", "-q"),
        ("traffic.sidecar.istio.io/excludeInterfaces", "-c"),
        ("traffic.sidecar.istio.io/kubevirtInterfaces", "-k"),
        ("istio.io/reroute-virtual-interfaces", "-k"),
    ] {
        for value in ["", "7,8"] {
            let flags = said(&[(name, value)]);
            let at = flags.iter().position(|word| word == flag).unwrap();
            assert_eq!(flags[at + 1], value, "{name}");
        }
    }
    let both = said(&[
        ("istio.io/reroute-virtual-interfaces", "new"),
        ("traffic.sidecar.istio.io/kubevirtInterfaces", "old"),
    ]);
    assert!(both.contains(&"new".to_owned()) && !both.contains(&"old".to_owned()), "{both:?}");
}
