use super::*;
use std::net::TcpListener;

#[test]
fn tables_of_the_kernel_are_read() {
    let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0200407F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0\n\
        1: 0200407F:1F41 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 78 1 0 100 0 0 10 0\n\
        broken\n";
    if cfg!(target_endian = "little") {
        assert_eq!(parse(table), [("127.64.0.2:8000".parse().unwrap(), 77)]);
    }
    let six = "h\n0: 00000000000000000000000000000000:1F40 0:0 0A 0:0 0:0 0 0 0 79 1\n";
    assert_eq!(parse(six), [("[::]:8000".parse().unwrap(), 79)]);
}

#[test]
fn an_open_port_is_seen_and_one_on_all_addresses_is_its_owners() {
    let narrow = TcpListener::bind("127.0.0.1:0").unwrap();
    let wide = TcpListener::bind("0.0.0.0:0").unwrap();
    let (narrow, wide) =
        (narrow.local_addr().map(|a| (a, narrow)).unwrap(), (wide.local_addr().unwrap(), wide));
    let listening = Listening::now().unwrap();
    assert!(listening.at(Ipv4Addr::LOCALHOST, narrow.0.port()));
    assert!(!listening.at(Ipv4Addr::new(127, 9, 9, 9), narrow.0.port()));
    let group = group_of(Path::new("/proc/self")).unwrap();
    assert!(listening.everywhere(group).contains(&wide.0.port()));
    assert!(!listening.everywhere(group).contains(&narrow.0.port()));
    assert!(listening.everywhere(u32::MAX).is_empty());
}
