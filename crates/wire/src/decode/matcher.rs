//! Matchers of strings, headers, queries and metadata.

use weft_model::matcher::{
    HeaderMatcher, HeaderValueMatch, MetadataMatcher, MetadataValue, Pattern, QueryMatcher, StringMatcher,
};

use super::DEEPEST;
use super::at::{At, Decoded, unpack};
use super::value::regex;
use crate::pb::{matcher, route};

pub(super) fn string(at: &At<'_>, value: matcher::StringMatcher) -> Decoded<StringMatcher> {
    use matcher::string_matcher::MatchPattern;
    let pattern = match value.match_pattern {
        Some(MatchPattern::Exact(text)) => Pattern::Exact(text),
        Some(MatchPattern::Prefix(text)) => Pattern::Prefix(text),
        Some(MatchPattern::Suffix(text)) => Pattern::Suffix(text),
        Some(MatchPattern::Contains(text)) => Pattern::Contains(text),
        Some(MatchPattern::SafeRegex(value)) => Pattern::Regex(regex(at, "safe_regex", value)?),
        Some(MatchPattern::Custom(custom)) => {
            return Err(at.field("custom").fault(format!("the matcher {:?} is not known here", custom.name)));
        }
        None => return Err(at.fault("it says nothing to match")),
    };
    Ok(StringMatcher { pattern, ignore_case: value.ignore_case })
}

pub(super) fn strings(
    at: &At<'_>,
    field: &str,
    values: Vec<matcher::StringMatcher>,
) -> Decoded<Vec<StringMatcher>> {
    values.into_iter().enumerate().map(|(n, value)| string(&at.item(field, n), value)).collect()
}

/// A path matcher: `path`, a string matcher.
pub(super) fn path(at: &At<'_>, value: matcher::PathMatcher) -> Decoded<StringMatcher> {
    match value.rule {
        Some(matcher::path_matcher::Rule::Path(value)) => string(&at.field("path"), value),
        None => Err(at.fault("it says no path")),
    }
}

#[allow(deprecated, reason = "older control planes still write the older forms, which mean the same")]
pub(super) fn header(at: &At<'_>, value: route::HeaderMatcher) -> Decoded<HeaderMatcher> {
    use route::header_matcher::HeaderMatchSpecifier as Is;
    if value.name.is_empty() {
        return Err(at.field("name").fault("it is empty"));
    }
    let matches = match value.header_match_specifier {
        None => HeaderValueMatch::Present(true),
        Some(Is::PresentMatch(present)) => HeaderValueMatch::Present(present),
        Some(Is::StringMatch(value)) => HeaderValueMatch::String(string(&at.field("string_match"), value)?),
        Some(Is::ExactMatch(text)) => HeaderValueMatch::String(Pattern::Exact(text).into()),
        Some(Is::PrefixMatch(text)) => HeaderValueMatch::String(Pattern::Prefix(text).into()),
        Some(Is::SuffixMatch(text)) => HeaderValueMatch::String(Pattern::Suffix(text).into()),
        Some(Is::ContainsMatch(text)) => HeaderValueMatch::String(Pattern::Contains(text).into()),
        Some(Is::SafeRegexMatch(value)) => {
            HeaderValueMatch::String(Pattern::Regex(regex(at, "safe_regex_match", value)?).into())
        }
        Some(Is::RangeMatch(range)) => HeaderValueMatch::Range(range.start..range.end),
    };
    Ok(HeaderMatcher {
        name: value.name.to_ascii_lowercase(),
        value: matches,
        invert: value.invert_match,
        treat_missing_as_empty: value.treat_missing_header_as_empty,
    })
}

pub(super) fn headers(
    at: &At<'_>,
    field: &str,
    values: Vec<route::HeaderMatcher>,
) -> Decoded<Vec<HeaderMatcher>> {
    values.into_iter().enumerate().map(|(n, value)| header(&at.item(field, n), value)).collect()
}

pub(super) fn query(at: &At<'_>, value: route::QueryParameterMatcher) -> Decoded<QueryMatcher> {
    use route::query_parameter_matcher::QueryParameterMatchSpecifier as Is;
    if value.name.is_empty() {
        return Err(at.field("name").fault("it is empty"));
    }
    let matches = match value.query_parameter_match_specifier {
        None | Some(Is::PresentMatch(true)) => None,
        Some(Is::PresentMatch(false)) => {
            return Err(at.field("present_match").fault("absence of a query parameter is not matched here"));
        }
        Some(Is::StringMatch(value)) => Some(string(&at.field("string_match"), value)?),
    };
    Ok(QueryMatcher { name: value.name, value: matches })
}

pub(super) fn metadata(at: &At<'_>, value: matcher::MetadataMatcher) -> Decoded<MetadataMatcher> {
    unpack!(at, value, matcher::MetadataMatcher { filter, path, value, invert } else {});
    let mut keys = Vec::with_capacity(path.len());
    for (n, segment) in path.into_iter().enumerate() {
        match segment.segment {
            Some(matcher::metadata_matcher::path_segment::Segment::Key(key)) => keys.push(key),
            None => return Err(at.item("path", n).fault("it has no key")),
        }
    }
    let at = at.field("value");
    let value = value.ok_or_else(|| at.fault("it is missing"))?;
    Ok(MetadataMatcher { filter, path: keys, value: metadata_value(&at, value, DEEPEST)?, invert })
}

fn metadata_value(at: &At<'_>, value: matcher::ValueMatcher, deepest: u8) -> Decoded<MetadataValue> {
    use matcher::value_matcher::MatchPattern as Is;
    let Some(deeper) = deepest.checked_sub(1) else { return Err(at.fault("nested too deep")) };
    let unknown = |what: &str| {
        at.field(what).note("it is never decided: what depends on it fails closed");
        MetadataValue::Unknown(what.to_owned())
    };
    Ok(match value.match_pattern {
        Some(Is::StringMatch(value)) => MetadataValue::String(string(&at.field("string_match"), value)?),
        Some(Is::PresentMatch(present)) => MetadataValue::Present(present),
        Some(Is::ListMatch(list)) => {
            let at = at.field("list_match");
            match list.match_pattern {
                Some(matcher::list_matcher::MatchPattern::OneOf(value)) => {
                    MetadataValue::ListOneOf(Box::new(metadata_value(&at.field("one_of"), *value, deeper)?))
                }
                None => return Err(at.fault("it says nothing to match")),
            }
        }
        Some(Is::OrMatch(or)) => {
            let at = at.field("or_match");
            let values = or.value_matchers.into_iter().enumerate();
            let values =
                values.map(|(n, value)| metadata_value(&at.item("value_matchers", n), value, deeper));
            MetadataValue::Or(values.collect::<Decoded<_>>()?)
        }
        Some(Is::NullMatch(_)) => unknown("null_match"),
        Some(Is::DoubleMatch(_)) => unknown("double_match"),
        Some(Is::BoolMatch(_)) => unknown("bool_match"),
        None => return Err(at.fault("it says nothing to match")),
    })
}
