//! URI templates: `/a/{*}/b/{**}`, which Istio writes and Envoy knows as `/a/*/b/**`.

use regex::Regex;

use crate::table::re2::Re2Error;

/// A compiled template. It is matched against a path without its query.
#[derive(Debug, Clone)]
pub struct Template {
    strict: Regex,
    relaxed: Regex,
    prefix: String,
    names: Vec<String>,
}

/// Envoy's characters of a segment; `=` and `*` are not among them.
const STRICT: &str = r"[a-zA-Z0-9\-._~%!$&'()+,;:@]";
const RELAXED: &str = "[^/]";

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn new(template: &str) -> Result<Self, Re2Error> {
        let wrong = |why: &str| Re2Error::Syntax { pattern: template.to_owned(), why: why.to_owned() };
        if template.len() > 4096 {
            return Err(Re2Error::Long(template.len()));
        }
        if !template.starts_with('/') {
            return Err(wrong("a path template begins with a slash"));
        }
        let (mut strict, mut relaxed) = (String::from(r"\A"), String::from(r"\A"));
        let mut names = Vec::new();
        let mut prefix = None;
        let mut rest = template;
        while !rest.is_empty() {
            let end = rest.find(['*', '{', '}']).unwrap_or(rest.len());
            let literal = regex::escape(&rest[..end]);
            strict.push_str(&literal);
            relaxed.push_str(&literal);
            rest = &rest[end..];
            if rest.is_empty() {
                break;
            }
            prefix.get_or_insert_with(|| template[..template.len() - rest.len()].to_owned());
            let (many, name, after) = operator(rest).map_err(wrong)?;
            names.push(name.to_owned());
            rest = after;
            if many {
                strict.push_str(&format!("({}*)", STRICT.replace('[', "[/")));
                relaxed.push_str("([^?#]*)");
            } else {
                strict.push_str(&format!("({STRICT}+)"));
                relaxed.push_str(&format!("({RELAXED}+)"));
            }
        }
        let build = |pattern: &str| {
            let mut builder = regex::RegexBuilder::new(&format!(r"{pattern}\z"));
            builder.size_limit(1 << 20).build().map_err(|error| wrong(&error.to_string()))
        };
        let prefix = prefix.unwrap_or_else(|| template.to_owned());
        Ok(Self { strict: build(&strict)?, relaxed: build(&relaxed)?, prefix, names })
    }

    /// Whether the path matches; `None` where Envoy says no only because a segment has a character (such as `=`) that
    /// its templates do not take: what an ALLOW must not let through and a DENY must not miss.
    pub fn matches(&self, path: &str) -> Option<bool> {
        if self.strict.is_match(path) {
            return Some(true);
        }
        if self.relaxed.is_match(path) { None } else { Some(false) }
    }

    /// What every path that matches begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Writes `rewrite` with this template's named variables filled in from `path`; says whether the path matches.
    pub fn rewrite(&self, path: &str, rewrite: &str, out: &mut String) -> bool {
        let Some(found) = self.strict.captures(path) else { return false };
        let mut rest = rewrite;
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { break };
            out.push_str(&rest[..start]);
            let name = &rest[start + 1..start + length];
            let place = self.names.iter().position(|own| own == name);
            if let Some(value) = place.and_then(|place| found.get(place + 1)) {
                out.push_str(value.as_str());
            }
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        true
    }

    /// Whether every variable of a rewrite is one of this template's.
    pub(crate) fn can_rewrite(&self, rewrite: &str) -> bool {
        let mut rest = rewrite;
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { return false };
            if !self.names.iter().any(|name| !name.is_empty() && name == &rest[start + 1..start + length]) {
                return false;
            }
            rest = &rest[start + length + 1..];
        }
        true
    }
}

/// One operator at the beginning of `rest`: whether it takes slashes, its name, and what follows.
fn operator(rest: &str) -> Result<(bool, &str, &str), &'static str> {
    if let Some(after) = rest.strip_prefix("**") {
        return Ok((true, "", after));
    }
    if let Some(after) = rest.strip_prefix('*') {
        return Ok((false, "", after));
    }
    let inside = rest.strip_prefix('{').ok_or("a closing brace without an opening one")?;
    let (inside, after) = inside.split_once('}').ok_or("an open brace")?;
    match inside.split_once('=').unwrap_or((inside, "")) {
        ("*", "") => Ok((false, "", after)),
        ("**", "") => Ok((true, "", after)),
        (name, "" | "*") if is_name(name) => Ok((false, name, after)),
        (name, "**") if is_name(name) => Ok((true, name, after)),
        _ => Err("a variable is {*}, {**}, {name}, {name=*} or {name=**}"),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
