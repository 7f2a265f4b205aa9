use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::sample::Request;

fn by(key: HashKey) -> Vec<HashPolicy> {
    vec![HashPolicy { key, terminal: false }]
}

fn of<'a>(policies: &'a [HashPolicy], request: &Request) -> (Option<u64>, Option<SetCookie<'a>>) {
    of_request(policies, request, "10.0.0.9".parse().unwrap(), &mut SmallRng::seed_from_u64(3))
}

fn cookie_policy(ttl: Option<u64>) -> Vec<HashPolicy> {
    by(HashKey::Cookie {
        name: "session".into(),
        ttl: ttl.map(Duration::from_secs),
        path: "/".into(),
        attributes: vec![("SameSite".into(), "Strict".into()), ("Secure".into(), String::new())],
    })
}

#[test]
fn the_same_value_is_the_same_key_and_none_is_none() {
    let user = |value: &str| Request::get("h", "/").with("X-User-Id", value);
    let policies = by(HashKey::Header("x-user-id".into()));
    assert_eq!(of(&policies, &user("ana")).0, of(&policies, &user("ana")).0);
    assert_ne!(of(&policies, &user("ana")).0, of(&policies, &user("bob")).0);
    assert_eq!(of(&policies, &Request::get("h", "/")).0, None);
    let query = by(HashKey::Query("user".into()));
    assert!(of(&query, &Request::get("h", "/?user=ana")).0.is_some());
    assert_eq!(of(&query, &Request::get("h", "/")).0, None);
}

#[test]
fn the_source_address_is_a_key_mapped_or_not() {
    let policies = by(HashKey::SourceIp);
    let plain = of_connection(&policies, "10.0.0.9".parse().unwrap());
    assert_eq!(plain, of_connection(&policies, "::ffff:10.0.0.9".parse().unwrap()));
    assert_eq!(plain, of(&policies, &Request::get("h", "/")).0);
    assert_eq!(of_connection(&by(HashKey::Header("x".into())), "10.0.0.9".parse().unwrap()), None);
}

#[test]
fn a_missing_cookie_with_a_ttl_is_made_and_leads_back() {
    let policies = cookie_policy(Some(3600));
    let (key, set) = of(&policies, &Request::get("h", "/"));
    let set = set.unwrap();
    let said = format!("session=\"{}\"; Max-Age=3600; Path=/; SameSite=Strict; Secure; HttpOnly", set.value);
    assert_eq!(set.header(), said);
    for sent in [format!("a=b; session={}", set.value), format!("session=\"{}\"; x=y", set.value)] {
        let (again, none) = of(&policies, &Request::get("h", "/").with("cookie", &sent));
        assert_eq!((again, none), (key, None), "{sent}");
    }
}

#[test]
fn a_cookie_without_a_ttl_is_never_made_and_one_of_zero_lasts_for_the_session() {
    assert_eq!(of(&cookie_policy(None), &Request::get("h", "/")), (None, None));
    let policies = cookie_policy(Some(0));
    let set = of(&policies, &Request::get("h", "/")).1.unwrap();
    assert!(!set.header().contains("Max-Age"));
    let other = Request::get("h", "/").with("cookie", "mysession=1; session=");
    assert!(of(&policies, &other).1.is_some(), "another cookie's end, or an empty one, is none");
}

#[test]
fn several_policies_add_up_until_a_terminal_one_that_finds_something() {
    let header = |name: &str, terminal| HashPolicy { key: HashKey::Header(name.into()), terminal };
    let both = Request::get("h", "/").with("a", "1").with("b", "2");
    let key = |policies: &[HashPolicy]| of(policies, &both).0;
    let a = key(&[header("a", false)]);
    assert_ne!(key(&[header("a", false), header("b", false)]), a);
    assert_ne!(
        key(&[header("a", false), header("b", false)]),
        key(&[header("b", false), header("a", false)])
    );
    assert_eq!(key(&[header("a", true), header("b", false)]), a);
    assert_eq!(key(&[header("missing", true), header("a", false)]), a);
}

#[test]
fn repeated_headers_count_in_any_order() {
    let policies = by(HashKey::Header("x".into()));
    let one = Request::get("h", "/").with("x", "1").with("x", "2");
    let two = Request::get("h", "/").with("x", "2").with("x", "1");
    assert_eq!(of(&policies, &one).0, of(&policies, &two).0);
}
