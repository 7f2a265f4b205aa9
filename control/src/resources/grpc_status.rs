//! gRPC's statuses as Istio's API writes them: by name, or by number.

/// By number.
pub const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The number of a status; `None` for what is none.
pub fn number(written: &str) -> Option<u32> {
    let place = NAMES.iter().position(|name| *name == written);
    let number = place.or_else(|| written.parse().ok().filter(|number| *number < NAMES.len()))?;
    u32::try_from(number).ok()
}
