//! Matchers of strings, headers, queries and metadata.

use weft_model::matcher::{
    HeaderMatcher, HeaderValueMatch, MetadataMatcher, MetadataValue, Pattern, QueryMatcher, StringMatcher,
};

use super::value::regex;
use crate::pb::{matcher, route, types};

pub(crate) fn string(value: &StringMatcher) -> matcher::StringMatcher {
    use matcher::string_matcher::MatchPattern;
    let pattern = match &value.pattern {
        Pattern::Exact(text) => MatchPattern::Exact(text.clone()),
        Pattern::Prefix(text) => MatchPattern::Prefix(text.clone()),
        Pattern::Suffix(text) => MatchPattern::Suffix(text.clone()),
        Pattern::Contains(text) => MatchPattern::Contains(text.clone()),
        Pattern::Regex(text) => MatchPattern::SafeRegex(regex(text)),
    };
    matcher::StringMatcher { ignore_case: value.ignore_case, match_pattern: Some(pattern) }
}

pub(crate) fn path(value: &StringMatcher) -> matcher::PathMatcher {
    matcher::PathMatcher { rule: Some(matcher::path_matcher::Rule::Path(string(value))) }
}

pub(crate) fn header(value: &HeaderMatcher) -> route::HeaderMatcher {
    use route::header_matcher::HeaderMatchSpecifier as Is;
    let matches = match &value.value {
        HeaderValueMatch::Present(present) => Is::PresentMatch(*present),
        HeaderValueMatch::String(value) => Is::StringMatch(string(value)),
        HeaderValueMatch::Range(range) => {
            Is::RangeMatch(types::Int64Range { start: range.start, end: range.end })
        }
    };
    route::HeaderMatcher {
        name: value.name.clone(),
        invert_match: value.invert,
        treat_missing_header_as_empty: value.treat_missing_as_empty,
        header_match_specifier: Some(matches),
    }
}

pub(crate) fn query(value: &QueryMatcher) -> route::QueryParameterMatcher {
    use route::query_parameter_matcher::QueryParameterMatchSpecifier as Is;
    let matches = match &value.value {
        Some(value) => Is::StringMatch(string(value)),
        None => Is::PresentMatch(true),
    };
    route::QueryParameterMatcher { name: value.name.clone(), query_parameter_match_specifier: Some(matches) }
}

pub(crate) fn metadata(value: &MetadataMatcher) -> matcher::MetadataMatcher {
    use matcher::metadata_matcher::{PathSegment, path_segment::Segment};
    let path = value.path.iter().map(|key| PathSegment { segment: Some(Segment::Key(key.clone())) });
    matcher::MetadataMatcher {
        filter: value.filter.clone(),
        path: path.collect(),
        value: Some(metadata_value(&value.value)),
        invert: value.invert,
    }
}

fn metadata_value(value: &MetadataValue) -> matcher::ValueMatcher {
    use matcher::value_matcher::{MatchPattern as Is, NullMatch};
    let pattern = match value {
        MetadataValue::String(value) => Is::StringMatch(string(value)),
        MetadataValue::Present(present) => Is::PresentMatch(*present),
        MetadataValue::ListOneOf(value) => {
            let one_of = matcher::list_matcher::MatchPattern::OneOf(Box::new(metadata_value(value)));
            Is::ListMatch(Box::new(matcher::ListMatcher { match_pattern: Some(one_of) }))
        }
        MetadataValue::Or(values) => {
            Is::OrMatch(matcher::OrMatcher { value_matchers: values.iter().map(metadata_value).collect() })
        }
        // Nobody keeps nulls there, so it is as undecided on the other side.
        MetadataValue::Unknown(_) => Is::NullMatch(NullMatch {}),
    };
    matcher::ValueMatcher { match_pattern: Some(pattern) }
}
