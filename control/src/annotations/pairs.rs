//! `key=value, key=value`.

use std::time::Duration;

use crate::resources::duration;

/// The pairs of one annotation, each to be asked for once.
pub(super) struct Pairs<'a> {
    rest: Vec<(&'a str, &'a str)>,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        let mut rest: Vec<(&str, &str)> = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not key=value"))?;
            let (key, value) = (key.trim(), value.trim());
            if value.is_empty() {
                return Err(format!("{key} has no value"));
            }
            if rest.iter().any(|(known, _)| *known == key) {
                return Err(format!("{key} stands there twice"));
            }
            rest.push((key, value));
        }
        Ok(Self { rest })
    }

    pub(super) fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.rest.iter().position(|(known, _)| *known == key)?;
        Some(self.rest.remove(at).1)
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<u32>, String> {
        let parse = |value: &str| value.parse().map_err(|_| format!("{key}: {value:?} is no whole number"));
        self.take(key).map(parse).transpose()
    }

    pub(super) fn duration(&mut self, key: &str) -> Result<Option<Duration>, String> {
        self.take(key).map(|value| duration::parse(value).map_err(|why| format!("{key}: {why}"))).transpose()
    }

    /// Nothing is left over.
    pub(super) fn done(self, known: &str) -> Result<(), String> {
        match self.rest.first() {
            Some((key, _)) => Err(format!("{key:?} is not known here; it may say {known}")),
            None => Ok(()),
        }
    }
}
