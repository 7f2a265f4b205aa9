use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn read(headers: &[(&str, &str)]) -> Option<(String, TraceStyle, TraceSampling)> {
    let found = extract(headers)?;
    assert!(found.context.is_remote());
    Some((found.context.trace_id().to_string(), found.style, found.sampling))
}

#[test]
fn each_style_is_read() {
    let (w3c, b3) = (format!("00-{TRACE}-{SPAN}-01"), format!("{TRACE}-{SPAN}-d-05e3ac9a4f6e3b90"));
    let trace = TRACE.to_owned();
    assert_eq!(read(&[(TRACEPARENT, &w3c)]), Some((trace.clone(), TraceStyle::W3c, TraceSampling::Record)));
    assert_eq!(read(&[(B3, &b3)]), Some((trace.clone(), TraceStyle::B3, TraceSampling::Debug)));
    let multiple = [(B3_TRACE_ID, TRACE), (B3_SPAN_ID, SPAN), (B3_SAMPLED, "0")];
    assert_eq!(read(&multiple), Some((trace.clone(), TraceStyle::B3Multiple, TraceSampling::Drop)));
    assert_eq!(read(&multiple[..2]), Some((trace, TraceStyle::B3Multiple, TraceSampling::Undecided)));
    assert_eq!(read(&[]), None);
}

#[test]
fn the_vendors_additions_come_along() {
    let parent = format!("00-{TRACE}-{SPAN}-00");
    let found = extract(&[(TRACEPARENT, parent.as_str()), (TRACESTATE, "rojo=00f067aa0ba902b7")]).unwrap();
    assert_eq!(found.context.trace_state().get("rojo"), Some("00f067aa0ba902b7"));
    assert!(!found.context.is_sampled());
}

#[test]
fn w3c_counts_before_b3_and_broken_w3c_not_at_all() {
    let (w3c, b3) = (format!("00-{TRACE}-{SPAN}-01"), format!("{SPAN}-{SPAN}"));
    assert_eq!(read(&[(B3, &b3), (TRACEPARENT, &w3c)]).unwrap().1, TraceStyle::W3c);
    let (trace, style, sampling) = read(&[(B3, &b3), (TRACEPARENT, "00-x")]).unwrap();
    assert_eq!((style, sampling), (TraceStyle::B3, TraceSampling::Undecided));
    assert_eq!(trace, format!("{:032x}", 0x00f0_67aa_0ba9_02b7_u64), "a short trace id is filled up");
}

#[test]
fn what_the_standards_call_invalid_is_not_read() {
    let zeros = "0".repeat(32);
    for parent in [
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-+{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{SPAN}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
    ] {
        assert_eq!(read(&[(TRACEPARENT, &parent)]), None, "{parent}");
    }
    let future = format!("01-{TRACE}-{SPAN}-01-more");
    assert!(read(&[(TRACEPARENT, &future)]).is_some(), "a later version may say more");
    assert_eq!(read(&[(B3, "0")]), None);
    assert_eq!(read(&[(B3, &format!("{TRACE}-{SPAN}-x"))]), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_passed_over(value in proptest::collection::vec(any::<u8>(), 0..80), hex in "[0-9a-f+-]{0,60}") {
        for name in HEADERS {
            let _ = extract(&[(name, value.as_slice()), (B3_TRACE_ID, hex.as_bytes()), (B3_SPAN_ID, hex.as_bytes())]);
            let _ = extract(&[(name, hex.as_bytes())]);
        }
    }
}
