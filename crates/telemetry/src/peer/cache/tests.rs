use super::*;

#[test]
fn the_same_bytes_from_the_same_principal_are_the_same_peer() {
    let mut cache = PeerCache::new();
    let header = PeerMetadata { workload: "a".into(), ..Default::default() }.encode();
    let first = cache.peer(Some(header.as_bytes()), Some("spiffe://td/ns/n/sa/a"));
    let again = cache.peer(Some(header.as_bytes()), Some("spiffe://td/ns/n/sa/a"));
    assert!(Arc::ptr_eq(&first, &again));
    let other = cache.peer(Some(header.as_bytes()), None);
    assert!(!Arc::ptr_eq(&first, &other));
    assert_eq!((other.metadata().workload.as_str(), other.principal()), ("a", None));
}

#[test]
fn what_cannot_be_read_is_an_unknown_peer() {
    let mut cache = PeerCache::new();
    let peer = cache.peer(Some(b"!!"), Some("spiffe://td/ns/n/sa/a"));
    assert_eq!(peer.metadata(), &PeerMetadata::default());
    assert_eq!(peer.principal(), Some("spiffe://td/ns/n/sa/a"));
    let nobody = cache.peer(None, None);
    assert_eq!(nobody.to_string(), "unknown");
    assert!(!Arc::ptr_eq(&nobody, &cache.peer(Some(b""), None)), "an empty header is not an absent one");
}

#[test]
fn many_strangers_do_not_make_it_grow() {
    let mut cache = PeerCache::new();
    for stranger in 0..CAPACITY * 3 {
        cache.peer(Some(stranger.to_string().as_bytes()), None);
    }
    assert!(cache.peers.len() <= CAPACITY);
    cache.peer(Some(&vec![b'A'; crate::peer::MAX_HEADER + 1]), None);
    assert!(cache.peers.values().all(|entry| entry.header.as_ref().is_none_or(|header| header.len() < 100)));
}
