use proptest::prelude::*;

use super::super::operator::Simple;
use super::*;

fn surroundings() -> Surroundings<'static> {
    Surroundings { hostname: "pod-1", variable: &|name| (name == "ZONE").then(|| "eu-1".to_owned()) }
}

fn parts(format: &str) -> Result<Vec<Part>, FormatError> {
    parse(format, &surroundings(), &mut Vec::new())
}

fn operators(format: &str) -> Vec<Operator> {
    let operator = |part| match part {
        Part::Value(slot) => Some(slot.operator),
        Part::Literal(_) => None,
    };
    parts(format).unwrap().into_iter().filter_map(operator).collect()
}

#[test]
fn text_and_operators_alternate() {
    let slot = |operator, max, place| Part::Value(Slot { operator, max, place });
    let code = || Operator::Simple(Simple::ResponseCode);
    assert_eq!(
        parts("a %RESPONSE_CODE% \"%RESPONSE_CODE:3%\" 100%%").unwrap(),
        [
            Part::Literal("a ".into()),
            slot(code(), MAX_VALUE, Place::Bare),
            Part::Literal(" \"".into()),
            slot(code(), 3, Place::Quoted),
            Part::Literal("\" 100%".into()),
        ]
    );
}

#[test]
fn a_header_may_have_a_second_and_any_case() {
    let lookup = Lookup { first: Header::OriginalPath, second: Some(Header::Path) };
    assert_eq!(operators("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"), [Operator::Request(lookup)]);
    let lookup = Lookup { first: Header::Field("x-a".into()), second: None };
    assert_eq!(operators("%RESP(X-A):20%"), [Operator::Response(lookup)]);
}

#[test]
fn what_the_surroundings_say_is_fixed() {
    let fixed = |value: Option<&str>| Operator::Fixed(value.map(Into::into));
    let found = operators("%HOSTNAME%%ENVIRONMENT(ZONE)%%ENVIRONMENT(NONE)%");
    assert_eq!(found, [fixed(Some("pod-1")), fixed(Some("eu-1")), fixed(None)]);
}

#[test]
fn an_unknown_operator_is_refused_with_the_nearest_known_one() {
    let error = parts("%RESPONSE_CODES%").unwrap_err().to_string();
    assert!(error.contains("%RESPONSE_CODES%") && error.contains("did you mean %RESPONSE_CODE%"), "{error}");
    let error = parts("%WHATEVER_THIS_MAY_BE%").unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
}

#[test]
fn an_operator_that_is_not_recorded_warns_and_works() {
    let mut warnings = Vec::new();
    let found = parse("%DYNAMIC_METADATA(a:b):10%", &surroundings(), &mut warnings).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(warnings, ["%DYNAMIC_METADATA% is not recorded by weft: it will read as \"-\""]);
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (format, says) in [
        ("100%", "byte 3"),
        ("ab %REQ(X-A", "byte 3"),
        ("%req(x-a)%", "byte 0"),
        ("%DURATION:x%", "byte 0"),
        ("%REQ()%", "a header's name"),
        ("%REQ%", "a header's name"),
        ("%REQ(A?)%", "a header's name"),
        ("%REQ(A B)%", "a header's name"),
        ("%START_TIME(%Q)%", "%Q"),
        ("%GRPC_STATUS(X)%", "SNAKE_STRING"),
        ("%DURATION(ms)%", "takes none"),
        ("%ENVIRONMENT%", "name of a variable"),
    ] {
        let error = parts(format).unwrap_err().to_string();
        assert!(error.contains(says), "{format}: {error}");
    }
}

proptest! {
    #[test]
    fn any_string_is_compiled_or_refused(format in any::<String>()) {
        let _ = parts(&format);
    }

    #[test]
    fn anything_near_an_operator_is_compiled_or_refused(format in "[%A-Z_()?:0-9 \"]{0,40}") {
        let _ = parts(&format);
    }
}
