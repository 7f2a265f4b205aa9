//! What a file may be that is no UTF-8.

/// What Windows-1252 has where Latin-1 has nothing to be seen: the characters of 0x80 to 0x9f; five bytes have none.
const WINDOWS: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// What to do about `bytes`, whose byte `at` is the first that does not fit.
pub(super) fn hint(bytes: &[u8], at: usize) -> Option<String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some("this is UTF-16; save it as UTF-8".to_owned());
    }
    let byte = *bytes.get(at)?;
    let meant =
        WINDOWS.get(usize::from(byte).checked_sub(0x80)?).copied().unwrap_or(Some(char::from(byte)))?;
    Some(format!("if this is Windows-1252, its byte 0x{byte:02X} is {meant}; save it as UTF-8"))
}
