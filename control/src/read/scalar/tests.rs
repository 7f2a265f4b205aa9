use super::*;

#[test]
fn a_plain_scalar_means_what_kubernetes_takes_it_for() {
    for (text, meaning) in [
        ("", Meaning::Null),
        ("~", Meaning::Null),
        ("no", Meaning::Bool(false)),
        ("On", Meaning::Bool(true)),
        ("y", Meaning::Bool(true)),
        ("80", Meaning::Int(80)),
        ("-1", Meaning::Int(-1)),
        ("+7", Meaning::Int(7)),
        ("017", Meaning::Int(15)),
        ("0o17", Meaning::Int(15)),
        ("0x1F", Meaning::Int(31)),
        ("0b101", Meaning::Int(5)),
        ("1_000", Meaning::Int(1000)),
        ("18446744073709551615", Meaning::UInt(u64::MAX)),
        ("1.10", Meaning::Float(1.1)),
        ("1e3", Meaning::Float(1000.0)),
        (".5", Meaning::Float(0.5)),
        ("-.inf", Meaning::Float(f64::NEG_INFINITY)),
        ("08", Meaning::Float(8.0)),
        ("1.2.3", Meaning::Text),
        ("10.0.0.0/8", Meaning::Text),
        ("1s", Meaning::Text),
        ("--1", Meaning::Text),
        ("0x", Meaning::Text),
        ("-", Meaning::Text),
        (".", Meaning::Text),
        ("2026-01-01", Meaning::Text),
        ("nope", Meaning::Text),
        ("none", Meaning::Text),
    ] {
        assert_eq!(plain(text), meaning, "{text:?}");
    }
}
