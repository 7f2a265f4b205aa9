//! Istio's wildcards as matchers: exact, `prefix*`, `*suffix`, and `*` for anything that is there.

use weft_model::matcher::{
    HeaderMatcher, HeaderValueMatch, MetadataMatcher, MetadataValue, Pattern, StringMatcher,
};

/// Where the token filter leaves what it has verified.
const TOKENS: &str = "envoy.filters.http.jwt_authn";

/// A value with wildcards; `prefix` stands before what it says.
pub(super) fn wildcard(value: &str, prefix: &str) -> StringMatcher {
    if value == "*" {
        return anything();
    }
    if let Some(suffix) = value.strip_prefix('*') {
        return if prefix.is_empty() {
            Pattern::Suffix(suffix.to_owned()).into()
        } else {
            Pattern::Regex(format!("{}.*{}", literal(prefix), literal(suffix))).into()
        };
    }
    match value.strip_suffix('*') {
        Some(start) => Pattern::Prefix(format!("{prefix}{start}")).into(),
        None => StringMatcher::exact(format!("{prefix}{value}")),
    }
}

/// Anything that is not empty.
pub(super) fn anything() -> StringMatcher {
    Pattern::Regex(".+".to_owned()).into()
}

/// A header with a value; `*` asks for the header alone.
pub(super) fn header(name: &str, value: &str) -> HeaderMatcher {
    let matches = match value {
        "*" => HeaderValueMatch::Present(true),
        _ => HeaderValueMatch::String(wildcard(value, "")),
    };
    of_header(name, matches)
}

/// A host, whose letters' case does not count.
pub(super) fn host(value: &str) -> HeaderMatcher {
    let matches = match value {
        "*" => HeaderValueMatch::Present(true),
        _ => HeaderValueMatch::String(StringMatcher { ignore_case: true, ..wildcard(value, "") }),
    };
    of_header(":authority", matches)
}

fn of_header(name: &str, value: HeaderValueMatch) -> HeaderMatcher {
    HeaderMatcher { name: name.to_ascii_lowercase(), value, invert: false, treat_missing_as_empty: false }
}

/// A claim of a verified token that is a string.
pub(super) fn claim(name: &str, value: StringMatcher) -> MetadataMatcher {
    of_token(vec![name.to_owned()], MetadataValue::String(value))
}

/// A claim of a verified token, by the path of its names: a string, or a list of which one matches any of the values.
pub(super) fn listed_claim(names: Vec<String>, values: &[String]) -> MetadataMatcher {
    let strings = values.iter().map(|value| MetadataValue::String(wildcard(value, ""))).collect();
    let value = one_of(strings);
    let in_list = MetadataValue::ListOneOf(Box::new(value.clone()));
    of_token(names, MetadataValue::Or(vec![in_list, value]))
}

fn of_token(names: Vec<String>, value: MetadataValue) -> MetadataMatcher {
    let path = std::iter::once("payload".to_owned()).chain(names).collect();
    MetadataMatcher { filter: TOKENS.to_owned(), path, value, invert: false }
}

/// What some other filter leaves under a key: a string, or `[element]` of a list.
pub(super) fn of_filter(filter: &str, key: &str, values: &[String]) -> MetadataMatcher {
    let value = |value: &String| match value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(element) => {
            let element = element.trim_matches(['[', ']']);
            MetadataValue::ListOneOf(Box::new(MetadataValue::String(wildcard(element, ""))))
        }
        None => MetadataValue::String(wildcard(value, "")),
    };
    MetadataMatcher {
        filter: filter.to_owned(),
        path: vec![key.to_owned()],
        value: one_of(values.iter().map(value).collect()),
        invert: false,
    }
}

fn one_of(mut values: Vec<MetadataValue>) -> MetadataValue {
    if values.len() == 1 { values.swap_remove(0) } else { MetadataValue::Or(values) }
}

/// A text in which no character means anything to a regex: names have dots, and a dot is no wildcard.
pub(super) fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
