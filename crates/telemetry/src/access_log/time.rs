//! Moments in a log: Envoy's default shape, and as much of strftime as makes sense in one line in UTC.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use crate::identifier::Identifier;

/// A compiled time format.
#[derive(Debug, Clone)]
pub(super) struct TimeFormat {
    pieces: Vec<Piece>,
    needs_escape: bool,
    id: Identifier,
}

thread_local! {
    /// What this thread wrote last: of two records within one second only the fractions differ.
    static LAST: RefCell<Written> = const {
        RefCell::new(Written { format: Identifier::ABSENT, second: 0, text: Vec::new(), fractions: Vec::new() })
    };
}

/// A second in the shape of one format.
struct Written {
    format: Identifier,
    second: u64,
    text: Vec<u8>,
    fractions: Vec<Fraction>,
}

/// A second's fraction, as it stands in a text.
struct Fraction {
    place: std::ops::Range<usize>,
    /// Nanoseconds in one of its last digit.
    unit: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(char),
    Year,
    ShortYear,
    Month,
    Day,
    DayBlank,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
    AmPm,
    Weekday {
        short: bool,
    },
    MonthName {
        short: bool,
    },
    Epoch,
    /// So many digits of the second's fraction.
    Fraction(u8),
    /// Envoy's `%E3S`: seconds with so many digits of fraction.
    SecondWithFraction(u8),
}

impl TimeFormat {
    /// `2016-04-15T20:17:00.310Z`.
    pub(super) fn default_shape() -> Self {
        use Piece::{Day, Hour, Literal, Minute, Month, SecondWithFraction, Year};
        let date = [Year, Literal('-'), Month, Literal('-'), Day, Literal('T')];
        let time = [Hour, Literal(':'), Minute, Literal(':'), SecondWithFraction(3), Literal('Z')];
        Self::of(date.into_iter().chain(time).collect())
    }

    /// Compiles a format in strftime's letters; the error is what cannot be understood.
    pub(super) fn parse(format: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => specifier(&mut chars, &mut pieces)?,
                c if c.is_control() => return Err(format!("the control character {c:?}")),
                c => pieces.push(Piece::Literal(c)),
            }
        }
        Ok(Self::of(pieces))
    }

    fn of(pieces: Vec<Piece>) -> Self {
        let plain = |c: &char| (' '..='~').contains(c) && !matches!(c, '"' | '\\');
        let needs_escape = pieces.iter().any(|piece| matches!(piece, Piece::Literal(c) if !plain(c)));
        Self { pieces, needs_escape, id: Identifier::next() }
    }

    /// Whether JSON needs an escape for something in it.
    pub(super) const fn needs_escape(&self) -> bool {
        self.needs_escape
    }

    /// Appends `moment`.
    pub(super) fn write(&self, out: &mut Vec<u8>, moment: SystemTime) {
        // Before 1970 or after 9999 no clock that is right can be: such a moment is 1970.
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        LAST.with_borrow_mut(|last| {
            if last.format != self.id || last.second != since.as_secs() {
                self.write_second(last, since.as_secs());
            }
            let start = out.len();
            out.extend_from_slice(&last.text);
            for Fraction { place, unit } in &last.fractions {
                fill(&mut out[start..][place.clone()], since.subsec_nanos() / unit);
            }
        });
    }

    fn write_second(&self, last: &mut Written, second: u64) {
        let date = i64::try_from(second).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
        let date = date.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        *last = Written { format: self.id, second, text: Vec::new(), fractions: Vec::new() };
        for piece in &self.pieces {
            piece.write(&mut last.text, date);
            if let Piece::Fraction(count) | Piece::SecondWithFraction(count) = piece {
                let end = last.text.len();
                let unit = 10_u32.pow(9 - u32::from(*count).clamp(1, 9));
                last.fractions.push(Fraction { place: end - usize::from(*count)..end, unit });
            }
        }
    }
}

impl PartialEq for TimeFormat {
    fn eq(&self, other: &Self) -> bool {
        self.pieces == other.pieces
    }
}

impl Eq for TimeFormat {}

