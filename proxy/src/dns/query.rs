//! What is asked, as far as it decides what is done about it. The bytes themselves are what is forwarded.

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use weft_policy::names::{Question, Wanted};

use super::wire::{self, HEADER};

/// A message that asks has little besides its question: EDNS, a signature.
const RECORDS: u16 = 8;

/// A UDP answer is never larger than this, whatever its asker takes.
const LARGEST: u16 = 4096;

/// How a query came, and so how it is forwarded and how large its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// One query.
pub(super) struct Query<'a> {
    /// As it came.
    pub(super) bytes: &'a [u8],
    /// Taken apart.
    pub(super) message: Message,
    /// How many bytes an answer may have.
    pub(super) limit: usize,
    question_end: usize,
    /// In lower case, without the dot at the end; `None`: with bytes that no host's name has.
    name: Option<String>,
}

/// What makes two queries the same.
pub(super) type Key = Box<[u8]>;

/// Why a message is not answered as a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is none: an answer would be noise, or one half of a loop.
    NoQuery,
    /// It cannot be, and this is what its sender is told.
    Code(ResponseCode),
}

impl<'a> Query<'a> {
    /// Reads a message.
    pub(super) fn read(bytes: &'a [u8], transport: Transport) -> Result<Self, Refusal> {
        let counts = [4, 6, 8, 10].map(|at| wire::number(bytes, at));
        let [Some(questions), Some(answers), Some(authorities), Some(others)] = counts else {
            return Err(Refusal::NoQuery);
        };
        if bytes[2] & 0x80 != 0 {
            return Err(Refusal::NoQuery);
        }
        if OpCode::from_u8((bytes[2] >> 3) & 0x0f) != OpCode::Query {
            return Err(Refusal::Code(ResponseCode::NotImp));
        }
        let malformed = Refusal::Code(ResponseCode::FormErr);
        if questions != 1 || others > RECORDS {
            return Err(malformed);
        }
        let question_end = wire::question_end(bytes).ok_or(malformed)?;
        let kind = RecordType::from(wire::number(bytes, question_end - 4).unwrap_or_default());
        if matches!(kind, RecordType::AXFR | RecordType::IXFR) {
            return Err(Refusal::Code(ResponseCode::Refused));
        }
        if answers != 0 || authorities != 0 {
            return Err(malformed);
        }
        let message = Message::from_vec(bytes).map_err(|_| malformed)?;
        let payload = message.edns.as_ref().map_or(512, |edns| edns.max_payload().clamp(512, LARGEST));
        let limit = match transport {
            Transport::Udp => usize::from(payload),
            Transport::Tcp => usize::from(u16::MAX),
        };
        Ok(Self { bytes, message, limit, question_end, name: name(&bytes[HEADER..question_end - 4]) })
    }

    /// What it asks of the mesh; `None`: nothing that the mesh could know.
    pub(super) fn question(&self) -> Option<Question<'_>> {
        let asked = self.message.queries.first()?;
        let name = self.name.as_deref().filter(|_| asked.query_class() == DNSClass::IN)?;
        let wanted = match asked.query_type() {
            RecordType::A => Wanted::V4,
            RecordType::AAAA => Wanted::V6,
            _ => Wanted::Other,
        };
        Some(Question { name, wanted })
    }

    /// The question as it came.
    pub(super) fn asked(&self) -> &'a [u8] {
        &self.bytes[HEADER..self.question_end]
    }

    /// Under which key its answer may be kept and shared. `None`: what it brings along (options, a signature) is
    /// between its sender and the server alone.
    pub(super) fn key(&self) -> Option<Key> {
        let asked = self.message.queries.first()?;
        let edns = self.message.edns.as_ref();
        let alone = self.message.additionals.is_empty()
            && self.message.signature.is_none()
            && asked.query_class() == DNSClass::IN
            && edns.is_none_or(|edns| edns.options().options.is_empty() && edns.version() == 0);
        let dnssec = edns.is_some_and(|edns| edns.flags().dnssec_ok);
        let header = &self.message.metadata;
        // Each of these changes what a server answers.
        let flags = [
            header.recursion_desired,
            header.checking_disabled,
            header.authentic_data,
            edns.is_some(),
            dnssec,
        ];
        let flags = flags.iter().fold(0, |all, flag| all << 1 | u8::from(*flag));
        let mut key = self.asked().to_ascii_lowercase();
        key.push(flags);
        alone.then(|| key.into_boxed_slice())
    }
}

/// A name as text.
fn name(mut labels: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(labels.len());
    while let Some((length @ 1.., rest)) = labels.split_first() {
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_*".contains(byte)) {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        labels = rest;
    }
    Some(text)
}

#[cfg(test)]
mod tests;
