//! Whatever the bytes: an answer, in bounded time, and no panic.

use proptest::prelude::*;

use super::*;

/// Pieces of which odd documents are made.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "apiVersion: v1\n",
        "kind: Service\n",
        "kind: List\n",
        "items:\n",
        "metadata:\n",
        "  name: a\n",
        "spec:\n",
        "  ",
        "- ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "*a ",
        "&a ",
        "<<: ",
        "!!int ",
        "! ",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\"",
        "'",
        "#",
        "\n",
        "\r\n",
        "\u{feff}",
        "\0",
        "\u{85}",
        "é",
        "0x",
        "-",
        "1e999",
        "~",
        "{{ .Values }}",
        "@",
        "`",
        ",",
        "trustDomain: a\n",
    ];
    prop_oneof![proptest::sample::select(words.to_vec()).prop_map(str::to_owned), "\\PC{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = read_bytes("t.yaml", &bytes);
        let _ = read_bytes("t.json", &bytes);
    }

    #[test]
    fn any_heap_of_yaml_is_answered(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let reading = read_str("t.yaml", &text);
        for diagnostic in &reading.diagnostics {
            // A parser may report the end of a text one line below it.
            prop_assert!(diagnostic.line as usize <= text.lines().count() + 2, "{diagnostic}");
            prop_assert!(!diagnostic.to_string().contains('\n'), "{diagnostic}");
        }
    }

    /// Each value of a good manifest replaced by another: an error in words or nothing, never a panic.
    #[test]
    fn a_manifest_with_one_line_changed_is_answered(line in 0usize..400, with in piece()) {
        let text = std::fs::read_to_string(repository("tests/conformance/mesh/10-traffic.yaml")).unwrap();
        let changed: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(number, old)| match number == line % text.lines().count() {
                true => old.split_once(": ").map_or(with.clone(), |(key, _)| format!("{key}: {with}")),
                false => old.to_owned(),
            })
            .collect();
        let _ = read_str("t.yaml", &changed.join("\n"));
    }
}

#[test]
fn what_is_large_is_bounded() {
    let wide = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n".to_owned()
        + &(0..20_000).map(|key| format!("  k{key}: v\n")).collect::<String>();
    assert_eq!(read_str("t.yaml", &wide).diagnostics, []);
    let many = "kind: Pod\n---\n".repeat(30_000);
    assert!(read_str("t.yaml", &many).diagnostics.len() < 5_000);
    let unknown = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\nspec:\n"
        .to_owned()
        + &(0..20_000).map(|key| format!("  zz{key}: v\n")).collect::<String>();
    assert!(read_str("t.yaml", &unknown).diagnostics.len() < 200);
    for text in [
        "[".repeat(100_000),
        "{".repeat(100_000),
        "- ".repeat(50_000),
        "a: &a ".repeat(20_000),
        "'".repeat(100_001),
    ] {
        assert!(read_str("t.yaml", &text).has_errors());
    }
}