fn specifier(chars: &mut std::str::Chars<'_>, pieces: &mut Vec<Piece>) -> Result<(), String> {
    use Piece::{
        AmPm, Day, DayBlank, DayOfYear, Epoch, Fraction, Hour, Hour12, Literal, Minute, Month, MonthName,
        Second, SecondWithFraction, ShortYear, Weekday, Year,
    };
    let piece = match chars.next() {
        Some('Y') => Year,
        Some('y') => ShortYear,
        Some('m') => Month,
        Some('d') => Day,
        Some('e') => DayBlank,
        Some('j') => DayOfYear,
        Some('H') => Hour,
        Some('I') => Hour12,
        Some('M') => Minute,
        Some('S') => Second,
        Some('p') => AmPm,
        Some('a') => Weekday { short: true },
        Some('A') => Weekday { short: false },
        Some('b' | 'h') => MonthName { short: true },
        Some('B') => MonthName { short: false },
        Some('s') => Epoch,
        Some('f') => Fraction(9),
        Some('%') => Literal('%'),
        Some('F') => return extend(pieces, "%Y-%m-%d"),
        Some('T') => return extend(pieces, "%H:%M:%S"),
        Some('R') => return extend(pieces, "%H:%M"),
        Some('D') => return extend(pieces, "%m/%d/%y"),
        Some('Z') => return extend(pieces, "UTC"),
        Some('z') => return extend(pieces, "+0000"),
        Some(digit @ '1'..='9') if chars.as_str().starts_with('f') => {
            chars.next();
            Fraction(digit as u8 - b'0')
        }
        Some('E') => {
            let digits = match (chars.next(), chars.next()) {
                (Some(digit @ '1'..='9'), Some('S')) => digit as u8 - b'0',
                (Some('*'), Some('S')) => 9,
                _ => return Err("a %E that is not %E1S to %E9S".to_owned()),
            };
            SecondWithFraction(digits)
        }
        Some(c) => return Err(format!("the specifier %{c}")),
        None => return Err("a % at the end".to_owned()),
    };
    pieces.push(piece);
    Ok(())
}

fn extend(pieces: &mut Vec<Piece>, format: &str) -> Result<(), String> {
    pieces.extend(TimeFormat::parse(format)?.pieces);
    Ok(())
}

impl Piece {
    /// Fractions are left to be filled in.
    fn write(&self, out: &mut Vec<u8>, date: OffsetDateTime) {
        match self {
            Self::Literal(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Self::Year => digits(out, date.year().unsigned_abs(), 4),
            Self::ShortYear => digits(out, date.year().unsigned_abs() % 100, 2),
            Self::Month => digits(out, u32::from(u8::from(date.month())), 2),
            Self::Day => digits(out, u32::from(date.day()), 2),
            Self::DayBlank if date.day() < 10 => out.extend_from_slice(&[b' ', b'0' + date.day()]),
            Self::DayBlank => digits(out, u32::from(date.day()), 2),
            Self::DayOfYear => digits(out, u32::from(date.ordinal()), 3),
            Self::Hour => digits(out, u32::from(date.hour()), 2),
            Self::Hour12 => digits(out, u32::from((date.hour() + 11) % 12 + 1), 2),
            Self::Minute => digits(out, u32::from(date.minute()), 2),
            Self::Second => digits(out, u32::from(date.second()), 2),
            Self::AmPm => out.extend_from_slice(if date.hour() < 12 { b"AM" } else { b"PM" }),
            Self::Weekday { short } => name(out, &date.weekday().to_string(), *short),
            Self::MonthName { short } => name(out, &date.month().to_string(), *short),
            Self::Epoch => out.extend_from_slice(date.unix_timestamp().to_string().as_bytes()),
            Self::Fraction(count) => digits(out, 0, usize::from(*count)),
            Self::SecondWithFraction(count) => {
                digits(out, u32::from(date.second()), 2);
                out.push(b'.');
                digits(out, 0, usize::from(*count));
            }
        }
    }
}

fn name(out: &mut Vec<u8>, name: &str, short: bool) {
    let name = if short { name.get(..3).unwrap_or(name) } else { name };
    out.extend_from_slice(name.as_bytes());
}

/// `value` in exactly `width` digits.
fn digits(out: &mut Vec<u8>, value: u32, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    fill(&mut out[start..], value);
}

fn fill(places: &mut [u8], mut value: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests;
