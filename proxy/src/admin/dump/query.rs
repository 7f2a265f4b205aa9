//! What of the dump is wanted: `?include_eds`, `?resource=`, `?name_regex=`, `?mask=`.

use regex::Regex;
use serde_json::Value;

/// A question to the dump.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// Endpoints, too.
    pub(super) include_eds: bool,
    /// Only the entries of this field.
    pub(super) resource: Option<String>,
    name: Option<Regex>,
    /// Paths of fields, outermost first.
    mask: Vec<Vec<String>>,
}

impl Query {
    /// Reads the query of an URL. What it does not know is passed over, as in Envoy.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match key {
                "include_eds" => query.include_eds = true,
                "resource" => query.resource = Some(value),
                "name_regex" => query.name = Some(whole(&value)?),
                "mask" => {
                    let paths = value.split(',').filter(|path| !path.is_empty());
                    query.mask.extend(paths.map(|path| path.split('.').map(str::to_owned).collect()));
                }
                _ => {}
            }
        }
        // Who asks for endpoints by their field need not ask twice.
        query.include_eds |= query.resource.as_deref() == Some("dynamic_endpoint_configs");
        Ok(query)
    }

    /// Whether a resource of this name is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|regex| regex.is_match(name))
    }

    /// Keeps of each only the fields that the mask names; `@type` stays.
    pub(super) fn masked(&self, mut configs: Vec<Value>) -> Vec<Value> {
        if !self.mask.is_empty() {
            let paths: Vec<&[String]> = self.mask.iter().map(Vec::as_slice).collect();
            configs.iter_mut().for_each(|config| keep(config, &paths));
        }
        configs
    }
}

fn keep(value: &mut Value, paths: &[&[String]]) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| keep(value, paths)),
        Value::Object(fields) => fields.retain(|name, value| {
            let under: Vec<&[String]> = paths
                .iter()
                .filter_map(|path| {
                    path.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest)
                })
                .collect();
            // A path that ends here keeps all that is below.
            if !under.is_empty() && under.iter().all(|rest| !rest.is_empty()) {
                keep(value, &under);
            }
            !under.is_empty() || name == "@type"
        }),
        _ => {}
    }
}

/// The whole name must match, as in Envoy.
fn whole(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| format!("Error while parsing name_regex from {pattern}: {error}"))
}

fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not encoded as a query must be");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit =
                    |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).ok_or_else(wrong);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).map_err(|_| wrong())?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
