//! The trace that a request belongs to, as its headers tell: W3C's `traceparent`, or B3 in one header or
//! several.
//!
//! Reading only. The headers themselves travel on untouched, which keeps an app's trace whole; access logs
//! name the trace by `%TRACE_ID%`, so that a line is found from a span and a span from a line.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::record::Fields;

/// W3C's header.
pub const TRACEPARENT: &str = "traceparent";
/// W3C's header for what vendors add.
pub const TRACESTATE: &str = "tracestate";
/// B3 in one header.
pub const B3: &str = "b3";
/// B3 in several: the trace.
pub const B3_TRACE_ID: &str = "x-b3-traceid";
/// B3 in several: the caller's span.
pub const B3_SPAN_ID: &str = "x-b3-spanid";
/// B3 in several: whether it is recorded.
pub const B3_SAMPLED: &str = "x-b3-sampled";
/// B3 in several: `1` records it whatever anybody says.
pub const B3_FLAGS: &str = "x-b3-flags";

/// All headers that are read, in the order of their weight.
pub const HEADERS: [&str; 7] = [TRACEPARENT, TRACESTATE, B3, B3_TRACE_ID, B3_SPAN_ID, B3_SAMPLED, B3_FLAGS];

/// No longer list of vendors' additions is read.
const MAX_STATE: usize = 4096;

/// In which headers a context came, and so in which it must go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceStyle {
    /// `traceparent` and `tracestate`.
    W3c,
    /// `b3`.
    B3,
    /// `x-b3-*`.
    B3Multiple,
}

/// Whether the caller wants the trace recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceSampling {
    /// It left that to whoever comes next.
    Undecided,
    /// No.
    Drop,
    /// Yes.
    Record,
    /// Yes, against every limit (B3's debug flag).
    Debug,
}

/// What the caller said.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingTrace {
    /// Trace, span and flags.
    pub context: SpanContext,
    /// How it was said.
    pub style: TraceStyle,
    /// Whether to record it.
    pub sampling: TraceSampling,
}

/// Reads the context of a request. What is malformed is as if it were not there, as both standards ask.
pub fn extract(request: &(impl Fields + ?Sized)) -> Option<IncomingTrace> {
    let text = |name| request.value(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim);
    text(TRACEPARENT)
        .and_then(|parent| w3c(parent, text(TRACESTATE)))
        .or_else(|| text(B3).and_then(b3_single))
        .or_else(|| b3_multiple(text(B3_TRACE_ID)?, text(B3_SPAN_ID)?, text(B3_SAMPLED), text(B3_FLAGS)))
}

fn w3c(parent: &str, state: Option<&str>) -> Option<IncomingTrace> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version_00_with_more = version == "00" && parts.next().is_some();
    if !is_hex(version, 2) || version == "ff" || version_00_with_more || !is_hex(flags, 2) {
        return None;
    }
    // Only the lowest bit has a meaning today.
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    let state = state.filter(|state| state.len() <= MAX_STATE).and_then(|state| state.parse().ok());
    let sampling = if sampled { TraceSampling::Record } else { TraceSampling::Drop };
    incoming(trace, span, sampling, state.unwrap_or_default(), TraceStyle::W3c)
}

fn b3_single(header: &str) -> Option<IncomingTrace> {
    let mut parts = header.splitn(4, '-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let sampling = parts.next().map_or(Some(TraceSampling::Undecided), b3_sampling)?;
    incoming(trace, span, sampling, TraceState::default(), TraceStyle::B3)
}

fn b3_multiple(trace: &str, span: &str, sampled: Option<&str>, flags: Option<&str>) -> Option<IncomingTrace> {
    let sampling = match (flags, sampled) {
        (Some("1"), _) => TraceSampling::Debug,
        (_, Some(sampled)) => b3_sampling(sampled)?,
        (_, None) => TraceSampling::Undecided,
    };
    incoming(trace, span, sampling, TraceState::default(), TraceStyle::B3Multiple)
}

fn b3_sampling(letter: &str) -> Option<TraceSampling> {
    match letter {
        "1" | "true" => Some(TraceSampling::Record),
        "0" | "false" => Some(TraceSampling::Drop),
        "d" => Some(TraceSampling::Debug),
        _ => None,
    }
}

fn incoming(
    trace: &str,
    span: &str,
    sampling: TraceSampling,
    state: TraceState,
    style: TraceStyle,
) -> Option<IncomingTrace> {
    let short_trace_allowed = style != TraceStyle::W3c;
    if !(is_hex(trace, 32) || short_trace_allowed && is_hex(trace, 16)) || !is_hex(span, 16) {
        return None;
    }
    let recorded = matches!(sampling, TraceSampling::Record | TraceSampling::Debug);
    let flags = TraceFlags::default().with_sampled(recorded);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, state);
    // All zeros are no ids.
    context.is_valid().then_some(IncomingTrace { context, style, sampling })
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
