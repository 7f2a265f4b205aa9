use std::time::Duration;

use super::*;

/// A certificate that signed itself and says that it is a CA's, as openssl makes them; valid in 2020 to 2030.
fn self_signed() -> CertificateDer<'static> {
    let mut params = rcgen::CertificateParams::new(vec!["sec.example".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn year(year: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600 + 1_000_000))
}

#[test]
fn a_certificate_that_signed_itself_is_believed_where_exactly_it_is_named_and_in_its_time() {
    let leaf = self_signed();
    let named = Named::new(vec![leaf.clone()]).unwrap();
    named.vouch(&leaf, &[], year(2025)).unwrap();
    let refused = |at| named.vouch(&leaf, &[], at).unwrap_err();
    assert_eq!(refused(year(2019)), CertificateError::NotValidYet.into());
    assert_eq!(refused(year(2031)), CertificateError::Expired.into());
}

#[test]
fn another_of_the_same_making_is_refused_in_plain_words() {
    let named = Named::new(vec![self_signed()]).unwrap();
    let why = named.vouch(&self_signed(), &[], year(2025)).unwrap_err().to_string();
    assert!(why.contains("name exactly it in caCertificates"), "{why}");
}
