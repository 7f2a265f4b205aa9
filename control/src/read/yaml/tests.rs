use super::*;

fn read(text: &str) -> Vec<Result<Node, SyntaxError>> {
    documents(text)
}

fn one(text: &str) -> Node {
    let mut all = read(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap()
}

fn error(text: &str) -> SyntaxError {
    read(text).into_iter().find_map(Result::err).expect("an error")
}

fn text<'n>(node: &'n Node, keys: &[&str]) -> &'n str {
    keys.iter().fold(node, |node, key| node.key(key).unwrap()).text().unwrap()
}

#[test]
fn values_know_where_they_stand() {
    let node = one("# first\na: 1\nb:\n  - x\n  - c: {d: e}\n");
    let Value::Map(entries) = &node.value else { panic!() };
    assert_eq!(entries[0].at, Position { line: 2, column: 1 });
    assert_eq!(entries[0].value.at, Position { line: 2, column: 4 });
    let inner = &node.key("b").unwrap().list().unwrap()[1];
    assert_eq!(inner.key("c").unwrap().key("d").unwrap().at, Position { line: 5, column: 12 });
}

#[test]
fn a_broken_document_hides_nothing_of_the_others() {
    let all = read("a: 1\n---\nb: [1\n---\nc: 3\n");
    assert_eq!(all.len(), 3);
    assert!(all[0].is_ok() && all[1].is_err() && all[2].is_ok());
    let Err(error) = &all[1] else { panic!() };
    assert!((3..=5).contains(&error.at.line), "{error:?}");
    assert_eq!(all[2].as_ref().unwrap().key("c").unwrap().at.line, 5);
}

#[test]
fn documents_are_cut_as_kubectl_cuts_them() {
    for (text, documents) in [
        ("", 0),
        ("# nothing\n", 0),
        ("---\n---\n---\n", 0),
        ("a: 1", 1),
        ("---\na: 1\n---\n", 1),
        ("# licence\n---\na: 1\n", 1),
        ("--- # one\na: 1\n--- {b: 2}\n", 2),
        ("%YAML 1.2\n---\na: 1\n", 1),
        ("a: 1\n...\n---\nb: 2\n", 2),
        ("a: 1\r\n---\r\nb: 2\r\n", 2),
        ("a: |\n  x\n  ---\n  y\n", 1),
        ("a: ---x\n", 1),
        ("----\n", 1),
    ] {
        let all = read(text);
        assert_eq!(all.len(), documents, "{text:?}: {all:?}");
        assert!(all.iter().all(Result::is_ok), "{text:?}: {all:?}");
    }
}

#[test]
fn carriage_returns_belong_to_the_line_end() {
    let node = one("a: x\r\nb: |\r\n  one\r\n  two\r\n");
    assert_eq!(text(&node, &["a"]), "x");
    assert_eq!(text(&node, &["b"]), "one\ntwo\n");
}

#[test]
fn an_alias_stands_for_its_anchor_and_merge_keys_for_their_mapping() {
    let node = one("base: &b {x: 1, w: old}\nuse: {<<: *b, w: new}\nmany: {<<: [*b, {z: 3}]}\nsame: *b\n");
    assert_eq!(text(&node, &["use", "w"]), "new");
    assert!(node.key("use").unwrap().key("x").is_some());
    assert!(node.key("many").unwrap().key("z").is_some());
    assert_eq!(text(&node, &["same", "w"]), "old");
}

#[test]
fn a_key_stands_once() {
    let error = error("a: 1\nb: 2\na: 3\n");
    assert_eq!(error.at, Position { line: 3, column: 1 });
    assert_eq!(error.message, "the key `a` stands here a second time");
    assert_eq!(error.hint.as_deref(), Some("the first is at line 1, column 1"));
}

#[test]
fn what_stands_beside_keys_that_stand_twice_can_be_looked_at() {
    let all = read("a: {b: 1, b: 2}\na: 3\nc: d\n---\ne: f\n");
    let [Err(first), Err(second), Ok(next)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((first.at, &first.rest), (Position { line: 1, column: 11 }, &None));
    assert_eq!(second.at, Position { line: 2, column: 1 });
    let rest = second.rest.as_ref().unwrap();
    assert_eq!((text(rest, &["c"]), rest.key("a").unwrap().describe()), ("d", "a mapping".to_owned()));
    assert_eq!(text(next, &["e"]), "f");
}

#[test]
fn keys_become_strings() {
    let node = one("8080: a\ntrue: b\nno: c\n0x10: d\n1.5: e\n");
    for key in ["8080", "true", "false", "16", "1.5"] {
        assert!(node.key(key).is_some(), "{key}");
    }
    assert!(error("{[a]: b}").message.contains("a key is a string"));
    assert!(error("? \n: b").message.contains("a key is missing"));
}

#[test]
fn quotes_and_tags_decide_what_a_scalar_is() {
    let node = one("a: '80'\nb: !!str 80\nc: !!int \"80\"\nd: \"no\"\ne: ! 12\n");
    let meaning = |key: &str| match &node.key(key).unwrap().value {
        Value::Scalar(_, meaning) => *meaning,
        other => panic!("{other:?}"),
    };
    assert_eq!(meaning("a"), Meaning::Text);
    assert_eq!(meaning("b"), Meaning::Text);
    assert_eq!(meaning("c"), Meaning::Int(80));
    assert_eq!(meaning("d"), Meaning::Text);
    assert_eq!(meaning("e"), Meaning::Text);
    assert!(error("a: !Ref x").message.contains("!Ref"));
}

#[test]
fn json_is_yaml() {
    let node = one("{\"a\": {\"b\": [1, \"x\\u00e9\\/\", null, true]}}");
    assert_eq!(node.key("a").unwrap().key("b").unwrap().list().unwrap()[1].text(), Some("xé/"));
}

#[test]
fn aliases_cost_what_they_stand_for() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb += &format!("a{level}: &a{level} [{below}]\n");
    }
    assert!(error(&bomb).message.contains("values in one file"));
    // Anchors in each other cost, too.
    let nested: String = (0..90).map(|level| format!("&n{level} [")).collect();
    let full = format!("{nested}{}{}", "x, ".repeat(50_000), "]".repeat(90));
    assert!(error(&full).message.contains("values in one file"));
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for text in ["[".repeat(5_000), "{a: ".repeat(5_000), "- ".repeat(5_000), "? ".repeat(5_000)] {
        assert!(!error(&text).message.is_empty());
    }
}

#[test]
fn the_commonest_mistakes_come_with_advice() {
    let tab = error("a:\n\tb: 1\n");
    assert!(tab.hint.as_deref().is_some_and(|hint| hint.contains("tab")), "{tab:?}");
    for text in ["name: {{ .Values.name }}\n", "{{- if .Values.on }}\na: 1\n{{- end }}\n"] {
        assert_eq!(error(text).hint.as_deref(), Some(TEMPLATE), "{text}");
    }
    assert!(error("a: *nobody\n").message.contains("anchor"));
}
