use super::*;
use crate::fixture::{TRUST_DOMAIN, at};

#[test]
fn half_of_the_life_is_waited_for_and_nothing_once_it_is_over() {
    let wait = |now| until_half_life(at(100), at(300), at(now)).as_secs();
    assert_eq!((wait(100), wait(150), wait(199), wait(200), wait(1000)), (100, 50, 1, 0, 0));
    // A clock that went back waits longer, one whose dates are upside down not at all.
    assert_eq!(wait(0), 200);
    assert_eq!(until_half_life(at(300), at(100), at(300)).as_secs(), 0);
}

#[tokio::test]
async fn a_certificate_past_half_of_its_life_is_replaced_at_once() {
    let authority = Arc::new(Authority::fresh(TRUST_DOMAIN, SystemTime::now()).unwrap());
    let names = ServingNames { dns_names: vec!["localhost".to_owned()], addresses: Vec::new() };
    let now = SystemTime::now();
    let mut first = authority.serving_certificate(&names.dns_names, &names.addresses, now).unwrap();
    let tls = Arc::new(ServerTls::new(&first, authority.roots()).unwrap());
    let before = tls.current();
    first.issued -= Duration::from_secs(48 * 3600);
    let renewing = tokio::spawn(keep_fresh(Arc::clone(&tls), authority, names, first));
    let replaced = async {
        while Arc::ptr_eq(&before, &tls.current()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced).await.unwrap();
    renewing.abort();
}
