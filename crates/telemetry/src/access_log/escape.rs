//! Escaping: what a stranger sent, made harmless for a line of text or a JSON string.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a byte may do without an escape: a table, because most bytes of a log pass through it.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        class[byte as usize] = match byte {
            b'"' | b'\\' => 0,
            b' ' => QUOTED | JSON,
            _ => QUOTED | BARE | JSON,
        };
        byte += 1;
    }
    class
};
const QUOTED: u8 = 1;
const BARE: u8 = 2;
const JSON: u8 = 4;

/// Where in a line of text a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between quotes: a blank is a blank.
    Quoted,
    /// Outside: a blank would begin the next field.
    Bare,
}

/// Appends `value` to a line of text: printable ASCII as it is; quotes, backslashes and all other bytes with
/// a backslash.
pub(super) fn text(out: &mut Vec<u8>, value: &[u8], place: Place) {
    let allowed = match place {
        Place::Quoted => QUOTED,
        Place::Bare => BARE,
    };
    let harmless = |byte: u8| CLASS[usize::from(byte)] & allowed != 0;
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| !harmless(*byte)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => out.extend_from_slice(&[
                b'\\',
                b'x',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends the inside of a JSON string. What is not UTF-8 becomes U+FFFD; control characters, also those
/// beyond ASCII that terminals and viewers obey, become `\u` escapes.
pub(super) fn json(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        out.extend_from_slice(value);
    } else {
        escaped(out, value);
    }
}

// Apart, so that what needs none pays nothing for it.
#[inline(never)]
fn escaped(out: &mut Vec<u8>, value: &[u8]) {
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_control() || is_treacherous(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(b"\\u");
                    for byte in unit.to_be_bytes() {
                        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                    }
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Makes what stands in `out` from `start` on the inside of a JSON string.
pub(super) fn json_from(out: &mut Vec<u8>, start: usize) {
    if !is_plain(&out[start..]) {
        let value = out.split_off(start);
        json(out, &value);
    }
}

/// Does no byte need an escape? Sixteen are looked at as one, without an early end: that is what the compiler makes
/// vector instructions of; of what is short, eight. The last ones may overlap those before.
fn is_plain(value: &[u8]) -> bool {
    let (blocks, _) = value.as_chunks::<16>();
    if let Some(last) = value.last_chunk::<16>() {
        blocks.iter().all(are_plain) && are_plain(last)
    } else if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        eight_are_plain(*first) & eight_are_plain(*last)
    } else {
        value.iter().all(|byte| CLASS[usize::from(*byte)] & JSON != 0)
    }
}

fn are_plain(block: &[u8; 16]) -> bool {
    block
        .iter()
        .fold(true, |plain, &byte| plain & (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\'))
}

/// The same of eight bytes in one register: with its highest bit set no byte borrows from the next, and what is below
/// its floor loses that bit.
fn eight_are_plain(block: [u8; 8]) -> bool {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let eight = u64::from_ne_bytes(block);
    let at_least = |value: u64, floor: u8| (value | HIGH).wrapping_sub(u64::from_ne_bytes([floor; 8]));
    let is_not = |byte: u8| at_least(eight ^ u64::from_ne_bytes([byte; 8]), 1);
    at_least(eight, b' ') & is_not(0x7f) & is_not(b'"') & is_not(b'\\') & !eight & HIGH == HIGH
}

/// Line and paragraph separators, and characters that turn the direction of what follows.
fn is_treacherous(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
