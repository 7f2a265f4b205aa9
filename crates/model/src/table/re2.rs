//! Regexes as RE2 reads them, on the `regex` crate: linear in time, bounded in size, and of the same meaning.
//!
//! The two differ where an attacker could notice: `\d`, `\w`, `\s` and `\b` are ASCII in RE2, `&&`, `--`, `~~` and a
//! bare `[` are plain characters inside brackets, `\<` is a plain `<`. One is written as the other before it is compiled.

use regex::{Regex, RegexBuilder};

/// A regex that must match a whole text.
#[derive(Debug, Clone)]
pub struct Re2(Regex);

/// A regex that replaces what it finds.
#[derive(Debug, Clone)]
pub struct Substitution {
    regex: Regex,
    parts: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Why a regex is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Re2Error {
    /// It is longer than any rule needs.
    #[error("regex of {0} bytes; at most 4096 are taken")]
    Long(usize),
    /// It is not RE2's syntax, or too big when compiled.
    #[error("regex {pattern:?}: {why}")]
    Syntax {
        /// The regex.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// The substitution names a group that the regex does not have, or is not of the form `\1`.
    #[error("substitution {substitution:?}: {why}")]
    Substitution {
        /// The substitution.
        substitution: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

const LONGEST: usize = 4096;
const LARGEST: usize = 1 << 20;

impl Re2 {
    /// Compiles a regex that must match the whole text.
    ///
    /// # Errors
    /// If it is too long, too big, or no RE2.
    pub fn new(pattern: &str) -> Result<Self, Re2Error> {
        Ok(Self(build(pattern, |translated| format!(r"\A(?:{translated})\z"))?))
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Substitution {
    /// Compiles a regex and what its matches become: `\1` is the first group, `\0` all of it, `\\` a backslash.
    ///
    /// # Errors
    /// If the regex is refused, or the substitution names a group that is not there.
    pub fn new(pattern: &str, substitution: &str) -> Result<Self, Re2Error> {
        let regex = build(pattern, str::to_owned)?;
        let wrong = |why| Re2Error::Substitution { substitution: substitution.to_owned(), why };
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut chars = substitution.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some('\\') => text.push('\\'),
                Some(digit) if digit.is_ascii_digit() => {
                    let group = digit as usize - '0' as usize;
                    if group >= regex.captures_len() {
                        return Err(wrong("it names a group that the regex does not have"));
                    }
                    parts.push(Piece::Text(std::mem::take(&mut text)));
                    parts.push(Piece::Group(group));
                }
                _ => return Err(wrong(r"after a backslash only a digit or a backslash may stand")),
            }
        }
        parts.push(Piece::Text(text));
        Ok(Self { regex, parts })
    }

    /// Writes the text with every match replaced to the end of `out`; says whether there was one.
    pub fn replace_all(&self, text: &str, out: &mut String) -> bool {
        let mut last = 0;
        let mut any = false;
        for found in self.regex.captures_iter(text) {
            let Some(whole) = found.get(0) else { continue };
            any = true;
            out.push_str(&text[last..whole.start()]);
            for part in &self.parts {
                match part {
                    Piece::Text(own) => out.push_str(own),
                    Piece::Group(group) => out.push_str(found.get(*group).map_or("", |m| m.as_str())),
                }
            }
            last = whole.end();
        }
        out.push_str(&text[last..]);
        any
    }
}

fn build(pattern: &str, frame: impl Fn(&str) -> String) -> Result<Regex, Re2Error> {
    if pattern.len() > LONGEST {
        return Err(Re2Error::Long(pattern.len()));
    }
    let wrong = |why: String| Re2Error::Syntax { pattern: pattern.to_owned(), why };
    let translated = translate(pattern).map_err(|why| wrong(why.to_owned()))?;
    // Alone first: `a)(b` is only well-formed inside a frame.
    let limited = |text: &str| {
        RegexBuilder::new(text).size_limit(LARGEST).dfa_size_limit(LARGEST).nest_limit(100).build()
    };
    limited(&translated).map_err(|error| wrong(error.to_string()))?;
    limited(&frame(&translated)).map_err(|error| wrong(error.to_string()))
}

/// The literal of a regex `.*literal.*`, where all of its characters mean themselves.
pub(crate) fn surrounded_literal(pattern: &str) -> Option<&str> {
    let literal = pattern.strip_prefix(".*")?.strip_suffix(".*")?;
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | ':' | '@' | '=' | '%' | '~');
    literal.chars().all(plain).then_some(literal)
}

/// A RE2 regex in the words of the `regex` crate.
fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(tail, in_class, &mut out)?,
            '[' if !in_class => {
                in_class = true;
                open_class(tail, &mut out)
            }
            '[' => named_class(rest, &mut out),
            ']' if in_class => {
                in_class = false;
                out.push(']');
                tail
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
                tail
            }
            // `--` would be a difference of sets; a range that ends or begins with a dash stays one.
            '-' if in_class && tail.starts_with('-') => {
                out.push_str(r"\-");
                tail
            }
            '(' if !in_class && tail.starts_with('?') => group(tail, &mut out)?,
            '{' if !in_class && !is_repetition(tail) => {
                out.push_str(r"\{");
                tail
            }
            _ => {
                out.push(c);
                tail
            }
        };
    }
    Ok(out)
}

fn escape<'p>(tail: &'p str, in_class: bool, out: &mut String) -> Result<&'p str, &'static str> {
    let Some(c) = tail.chars().next() else { return Err("it ends with a backslash") };
    let rest = &tail[c.len_utf8()..];
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str(r"[\t\n\x0C\r ]"),
        'S' => out.push_str(r"[^\t\n\x0C\r ]"),
        'b' if !in_class => out.push_str(r"(?-u:\b)"),
        'B' if !in_class => return Err(r"\B is not supported"),
        'C' => return Err(r"\C is not supported"),
        'Q' if !in_class => {
            let (literal, after) = rest.split_once(r"\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(literal));
            return Ok(after);
        }
        'x' | 'p' | 'P' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'A' | 'z' => {
            out.push('\\');
            out.push(c);
        }
        c if c.is_ascii_punctuation() => out.push_str(&format!(r"\x{:02X}", c as u32)),
        c if !c.is_ascii() => out.push(c),
        _ => return Err("an escape that RE2 does not have, or a back-reference"),
    }
    Ok(rest)
}

fn open_class<'p>(mut tail: &'p str, out: &mut String) -> &'p str {
    out.push('[');
    if let Some(rest) = tail.strip_prefix('^') {
        out.push('^');
        tail = rest;
    }
    // A bracket that comes first is itself.
    if let Some(rest) = tail.strip_prefix(']') {
        out.push_str(r"\]");
        tail = rest;
    }
    tail
}

fn named_class<'p>(rest: &'p str, out: &mut String) -> &'p str {
    if rest.starts_with("[:")
        && let Some(end) = rest.find(":]")
    {
        out.push_str(&rest[..end + 2]);
        return &rest[end + 2..];
    }
    out.push_str(r"\[");
    &rest[1..]
}

fn group<'p>(tail: &'p str, out: &mut String) -> Result<&'p str, &'static str> {
    out.push('(');
    if tail.starts_with("?P<") || tail.starts_with("?<") {
        return Ok(tail);
    }
    let flags = tail[1..].find([':', ')']).ok_or("an open group")?;
    if !tail[1..=flags].chars().all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
        return Err("a group's flags may be i, m, s and U");
    }
    Ok(tail)
}

fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

#[cfg(test)]
mod tests;
