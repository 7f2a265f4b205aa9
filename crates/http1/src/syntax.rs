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
