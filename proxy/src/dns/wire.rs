//! Where things stand in a message, without taking it apart: what is forwarded and what is kept stays the bytes that came.

/// A message begins with a header of this size.
pub(super) const HEADER: usize = 12;

const SOA: u16 = 6;
const OPT: u16 = 41;
const ANY: u16 = 255;

/// What can be told of a response from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Where the records' times to live stand.
    pub(super) ttls: Vec<u16>,
    /// How many seconds it may be kept; `None`: not at all.
    pub(super) lifetime: Option<u32>,
}

/// One record, as far as it matters here.
struct Entry {
    kind: u16,
    ttl_at: usize,
    ttl: u32,
    /// After its last byte.
    end: usize,
}

/// The number at `at`.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Behind a name. A pointer ends it, wherever it points to, so no message makes this run in a circle.
fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return bytes.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// Behind the one question of a message, whose name must be written out.
pub(super) fn question_end(bytes: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match *bytes.get(at)? {
            0 => break,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    // Longer is no name.
    let end = at + 5;
    (at + 1 - HEADER <= 255 && end <= bytes.len()).then_some(end)
}

/// The message was cut to fit.
pub(super) fn is_truncated(bytes: &[u8]) -> bool {
    bytes.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// The response code of the header.
pub(super) fn code(bytes: &[u8]) -> u8 {
    bytes.get(3).map_or(0, |flags| flags & 0x0f)
}

/// Whether `response` is one to `query`, by number and question. Some servers leave the question out of an error.
pub(super) fn answers(response: &[u8], query: &[u8]) -> bool {
    let Some(end) = question_end(query) else { return false };
    if response.len() < HEADER || response[..2] != query[..2] || response[2] & 0x80 == 0 {
        return false;
    }
    if (response[2] ^ query[2]) & 0x78 != 0 {
        return false;
    }
    match number(response, 4) {
        Some(0) => matches!(code(response), 1 | 2 | 4 | 5),
        Some(1) => {
            question_end(response) == Some(end)
                && response[HEADER..end].eq_ignore_ascii_case(&query[HEADER..end])
        }
        _ => false,
    }
}

/// Looks a response over. `None`: it is none that can be read to its end.
pub(super) fn shape(bytes: &[u8]) -> Option<Shape> {
    let mut at = question_end(bytes)?;
    let asked = number(bytes, at - 4)?;
    let (answers, authorities, others) = (number(bytes, 6)?, number(bytes, 8)?, number(bytes, 10)?);
    let mut ttls = Vec::new();
    let mut shortest = u32::MAX;
    let (mut positive, mut negative, mut plain) = (false, None, true);
    for place in 0..u32::from(answers) + u32::from(authorities) + u32::from(others) {
        let record = entry(bytes, at)?;
        at = record.end;
        if record.kind == OPT {
            // The upper part of the response code stands where others have their time to live.
            plain &= record.ttl >> 24 == 0;
            continue;
        }
        ttls.push(u16::try_from(record.ttl_at).ok()?);
        shortest = shortest.min(record.ttl);
        if place < u32::from(answers) {
            positive |= record.kind == asked || asked == ANY;
        } else if place < u32::from(answers) + u32::from(authorities) && record.kind == SOA {
            negative = long(bytes, record.end.checked_sub(4)?);
        }
    }
    let lifetime = match code(bytes) {
        _ if is_truncated(bytes) || !plain => None,
        0 if positive => Some(shortest),
        // No such name, or nothing of what was asked for: as long as the zone says (RFC 2308).
        0 | 3 => negative.map(|minimum| shortest.min(minimum)),
        _ => None,
    };
    Some(Shape { ttls, lifetime: lifetime.filter(|seconds| *seconds > 0) })
}

fn entry(bytes: &[u8], at: usize) -> Option<Entry> {
    let at = after_name(bytes, at)?;
    let ttl = long(bytes, at + 4)?;
    let end = at + 10 + usize::from(number(bytes, at + 8)?);
    // With its highest bit set, a time to live counts as none (RFC 2181).
    let ttl = if number(bytes, at)? != OPT && ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
    (end <= bytes.len()).then_some(Entry { kind: number(bytes, at)?, ttl_at: at + 4, ttl, end })
}

#[cfg(test)]
mod tests;
