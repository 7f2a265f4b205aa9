//! Regular expressions. Envoy's are RE2's; the `regex` crate has the same syntax and the same promise of linear time.

use crate::read::finding::Findings;
use crate::read::path::Path;

/// A compiled expression may take this much; Envoy has a limit of its own.
const LARGEST: usize = 1 << 20;

/// Checks that an expression compiles.
pub(super) fn check(expression: &str, at: &Path<'_>, into: &mut Findings) {
    if expression.len() > 16 * 1024 {
        into.error(at, "a regular expression of more than 16 KiB");
        return;
    }
    let built = regex::RegexBuilder::new(expression).size_limit(LARGEST).nest_limit(100).build();
    if let Err(error) = built {
        let why = match error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            // The last line says what is wrong, those before draw it.
            error => error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim()
                .trim_start_matches("error: ")
                .to_owned(),
        };
        into.error(at, format!("not a regular expression (RE2): {why}"));
    }
}
