//! Messages made by hickory, and bytes made by nobody.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA as Soa};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn message(kind: MessageType, asked: RecordType) -> Message {
    let mut message = Message::new(7, kind, OpCode::Query);
    message.add_query(Query::query(name("a.example."), asked));
    message
}

fn a(ttl: u32) -> Record {
    Record::from_rdata(name("a.example."), ttl, RData::A(A::new(192, 0, 2, 1)))
}

fn soa(ttl: u32, minimum: u32) -> Record {
    let soa = Soa::new(name("ns.example."), name("root.example."), 1, 2, 3, 4, minimum);
    Record::from_rdata(name("example."), ttl, RData::SOA(soa))
}

fn lifetime(make: impl FnOnce(&mut Message)) -> Option<u32> {
    let mut response = message(MessageType::Response, RecordType::A);
    make(&mut response);
    shape(&response.to_vec().unwrap()).unwrap().lifetime
}

#[test]
fn an_answer_lives_as_long_as_the_shortest_of_its_records() {
    let two = |m: &mut Message| {
        let alias = Record::from_rdata(name("b.example."), 20, RData::CNAME(CNAME(name("a.example."))));
        m.add_answer(a(60)).add_answer(alias);
    };
    assert_eq!(lifetime(two), Some(20));
    let never = |m: &mut Message| {
        m.add_answer(a(0));
    };
    assert_eq!(lifetime(never), None);
    let negative = |m: &mut Message| {
        m.add_answer(a(0x8000_0001));
    };
    assert_eq!(lifetime(negative), None, "a time to live with its highest bit set is none");
}

#[test]
fn that_there_is_nothing_lives_as_long_as_the_zone_says_and_not_at_all_if_it_does_not() {
    for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
        let zone = |m: &mut Message| {
            m.metadata.response_code = code;
            m.add_authority(soa(300, 60));
        };
        assert_eq!(lifetime(zone), Some(60));
        let record = |m: &mut Message| {
            m.metadata.response_code = code;
            m.add_authority(soa(30, 60));
        };
        assert_eq!(lifetime(record), Some(30));
        assert_eq!(lifetime(|m| m.metadata.response_code = code), None);
    }
}

#[test]
fn failures_and_parts_of_answers_are_not_kept() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::BADVERS]
    {
        let failure = |m: &mut Message| {
            m.metadata.response_code = code;
            m.set_edns(Edns::new());
            m.add_answer(a(60));
        };
        assert_eq!(lifetime(failure), None, "{code}");
    }
    let part = |m: &mut Message| {
        m.metadata.truncation = true;
        m.add_answer(a(60));
    };
    assert_eq!(lifetime(part), None);
}

#[test]
fn times_to_live_are_found_and_edns_is_none() {
    let mut response = message(MessageType::Response, RecordType::A);
    response.set_edns(Edns::new());
    response.add_answer(a(0x0102_0304)).add_authority(soa(0x0102_0304, 9)).add_additional(a(0x0102_0304));
    let bytes = response.to_vec().unwrap();
    let shape = shape(&bytes).unwrap();
    assert_eq!(shape.ttls.len(), 3);
    for at in shape.ttls {
        assert_eq!(bytes[usize::from(at)..][..4], [1, 2, 3, 4]);
    }
}

#[test]
fn only_a_response_with_the_same_number_and_question_is_an_answer() {
    let query = message(MessageType::Query, RecordType::A).to_vec().unwrap();
    let response = message(MessageType::Response, RecordType::A);
    let is_answer = |change: &dyn Fn(&mut Message)| {
        let mut response = response.clone();
        change(&mut response);
        answers(&response.to_vec().unwrap(), &query)
    };
    assert!(is_answer(&|_| {}));
    assert!(is_answer(&|m| m.queries = vec![Query::query(name("A.eXample."), RecordType::A)]));
    assert!(!is_answer(&|m| m.metadata.id = 8));
    assert!(!is_answer(&|m| m.metadata.message_type = MessageType::Query));
    assert!(!is_answer(&|m| m.metadata.op_code = OpCode::Status));
    assert!(!is_answer(&|m| m.queries = vec![Query::query(name("b.example."), RecordType::A)]));
    assert!(!is_answer(&|m| m.queries = vec![Query::query(name("a.example."), RecordType::AAAA)]));
    assert!(!is_answer(&|m| m.queries.clear()));
    assert!(is_answer(&|m| {
        m.queries.clear();
        m.metadata.response_code = ResponseCode::FormErr;
    }));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..600), query in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = shape(&bytes);
        let _ = answers(&bytes, &query);
        let _ = question_end(&bytes);
    }

    #[test]
    fn a_message_with_any_byte_changed_is_looked_over_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>()) {
        let mut response = message(MessageType::Response, RecordType::A);
        response.set_edns(Edns::new());
        response.add_answer(a(60)).add_authority(soa(30, 60));
        let mut bytes = response.to_vec().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(end.index(bytes.len() + 1));
        if let Some(shape) = shape(&bytes) {
            for at in shape.ttls {
                prop_assert!(usize::from(at) + 4 <= bytes.len());
            }
        }
    }
}
