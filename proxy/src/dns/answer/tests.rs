//! Answers as hickory reads them.

use std::net::Ipv4Addr;

use hickory_proto::op::{MessageType, Query as Asked};
use hickory_proto::rr::RecordType;
use weft_model::names::{NameTable, NamedHost};
use weft_policy::names::{Answer, Names, lookup};

use super::*;
use crate::dns::query::Transport;
use crate::dns::wire;

fn asking(name: &str, payload: Option<u16>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Asked::query(Name::from_ascii(name).unwrap(), RecordType::A));
    if let Some(payload) = payload {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

fn names(addresses: u8) -> Names {
    let ips = (0..addresses).map(|n| IpAddr::from(Ipv4Addr::new(10, 0, 0, n))).collect();
    let named = NamedHost { ips, ..NamedHost::default() };
    Names::new(&NameTable { hosts: [("a.example".to_owned(), named)].into() }, "shop", Some("search.example"))
}

fn answered(bytes: &[u8], transport: Transport, addresses: u8) -> (Message, usize) {
    let query = Query::read(bytes, transport).ok().unwrap();
    let names = names(addresses);
    let Answer::Mesh(of_mesh) = lookup(&names, &query.question().unwrap(), 0) else { panic!("forwarded") };
    let answer = found(&query, &of_mesh).unwrap();
    (Message::from_vec(&answer).unwrap(), answer.len())
}

#[test]
fn an_answer_repeats_the_question_as_it_was_spelled_and_says_that_it_is_final() {
    let (answer, _) = answered(&asking("A.Example.", None), Transport::Udp, 2);
    assert_eq!(answer.queries[0].name().to_ascii(), "A.Example.");
    assert_eq!(answer.metadata.id, 7);
    assert!(answer.metadata.authoritative && answer.metadata.recursion_available);
    assert!(answer.metadata.recursion_desired && !answer.metadata.truncation);
    assert_eq!(answer.answers.len(), 2);
    assert!(answer.answers.iter().all(|record| record.ttl == 30));
    assert!(answer.edns.is_none(), "who brought no EDNS gets none");
}

#[test]
fn an_alias_comes_before_what_it_stands_for() {
    let (answer, _) = answered(&asking("a.example.search.example.", Some(1232)), Transport::Udp, 1);
    let said: Vec<String> = answer.answers.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("CNAME a.example."), "{said:?}");
    assert!(said[1].starts_with("a.example.") && said[1].ends_with("10.0.0.0"), "{said:?}");
    assert!(answer.edns.is_some());
}

#[test]
fn what_does_not_fit_a_datagram_is_cut_between_records_and_told() {
    for (payload, limit) in [(None, 512), (Some(600), 600), (Some(1232), 1232)] {
        for name in ["a.example.", "a.example.search.example."] {
            let (answer, length) = answered(&asking(name, payload), Transport::Udp, 200);
            assert!(length <= limit && length + 16 + 11 > limit, "{length} of {limit}");
            assert!(answer.metadata.truncation);
            assert_eq!(answer.edns.is_some(), payload.is_some());
        }
    }
    let (answer, _) = answered(&asking("a.example.", None), Transport::Tcp, 200);
    assert!(!answer.metadata.truncation);
    assert_eq!(answer.answers.len(), 200);
}

#[test]
fn a_kept_answer_becomes_an_answer_to_another_query() {
    let (mut first, _) = answered(&asking("a.example.", None), Transport::Udp, 1);
    first.metadata.id = 99;
    let kept = first.to_vec().unwrap();
    let shape = wire::shape(&kept).unwrap();
    let bytes = asking("A.eXample.", None);
    let query = Query::read(&bytes, Transport::Udp).ok().unwrap();
    let again = Message::from_vec(&adapted(&kept, &shape.ttls, &query, false, |ttl| ttl - 10)).unwrap();
    assert_eq!((again.metadata.id, again.answers[0].ttl), (7, 20));
    assert_eq!(again.queries[0].name().to_ascii(), "A.eXample.");
    assert_eq!(again.answers[0].data, first.answers[0].data);
}

#[test]
fn a_kept_answer_that_is_too_large_for_another_is_cut_to_its_question() {
    let (large, _) = answered(&asking("a.example.", None), Transport::Tcp, 200);
    let bytes = asking("a.example.", None);
    let query = Query::read(&bytes, Transport::Udp).ok().unwrap();
    let cut = adapted(&large.to_vec().unwrap(), &[], &query, false, |ttl| ttl);
    let cut = Message::from_vec(&cut).unwrap();
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    assert_eq!(cut.queries.len(), 1);
}

#[test]
fn a_name_that_the_mesh_has_exists_whatever_a_server_says() {
    let bytes = asking("a.example.", None);
    let query = Query::read(&bytes, Transport::Udp).ok().unwrap();
    let unknown = error(&query, ResponseCode::NXDomain).unwrap();
    assert_eq!(wire::code(&adapted(&unknown, &[], &query, false, |ttl| ttl)), 3);
    assert_eq!(wire::code(&adapted(&unknown, &[], &query, true, |ttl| ttl)), 0);
}

#[test]
fn a_refusal_is_a_header_with_the_number_and_the_code() {
    let bytes = asking("a.example.", None);
    let refused = Message::from_vec(&refusal(&bytes, ResponseCode::NotImp).unwrap()).unwrap();
    assert_eq!((refused.metadata.id, refused.metadata.response_code), (7, ResponseCode::NotImp));
    assert_eq!(refused.metadata.message_type, MessageType::Response);
    assert!(refused.metadata.recursion_desired && refused.queries.is_empty());
    assert_eq!(refusal(&bytes[..11], ResponseCode::NotImp), None);
}
