use super::*;

#[test]
fn a_port_that_a_service_has_not_is_told_with_those_that_it_has() {
    let host = "ratings.shop.svc.cluster.local";
    let known: Known = [(host.to_owned(), 9080), (host.to_owned(), 9090)].into();
    let said = |address: &str, bytes| words(&known, address.parse().unwrap(), bytes);
    let lacks = format!("10.96.0.7:80 is {host}, which has no port 80 here; it has 9080, 9090");
    assert_eq!(said("10.96.0.7:80", false).as_ref(), Some(&lacks));
    assert_eq!(said("10.96.0.7:80", true).as_ref(), Some(&lacks));
    let bytes = said("10.96.0.7:9080", true).unwrap();
    assert!(
        bytes.contains("port 9080 speaks HTTP, and this is none; if it is TLS: write http://"),
        "{bytes}"
    );
    assert_eq!(said("10.96.0.7:9080", false), None, "it is there, and cannot be reached for another reason");
    assert_eq!(words(&Known::new(), "192.0.2.1:80".parse().unwrap(), false), None);
}
