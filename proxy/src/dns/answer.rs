//! Answers: what the mesh says in a message of its own, what a server said made to fit another's query, and refusals.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record};
use weft_policy::names::Found;

use super::query::Query;
use super::wire::HEADER;

/// How long an answer of the mesh may be kept, as with Istio's agent.
const TTL: u32 = 30;

/// What we say we take in a datagram: what passes everywhere in one piece.
const PAYLOAD: u16 = 1232;

/// The size of an OPT record without options.
const OPT: usize = 11;

/// The mesh's answer.
pub(super) fn found(query: &Query<'_>, found: &Found<'_>) -> Option<Vec<u8>> {
    let asked = query.message.queries.first()?;
    let mut answer = reply(query, ResponseCode::NoError);
    answer.metadata.authoritative = true;
    let mut owner = asked.name().clone();
    let mut room = query.limit.saturating_sub(HEADER + query.asked().len() + OPT);
    if let Some(name) = found.alias_of {
        let name = Name::from_ascii(format!("{name}.")).ok()?;
        room = room.saturating_sub(12 + name.len());
        answer.add_answer(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(name.clone()))));
        owner = name;
    }
    let addresses = found.addresses();
    // With a pointer in place of the name.
    let size = if addresses.clone().next().is_some_and(|ip| ip.is_ipv6()) { 28 } else { 16 };
    let fitting = room / size;
    answer.metadata.truncation = addresses.len() > fitting;
    for ip in addresses.take(fitting) {
        let data = match ip {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        answer.add_answer(Record::from_rdata(owner.clone(), TTL, data));
    }
    answer.to_vec().ok()
}

/// The mesh's word that it has nothing of what is asked for (NOERROR), or no such name (NXDOMAIN).
pub(super) fn nothing(query: &Query<'_>, code: ResponseCode) -> Option<Vec<u8>> {
    let mut answer = reply(query, code);
    answer.metadata.authoritative = true;
    answer.to_vec().ok()
}

/// An answer that says nothing but `code`.
pub(super) fn error(query: &Query<'_>, code: ResponseCode) -> Option<Vec<u8>> {
    reply(query, code).to_vec().ok()
}

fn reply(query: &Query<'_>, code: ResponseCode) -> Message {
    let asked = &query.message.metadata;
    let mut answer = Message::response(asked.id, OpCode::Query);
    answer.metadata = Metadata::response_from_request(asked);
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = code;
    answer.add_queries(query.message.queries.iter().cloned());
    if query.message.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        answer.set_edns(edns);
    }
    answer
}

/// An answer to a message that is no good query: its header alone. Whoever calls has seen that there is one.
pub(super) fn refusal(bytes: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let mut answer = bytes.get(..HEADER)?.to_vec();
    answer[2] = 0x80 | (answer[2] & 0x79);
    answer[3] = 0x80 | code.low();
    answer[4..].fill(0);
    Some(answer)
}

/// A server's answer to the same question as `query`'s, made an answer to `query`: its number, its spelling of the name,
/// times to live by `ttl`, cut where it is too large.
pub(super) fn adapted(
    response: &[u8],
    ttls: &[u16],
    query: &Query<'_>,
    exists: bool,
    ttl: impl Fn(u32) -> u32,
) -> Vec<u8> {
    let mut answer = response.to_vec();
    for at in ttls.iter().map(|at| usize::from(*at)) {
        if let Some(place) = answer.get_mut(at..at + 4) {
            let old = u32::from_be_bytes([place[0], place[1], place[2], place[3]]);
            place.copy_from_slice(&ttl(old).to_be_bytes());
        }
    }
    let asked = query.asked();
    answer[..2].copy_from_slice(&query.bytes[..2]);
    let has_question = answer[4..6] != [0, 0];
    if let Some(place) = answer.get_mut(HEADER..HEADER + asked.len()).filter(|_| has_question) {
        place.copy_from_slice(asked);
    }
    // A name that the mesh has exists, even if the world outside does not know it.
    if exists && answer[3] & 0x0f == 3 {
        answer[3] &= 0xf0;
    }
    if answer.len() > query.limit {
        answer.truncate(HEADER + if has_question { asked.len() } else { 0 });
        answer[2] |= 0x02;
        answer[6..12].fill(0);
    }
    answer
}

#[cfg(test)]
mod tests;
