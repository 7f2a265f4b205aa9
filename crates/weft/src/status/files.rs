//! What is wrong with the files of YAML, as far as it fits a terminal.

use serde::Deserialize;
use serde_json::Value;
use weft_control::read::Diagnostic;

/// More are counted.
const MOST: usize = 5;

/// Where all of it stands.
const REST: &str = "`weft status --output json` has all";

/// The errors for which the last edit is not in force, by the control plane's account.
pub(super) fn errors(control: &Value) -> String {
    let none = Vec::new();
    let all = control["files"]["diagnostics"].as_array().unwrap_or(&none);
    let all = all.iter().filter_map(|one| Diagnostic::deserialize(one).ok());
    let errors: Vec<Diagnostic> = all.filter(Diagnostic::is_error).collect();
    let mut text = "the files have errors; what they said before is in force".to_owned();
    for error in errors.iter().take(MOST) {
        text.push_str(&format!("\n    {error}"));
    }
    if errors.len() > MOST {
        text.push_str(&format!("\n    ... and {} more; {REST}", errors.len() - MOST));
    }
    text
}

/// What `weft up` warned of when it read them last.
pub(super) fn warnings(all: &[String]) -> impl Iterator<Item = String> {
    let more = all.len().saturating_sub(MOST);
    let rest = (more > 0).then(|| format!("... and {more} more warnings of the files; {REST}"));
    all.iter().take(MOST).cloned().chain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_have_their_places_and_what_to_do() {
        let error = json!({
            "severity": "error", "file": "a.yaml", "line": 8, "column": 3, "path": "spec.x", "message": "is wrong", "hint": "write y",
        });
        let whole = json!({ "severity": "error", "file": "b.yaml", "line": 0, "column": 0, "path": "", "message": "cannot be read" });
        let warning = json!({ "severity": "warning", "file": "c.yaml", "line": 1, "column": 1, "path": "", "message": "odd" });
        let status = json!({ "files": { "diagnostics": [error, warning, whole] } });
        assert_eq!(
            errors(&status).lines().collect::<Vec<_>>(),
            [
                "the files have errors; what they said before is in force",
                "    a.yaml:8:3: error: spec.x: is wrong; write y",
                "    b.yaml: error: cannot be read",
            ]
        );
        let many = json!({ "files": { "diagnostics": vec![whole; 7] } });
        let told = errors(&many);
        assert_eq!(told.lines().count(), 7, "{told}");
        assert!(told.ends_with("\n    ... and 2 more; `weft status --output json` has all"), "{told}");
    }

    #[test]
    fn warnings_beyond_a_few_are_counted() {
        let all: Vec<String> = (0..7).map(|n| format!("warning {n}")).collect();
        assert_eq!(warnings(&all[..5]).collect::<Vec<_>>(), all[..5]);
        let told: Vec<_> = warnings(&all).collect();
        assert_eq!((&told[..5], told[5].starts_with("... and 2 more warnings")), (&all[..5], true));
    }
}
