//! What is a query, and which queries are the same.

use hickory_proto::op::Query as Asked;
use hickory_proto::op::{Edns, MessageType};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::opt::EdnsOption;
use proptest::prelude::*;

use super::*;

fn asking(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Asked::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn key(message: &Message) -> Option<Key> {
    Query::read(&message.to_vec().unwrap(), Transport::Udp).ok().unwrap().key()
}

fn refusal(message: &Message) -> Option<Refusal> {
    Query::read(&message.to_vec().unwrap(), Transport::Udp).err()
}

#[test]
fn a_question_is_read_in_lower_case_without_its_last_dot() {
    let bytes = asking("WWW.Example.COM.", RecordType::AAAA).to_vec().unwrap();
    let query = Query::read(&bytes, Transport::Udp).ok().unwrap();
    assert_eq!(query.question(), Some(Question { name: "www.example.com", wanted: Wanted::V6 }));
    assert_eq!(query.limit, 512);
}

#[test]
fn a_name_with_a_dot_or_a_space_inside_a_label_is_none_of_the_mesh() {
    for label in [&b"a.b"[..], b"a b", b"\xc3\xa9", b"\0"] {
        let mut message = asking("example.", RecordType::A);
        let name = Name::from_labels([label, b"example"]).unwrap();
        message.queries = vec![Asked::query(name, RecordType::A)];
        let bytes = message.to_vec().unwrap();
        let query = Query::read(&bytes, Transport::Udp).ok().unwrap();
        assert_eq!(query.question(), None, "{label:?}");
        assert!(query.key().is_some());
    }
}

#[test]
fn responses_are_not_answered_and_what_is_no_query_is_refused() {
    let mut response = asking("a.example.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    assert_eq!(refusal(&response), Some(Refusal::NoQuery));
    let mut update = asking("a.example.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(refusal(&update), Some(Refusal::Code(ResponseCode::NotImp)));
    let mut two = asking("a.example.", RecordType::A);
    two.add_query(Asked::query(Name::from_ascii("b.example.").unwrap(), RecordType::A));
    assert_eq!(refusal(&two), Some(Refusal::Code(ResponseCode::FormErr)));
    let mut none = asking("a.example.", RecordType::A);
    none.queries.clear();
    assert_eq!(refusal(&none), Some(Refusal::Code(ResponseCode::FormErr)));
    assert_eq!(refusal(&asking("example.", RecordType::AXFR)), Some(Refusal::Code(ResponseCode::Refused)));
}

#[test]
fn spelling_and_number_make_no_difference_and_all_that_a_server_heeds_does() {
    let plain = asking("a.example.", RecordType::A);
    let same = |change: &dyn Fn(&mut Message)| {
        let mut other = plain.clone();
        change(&mut other);
        key(&other) == key(&plain)
    };
    assert!(same(&|m| m.metadata.id = 9));
    assert!(same(&|m| m.queries = asking("A.EXAMPLE.", RecordType::A).queries));
    assert!(!same(&|m| m.queries = asking("a.example.", RecordType::AAAA).queries));
    assert!(!same(&|m| m.metadata.recursion_desired = false));
    assert!(!same(&|m| m.metadata.checking_disabled = true));
    assert!(!same(&|m| m.metadata.authentic_data = true));
    assert!(!same(&|m| {
        m.set_edns(Edns::new());
    }));
    let with = |dnssec| {
        let mut message = plain.clone();
        let mut edns = Edns::new();
        edns.set_dnssec_ok(dnssec);
        message.set_edns(edns);
        key(&message)
    };
    assert_ne!(with(true), with(false));
}

#[test]
fn options_and_other_classes_are_between_the_asker_and_the_server() {
    let mut cookie = asking("a.example.", RecordType::A);
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(10, vec![1; 8]));
    cookie.set_edns(edns);
    assert_eq!(key(&cookie), None);
    let mut chaos = asking("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(key(&chaos), None);
}

#[test]
fn a_datagram_is_answered_with_no_more_than_its_asker_takes() {
    let with = |payload, transport| {
        let mut message = asking("a.example.", RecordType::A);
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
        Query::read(&message.to_vec().unwrap(), transport).ok().unwrap().limit
    };
    assert_eq!(with(0, Transport::Udp), 512);
    assert_eq!(with(1232, Transport::Udp), 1232);
    assert_eq!(with(u16::MAX, Transport::Udp), 4096);
    assert_eq!(with(1232, Transport::Tcp), 65_535);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(mut bytes in prop::collection::vec(any::<u8>(), 0..300), opcode in any::<bool>()) {
        if opcode && bytes.len() > 6 {
            // Deep enough that the question is read.
            bytes[2] &= 0x07;
            bytes[4..6].copy_from_slice(&[0, 1]);
        }
        if let Ok(query) = Query::read(&bytes, Transport::Udp) {
            let _ = (query.question(), query.key());
        }
    }

    #[test]
    fn a_query_with_any_byte_changed_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut message = asking("a.b.c.example.", RecordType::A);
        message.set_edns(Edns::new());
        let mut bytes = message.to_vec().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(query) = Query::read(&bytes, Transport::Tcp) {
            prop_assert!(query.asked().len() >= 5);
        }
    }
}
