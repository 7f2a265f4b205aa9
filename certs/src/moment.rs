//! One moment in the shapes that certificates, tokens and path building want.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;
use time::OffsetDateTime;

/// The last second that a certificate can name: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

/// Whole seconds since 1970; a clock before that year reads as 1970, one after 9999 as its end.
pub(crate) fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().min(LAST))
}

/// A moment as path building wants it.
pub(crate) fn unix(moment: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds(moment)))
}

/// Seconds since 1970 as certificates write them.
pub(crate) fn date(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds.min(LAST)).expect("the year 9999 fits");
    OffsetDateTime::from_unix_timestamp(seconds).expect("up to the year 9999 every second has a date")
}

/// Seconds since 1970 as a clock shows them.
pub(crate) fn system(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))
}

/// A certificate's second, as it was parsed.
pub(crate) fn parsed(time: x509_parser::time::ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}
