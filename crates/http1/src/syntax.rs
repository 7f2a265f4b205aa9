//! RFC 9110's smallest words: tokens, field values, comma lists.

/// `tchar` of RFC 9110: what methods, header names and upgrade tokens are made of.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut mark = 0;
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
};

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

// The checks below look at every byte instead of stopping at the first bad one: bad ones are rare, and without an early end
// the compiler can compare sixteen at a time.

/// One or more `tchar`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().fold(true, |good, &byte| good & is_token_byte(byte))
}

/// The same of what is known to the compiler.
pub(crate) const fn is_const_token(bytes: &[u8]) -> bool {
    let mut n = 0;
    while n < bytes.len() && TOKEN[bytes[n] as usize] {
        n += 1;
    }
    n > 0 && n == bytes.len()
}

/// A header value or reason phrase that cannot end its line early: no CR, LF, NUL or other control but TAB.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    // Values may be long, so it is not left to the compiler whether it looks at sixteen bytes as one.
    let (blocks, rest) = bytes.as_chunks::<16>();
    blocks.iter().all(|block| are_of_field(block)) && are_of_field(rest)
}

#[inline]
fn are_of_field(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, &byte| good & ((byte == b'\t') | (byte >= b' ') & (byte != 0x7f)))
}

/// Whether two names are the same but for the case of their letters. Clients write `Host` and programs ask for `host`, so
/// neither way is the rare one; and names are short, so a loop over bytes would be most of the work.
#[inline]
pub(crate) fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let alike = |one: &[u8; 8], other: &[u8; 8]| {
        let (one, other) = (u64::from_ne_bytes(*one), u64::from_ne_bytes(*other));
        // The same letters differ at most in the bit of their case.
        one == other || (one ^ other) & !case_of_letters(one) == 0
    };
    // What is left over at the end is looked at together with what stands before it.
    if let (Some(last), Some(others)) = (one.last_chunk(), other.last_chunk()) {
        let (words, _) = one.as_chunks();
        let (of_other, _) = other.as_chunks();
        return words.iter().zip(of_other).all(|(one, other)| alike(one, other)) && alike(last, others);
    }
    match (ends(one), ends(other)) {
        (Some(one), Some(other)) => alike(&one, &other),
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// The first four bytes and the last four of four to eight.
#[inline]
fn ends(bytes: &[u8]) -> Option<[u8; 8]> {
    let ([a, b, c, d], [e, f, g, h]) = (bytes.first_chunk()?, bytes.last_chunk()?);
    Some([*a, *b, *c, *d, *e, *f, *g, *h])
}

/// Of eight bytes, the bit of each letter that tells upper from lower case.
#[inline]
const fn case_of_letters(word: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let low = (word & (EACH * 0x7f)) | (EACH * 0x20);
    // The highest bit of each byte says what is asked of it: no sum of these carries into the next.
    let from_a = low + EACH * (0x80 - b'a' as u64);
    let beyond_z = low + EACH * (0x7f - b'z' as u64);
    (from_a & !beyond_z & !word & (EACH * 0x80)) >> 2
}

/// Visible ASCII only.
pub(crate) fn is_visible(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, &byte| good & byte.wrapping_sub(b'!').lt(&(b'~' - b'!' + 1)))
}

/// Without the optional white space (SP, TAB) around it.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma list, trimmed; empty members are skipped, as RFC 9110 5.6.1 asks of a recipient.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests;
