//! Files and folders.

use std::fs;

use super::*;

const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: NAME}\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn account(name: &str) -> String {
    ACCOUNT.replace("NAME", name)
}

fn names(reading: &Reading) -> Vec<&str> {
    reading.resources.service_accounts.iter().map(|account| account.meta.name.as_str()).collect()
}

#[test]
fn a_folder_is_read_with_all_below_it_by_name() {
    let folder = folder(&[
        ("b.yaml", &account("b")),
        ("a/z.yml", &account("az")),
        (
            "c.JSON",
            "{\"apiVersion\": \"v1\",\n\t\"kind\": \"ServiceAccount\",\n\t\"metadata\": {\"name\": \"c\"}}",
        ),
        ("README.md", "# no"),
        (".hidden.yaml", "nonsense: ["),
        (".git/x.yaml", "nonsense: ["),
    ]);
    let reading = read(&[folder.path().to_owned()]);
    assert_eq!(reading.diagnostics, []);
    assert_eq!(names(&reading), ["az", "b", "c"]);
}

#[test]
fn a_file_is_read_whatever_it_is_called() {
    let folder = folder(&[("manifest.txt", &account("a"))]);
    assert_eq!(names(&read(&[folder.path().join("manifest.txt")])), ["a"]);
}

#[test]
fn what_is_not_there_or_empty_is_told() {
    let folder = folder(&[("README.md", "# no")]);
    let reading = read(&[folder.path().to_owned(), folder.path().join("none")]);
    let lines: Vec<String> = reading.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(": error: no manifest is in this folder"), "{lines:?}");
    assert!(lines[1].contains("none: error: cannot be read: No such file"), "{lines:?}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_a_dead_one_is_an_error() {
    let folder = folder(&[("real/a.yaml", &account("a"))]);
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(folder.path(), at("real/up")).unwrap();
    std::os::unix::fs::symlink(at("real/a.yaml"), at("zz.txt")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dead.yaml")).unwrap();
    let reading = read(&[folder.path().to_owned()]);
    assert_eq!(names(&reading), ["a"]);
    assert_eq!(reading.diagnostics.len(), 1);
    assert!(reading.diagnostics[0].file.ends_with("dead.yaml"));
}

#[test]
fn a_name_taken_in_another_file_is_told_with_both_places() {
    let folder = folder(&[("a.yaml", &account("x")), ("b.yaml", &("# here\n".to_owned() + &account("x")))]);
    let reading = read(&[folder.path().to_owned()]);
    let line = reading.diagnostics[0].to_string();
    assert!(line.contains("b.yaml:4:12: error: ") && line.contains("a.yaml:1"), "{line}");
}

#[test]
fn the_byte_order_mark_is_no_text_and_utf_16_is_named() {
    let with_mark = "\u{feff}".to_owned() + &account("a");
    assert_eq!(read_str("t.yaml", &with_mark).diagnostics, []);
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("a: b".bytes().flat_map(|byte| [byte, 0])).collect();
    assert_eq!(
        read_bytes("t.yaml", &wide).diagnostics[0].to_string(),
        "t.yaml:1:1: error: this is not UTF-8; this is UTF-16; save it as UTF-8"
    );
    assert_eq!(
        read_bytes("t.yaml", b"a: b\nc: \xff").diagnostics[0].to_string(),
        "t.yaml:2:4: error: this is not UTF-8; if this is Windows-1252, its byte 0xFF is ÿ; save it as UTF-8"
    );
    assert_eq!(
        read_bytes("t.yaml", b"name: caf\x80").diagnostics[0].to_string(),
        "t.yaml:1:10: error: this is not UTF-8; if this is Windows-1252, its byte 0x80 is €; save it as UTF-8"
    );
    // No character of Windows-1252, so that is not what it is.
    assert_eq!(
        read_bytes("t.yaml", b"\x81").diagnostics[0].to_string(),
        "t.yaml:1:1: error: this is not UTF-8"
    );
}

#[test]
fn a_list_of_resources_is_told_how_it_is_written() {
    for name in ["t.json", "t.yaml"] {
        let reading = read_str(name, r#"[{"apiVersion": "v1", "kind": "Pod"}]"#);
        let told = reading.diagnostics[0].to_string();
        assert!(told.ends_with("found a list; several resources are documents divided by ---, or {apiVersion: v1, kind: List, items: [...]}"), "{told}");
    }
}

#[test]
fn a_diagnostic_is_json_for_programs() {
    let reading = read_str("t.yaml", "kind: Pod\n");
    let written = serde_json::to_value(&reading.diagnostics).unwrap();
    assert_eq!(serde_json::from_value::<Vec<Diagnostic>>(written.clone()).unwrap(), reading.diagnostics);
    assert_eq!(
        written,
        serde_json::json!([{
            "severity": "error", "file": "t.yaml", "line": 1, "column": 1, "path": "", "message": "`apiVersion` is missing"
        }])
    );
}

#[test]
fn json_as_other_programs_write_it_is_read() {
    let emoji = r#"{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "e", "annotations": {"owner": "caf\u00e9 \ud83d\ude00 a\/b"}}}"#;
    let folder = folder(&[("e.json", &emoji.replace(", ", ",\r\n\t"))]);
    let reading = read(&[folder.path().to_owned()]);
    assert_eq!(reading.diagnostics, []);
    assert_eq!(reading.resources.service_accounts[0].meta.annotations["owner"], "caf\u{e9} \u{1f600} a/b");
}

#[test]
fn json_values_behind_each_other_are_documents_each_with_its_place() {
    let account = |name: &str| {
        format!(r#"{{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {{"name": "{name}"}}}}"#)
    };
    let text = format!("{}\n{}{}\n---\n{}\n", account("a"), account("b"), account("c"), account("B"));
    let reading = read_str("t.json", &text);
    assert_eq!(names(&reading), ["a", "b", "c"]);
    let told: Vec<String> = reading.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("t.json:4:61: error: metadata.name: \"B\" is not a name"), "{told:?}");
    let wrong = text.replace("\"c\"", "\"C\"");
    let told = read_str("t.json", &wrong).diagnostics[0].to_string();
    assert!(told.starts_with("t.json:2:134: error: metadata.name: \"C\" is not a name"), "{told}");
}
