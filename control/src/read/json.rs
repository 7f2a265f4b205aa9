//! What JSON has and YAML has not, written so that YAML's parser takes it.

use std::borrow::Cow;

/// The text of a JSON file as YAML. Tabs are white space in JSON, and cannot stand in its strings; a character beyond the
/// first 65,536 may be written as two escapes, as many programs do.
pub(super) fn as_yaml(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') && !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\t', '\\']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix('\t') {
            out.push(' ');
            rest = after;
        } else if let Some((character, after)) = pair(from) {
            out.push(character);
            rest = after;
        } else {
            // The character behind a backslash is no beginning of another escape.
            let length = from.chars().take(2).map(char::len_utf8).sum();
            let (escape, after) = from.split_at(length);
            out.push_str(escape);
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where a value of a text ends behind which, without anything between, another begins: programs write one behind the other.
pub(super) fn ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && text[at + 1..].trim_start().starts_with(['{', '[']) {
                    ends.push(at + 1);
                }
            }
            _ => {}
        }
    }
    ends
}

/// The character that two escapes in a row are together, and what follows them.
fn pair(text: &str) -> Option<(char, &str)> {
    let (high, text) = escape(text)?;
    let (low, text) = escape(text)?;
    let character = char::decode_utf16([high, low]).next()?.ok()?;
    // Of two that are each a character, neither is to be lost.
    (character > '\u{ffff}').then_some((character, text))
}

fn escape(text: &str) -> Option<(u16, &str)> {
    let text = text.strip_prefix("\\u")?;
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u16::from_str_radix(digits, 16).ok()?, text.get(4..)?))
}

#[cfg(test)]
mod tests;
