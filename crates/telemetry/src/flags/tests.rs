use std::collections::HashSet;

use super::*;

#[test]
fn no_flag_is_a_dash() {
    assert_eq!(ResponseFlags::NONE.to_string(), "-");
}

#[test]
fn flags_are_printed_in_envoy_s_order_whatever_order_they_came_in() {
    let mut flags = ResponseFlags::from(ResponseFlag::UpstreamRetryLimitExceeded);
    flags |= ResponseFlag::UpstreamConnectionFailure;
    assert_eq!(flags.to_string(), "UF,URX");
    assert_eq!(flags | ResponseFlag::UpstreamConnectionFailure, flags);
}

#[test]
fn every_flag_has_its_own_bit_and_letters() {
    let letters: HashSet<_> = ResponseFlag::ALL.iter().map(|flag| flag.short()).collect();
    assert_eq!(letters.len(), ResponseFlag::ALL.len());
    let all = ResponseFlag::ALL.iter().fold(ResponseFlags::NONE, |all, flag| all.with(*flag));
    assert_eq!(all.iter().collect::<Vec<_>>(), ResponseFlag::ALL);
    assert!(ResponseFlag::ALL.iter().all(|flag| !ResponseFlags::NONE.contains(*flag)));
}

#[test]
fn letters_are_read_back() {
    for flag in ResponseFlag::ALL {
        assert_eq!(flag.short().parse(), Ok(*flag));
    }
    assert!("XX".parse::<ResponseFlag>().unwrap_err().to_string().contains("\"XX\""));
    let wanted = ResponseFlags::from(ResponseFlag::NoRouteFound) | ResponseFlag::UpstreamOverflow;
    assert!(wanted.intersects(ResponseFlag::UpstreamOverflow.into()));
    assert!(!wanted.intersects(ResponseFlag::DelayInjected.into()));
}
