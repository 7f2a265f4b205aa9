use super::*;

#[test]
fn the_port_is_that_of_the_connect_whatever_the_host_says() {
    let asked = Asked::new("two:8000", Some("connect"));
    assert_eq!(asked.routed("two"), "two:8000");
    assert_eq!(asked.routed("two:80"), "two:8000");
    assert_eq!(asked.routed("[::1]"), "[::1]:8000");
    assert_eq!(Asked::new("[fd00::1]:90", None).routed("a"), "a:90");
}

#[test]
fn a_sniffed_port_takes_any_host_and_one_of_bytes_is_not_looked_into() {
    let asked = Asked::new("two:8000", Some(CONNECT_SNIFFED));
    assert_eq!(asked.routed("elsewhere.example"), "two:8000");
    assert!(!asked.is_bytes());
    assert!(Asked::new("db:5432", Some(CONNECT_BYTES)).is_bytes());
}
