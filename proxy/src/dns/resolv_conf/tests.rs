//! Files as they are found in pods and on machines.

use super::*;

fn servers(text: &str) -> Vec<String> {
    ResolvConf::parse(text).servers.iter().map(ToString::to_string).collect()
}

#[test]
fn a_pods_file_names_its_server_and_its_search_domains() {
    let read = ResolvConf::parse(
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
    );
    assert_eq!(read.servers, ["10.96.0.10:53".parse().unwrap()]);
    assert_eq!(read.search, ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
    assert_eq!((read.timeout, read.attempts, read.rotate), (Duration::from_secs(2), 2, false));
}

#[test]
fn options_are_heeded_within_their_bounds() {
    let read = ResolvConf::parse("options timeout:1 attempts:3 rotate edns0\nnameserver 10.0.0.1");
    assert_eq!((read.timeout, read.attempts, read.rotate), (Duration::from_secs(1), 3, true));
    let read = ResolvConf::parse("options timeout:0 attempts:99 timeout: attempts:x");
    assert_eq!((read.timeout, read.attempts), (Duration::from_secs(1), 5));
}

#[test]
fn comments_and_nonsense_are_passed_over_and_of_several_searches_the_last_counts() {
    let text = "# nameserver 10.0.0.9\n; x\nnameserver 10.0.0.1 # the one\nnameserver\nnameserver nowhere\n\
                domain a.example\nsearch B.example. c.example\nsortlist 1\n";
    let read = ResolvConf::parse(text);
    assert_eq!(servers(text), ["10.0.0.1:53"]);
    assert_eq!(read.search, ["b.example", "c.example"]);
}

#[test]
fn servers_are_of_both_families_and_may_have_ports() {
    let text = "nameserver fd00::10\nnameserver fe80::1%2\nnameserver [127.0.0.1]:5353\nnameserver [::1]:5353\nnameserver [::1]:0";
    assert_eq!(servers(text), ["[fd00::10]:53", "[fe80::1%2]:53", "127.0.0.1:5353", "[::1]:5353"]);
}

#[test]
fn without_a_server_it_is_this_machine() {
    assert_eq!(servers(""), ["127.0.0.1:53"]);
}
