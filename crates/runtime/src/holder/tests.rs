use std::net::TcpListener;

use super::*;

// The addresses of these tables are in the byte order of a little-endian machine.
const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0
   1: 00000000:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1 0
   2: 0100007F:3A99 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 333 1 0
   3: broken";

fn conflicts(wanted: &str) -> Vec<u64> {
    conflicting_inodes(TABLE, wanted.parse().unwrap())
}

#[test]
#[cfg(target_endian = "little")]
fn only_a_listener_of_the_same_port_and_an_overlapping_address_is_in_the_way() {
    assert_eq!(conflicts("127.0.0.1:15001"), [111]);
    assert_eq!(conflicts("0.0.0.0:15001"), [111]);
    assert_eq!(conflicts("[::]:15001"), [111]);
    assert_eq!(conflicts("127.0.0.2:15001"), [0_u64; 0]);
    assert_eq!(conflicts("127.0.0.2:15006"), [222]);
    assert_eq!(conflicts("127.0.0.1:15000"), [0_u64; 0]);
}

#[test]
#[cfg(target_endian = "little")]
fn addresses_of_both_families_are_read() {
    assert_eq!(parse_address("0600007F:3A9E"), Some("127.0.0.6:15006".parse().unwrap()));
    assert_eq!(parse_address("00000000000000000000000001000000:0050"), Some("[::1]:80".parse().unwrap()));
    for broken in ["", ":", "0100007F", "0100007F:12345", "0100007:50", "zzzzzzzz:0050", "é0000000:0050"] {
        assert_eq!(parse_address(broken), None, "{broken}");
    }
}

#[test]
fn a_process_finds_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let holder = holder_of(listener.local_addr().unwrap()).unwrap();
    assert_eq!(holder.pid, std::process::id());
    assert!(!holder.command.is_empty());
}
