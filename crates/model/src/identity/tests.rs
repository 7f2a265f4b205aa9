use super::*;

#[test]
fn an_identity_survives_its_own_text() {
    let id = SpiffeId::new("cluster.local", "selfmonitor", "auth-service").unwrap();
    assert_eq!(id.to_string(), "spiffe://cluster.local/ns/selfmonitor/sa/auth-service");
    assert_eq!(id.to_string().parse(), Ok(id.clone()));
    assert_eq!(id.principal(), "cluster.local/ns/selfmonitor/sa/auth-service");
}

#[test]
fn nothing_that_is_almost_an_identity_is_one() {
    for uri in [
        "",
        "spiffe://",
        "spiffe://cluster.local",
        "spiffe://cluster.local/ns/a/sa/",
        "spiffe://cluster.local/ns//sa/b",
        "spiffe://cluster.local/ns/a/sa/b/c",
        "spiffe://cluster.local/ns/a/sa/b\0",
        "spiffe://cluster.local/ns/a/sa/../b",
        "spiffe://Cluster.local/ns/a/sa/b",
        "spiffe://cluster.local:80/ns/a/sa/b",
        "spiffe://*/ns/a/sa/b",
        "https://cluster.local/ns/a/sa/b",
        "spiffe://cluster.local/sa/b/ns/a",
    ] {
        assert!(uri.parse::<SpiffeId>().is_err(), "{uri}");
    }
}
