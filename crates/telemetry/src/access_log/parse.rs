//! From a format string to its parts.

use super::escape::Place;
use super::format::{FormatError, Surroundings};
use super::operator::{GrpcShape, Header, Lookup, Operator};
use super::time::TimeFormat;

/// A piece of a compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Box<str>),
    Value(Slot),
}

/// An operator with its bound, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) operator: Operator,
    /// No more bytes of the value are shown.
    pub(super) max: usize,
    pub(super) place: Place,
}

/// Longest value shown; a format can ask for less, not for more.
const MAX_VALUE: usize = 16 * 1024;

/// The parts of `format`; what works but shows nothing is told to `warnings`.
pub(super) fn parse(
    format: &str,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Part>, FormatError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut quotes = 0_usize;
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let (command, after) = Command::read(after).ok_or_else(|| FormatError::Unfinished {
            format: format.to_owned(),
            at: format.len() - after.len() - 1,
        })?;
        quotes += literal.matches('"').count();
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal).into()));
        }
        let place = if quotes % 2 == 1 { Place::Quoted } else { Place::Bare };
        let max = command.max.unwrap_or(MAX_VALUE).min(MAX_VALUE);
        let operator = command.operator(surroundings, warnings)?;
        parts.push(Part::Value(Slot { operator, max, place }));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
    Ok(parts)
}

/// `NAME(argument):max`, as it stands between two percent signs.
struct Command<'a> {
    name: &'a str,
    argument: Option<&'a str>,
    max: Option<usize>,
}

impl<'a> Command<'a> {
    /// Reads one command and its closing percent sign; returns what follows.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let in_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let (name, mut rest) = text.split_at(text.find(|c| !in_name(c))?);
        let mut argument = None;
        if let Some(inside) = rest.strip_prefix('(') {
            let (inside, after) = inside.split_once(')')?;
            (argument, rest) = (Some(inside), after);
        }
        let mut max = None;
        if let Some(after) = rest.strip_prefix(':') {
            let (digits, after) = after.split_at(after.find(|c: char| !c.is_ascii_digit())?);
            (max, rest) = (Some(digits.parse().ok()?), after);
        }
        let rest = rest.strip_prefix('%')?;
        (!name.is_empty()).then_some((Self { name, argument, max }, rest))
    }

    fn operator(
        &self,
        surroundings: &Surroundings<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Operator, FormatError> {
        let operator = match self.name {
            "START_TIME" => Operator::StartTime(self.time()?),
            "REQ" => Operator::Request(self.lookup(Header::of_request)?),
            "RESP" => Operator::Response(self.lookup(Header::of_response)?),
            "TRAILER" => {
                Operator::Trailer(self.lookup(|name| Header::Field(name.to_ascii_lowercase().into()))?)
            }
            "GRPC_STATUS" => Operator::GrpcStatus(self.grpc_shape()?),
            "GRPC_STATUS_NUMBER" => Operator::GrpcStatus(GrpcShape::TypedNumber),
            "HOSTNAME" => Operator::Fixed(Some(surroundings.hostname.into())),
            "ENVIRONMENT" => {
                let variable = self.argument.filter(|name| !name.is_empty());
                let variable =
                    variable.ok_or_else(|| self.bad_argument("it needs the name of a variable"))?;
                Operator::Fixed((surroundings.variable)(variable).map(Into::into))
            }
            name if Operator::is_unrecorded(name) => {
                warnings.push(format!("%{name}% is not recorded by weft: it will read as \"-\""));
                Operator::Unrecorded
            }
            name => {
                let operator = Operator::without_argument(name).ok_or_else(|| FormatError::unknown(name))?;
                if self.argument.is_some_and(|argument| !argument.is_empty()) {
                    return Err(self.bad_argument("it takes none"));
                }
                operator
            }
        };
        Ok(operator)
    }

    fn time(&self) -> Result<TimeFormat, FormatError> {
        match self.argument.filter(|format| !format.is_empty()) {
            None => Ok(TimeFormat::default_shape()),
            Some(format) => TimeFormat::parse(format)
                .map_err(|what| self.bad_argument(&format!("{what} is not understood in a time"))),
        }
    }

    fn lookup(&self, header: impl Fn(&str) -> Header) -> Result<Lookup, FormatError> {
        let argument = self.argument.unwrap_or_default();
        let (first, second) = match argument.split_once('?') {
            Some((first, second)) => (first, Some(second)),
            None => (argument, None),
        };
        let valid = |name: &str| {
            let name = name.strip_prefix(':').unwrap_or(name);
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"?:%()\"".contains(&byte))
        };
        if !valid(first) || second.is_some_and(|second| !valid(second)) {
            return Err(self.bad_argument("it needs a header's name, or two with a question mark between"));
        }
        Ok(Lookup { first: header(first), second: second.map(header) })
    }

    fn grpc_shape(&self) -> Result<GrpcShape, FormatError> {
        match self.argument.unwrap_or_default() {
            "" | "CAMEL_STRING" => Ok(GrpcShape::Camel),
            "SNAKE_STRING" => Ok(GrpcShape::Snake),
            "NUMBER" => Ok(GrpcShape::Number),
            _ => Err(self.bad_argument("it takes CAMEL_STRING, SNAKE_STRING or NUMBER")),
        }
    }

    fn bad_argument(&self, why: &str) -> FormatError {
        FormatError::Argument {
            operator: self.name.to_owned(),
            argument: self.argument.unwrap_or_default().to_owned(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
