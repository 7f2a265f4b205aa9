use super::*;

#[test]
fn the_first_mesh_starts_at_127_64_and_its_control_plane_below() {
    let base = Base::probe(|_| true).unwrap();
    assert_eq!(base.control().to_string(), "127.63.0.1");
    let block = base.block(1);
    assert_eq!(block.pod().to_string(), "127.64.1.1");
    assert_eq!(block.localhost().to_string(), "127.64.1.2");
    assert_eq!(block.tcp(0).unwrap().to_string(), "127.64.1.10");
    assert_eq!(block.cidr(), "127.64.1.0/24");
    assert_eq!(base.block(300).pod().to_string(), "127.65.44.1");
}

#[test]
fn a_second_mesh_takes_other_addresses_and_an_eighth_none() {
    let second = Base::probe(|base| base != Base::default()).unwrap();
    assert_eq!(second.control().to_string(), "127.95.0.1");
    assert_eq!(Base::probe(|_| false), None);
}

#[test]
fn no_two_meshes_share_an_address() {
    let mut used = BTreeSet::new();
    for base in BASES.map(Base::Loopback) {
        assert!(used.insert(base.control().octets()[1]));
        for number in (1..=MAX_PODS).step_by(256) {
            assert!(used.insert(base.block(number).pod().octets()[1]), "{base:?} {number}");
        }
    }
}

#[test]
fn tcp_addresses_end_before_the_block_does() {
    let block = Base::default().block(1);
    assert_eq!(block.tcp(MAX_TCP - 1).unwrap().octets()[3], 249);
    assert_eq!(block.tcp(MAX_TCP), None);
}

#[test]
fn pods_keep_their_numbers_and_new_ones_fill_the_gaps() {
    let first = number(&["a", "b", "c"], &BTreeMap::new()).unwrap();
    assert_eq!(first.values().copied().collect::<Vec<_>>(), [1, 2, 3]);
    let second = number(&["aa", "b", "c", "d"], &first).unwrap();
    assert_eq!(second, BTreeMap::from([("aa", 1), ("b", 2), ("c", 3), ("d", 4)]));
}

#[test]
fn more_pods_than_addresses_are_refused() {
    let many: Vec<u32> = (0..=MAX_PODS).collect();
    assert_eq!(number(&many, &BTreeMap::new()), None);
    assert!(number(&many[1..], &BTreeMap::new()).is_some());
}
