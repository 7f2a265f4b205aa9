use tonic::Code;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::fixture::{at, authority, der, epoch, id, request};

fn service() -> CsrService {
    CsrService::new(Arc::new(authority()))
}

fn asking(validity_duration: i64) -> IstioCertificateRequest {
    let csr = request(&rcgen::KeyPair::generate().unwrap());
    IstioCertificateRequest { csr, validity_duration, metadata: None }
}

fn answer(caller: Option<&SpiffeId>, request: &IstioCertificateRequest) -> Result<Vec<String>, Status> {
    service().answer(caller, request, at(60)).map(|response| response.cert_chain)
}

#[test]
fn a_caller_without_proof_gets_istiod_s_words() {
    let status = answer(None, &asking(0)).unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "request authenticate failure"));
}

#[test]
fn the_life_asked_for_is_given_and_zero_or_less_means_a_day() {
    let teller = id("teller");
    for (asked, lasts) in
        [(3600, 3600), (0, 86_400), (-1, 86_400), (i64::MIN, 86_400), (90 * 86_400, 90 * 86_400)]
    {
        let chain = answer(Some(&teller), &asking(asked)).unwrap();
        let der = der(&chain[0]);
        let (_, leaf) = X509Certificate::from_der(&der).unwrap();
        let end = u64::try_from(leaf.validity().not_after.timestamp()).unwrap();
        assert_eq!(end, epoch(60) + lasts, "{asked}");
    }
    for asked in [90 * 86_400 + 1, i64::MAX] {
        let status = answer(Some(&teller), &asking(asked)).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("90 days"), "{status}");
    }
}

#[test]
fn a_bad_request_is_an_invalid_argument_in_words() {
    let request = IstioCertificateRequest { csr: "hello".to_owned(), ..asking(0) };
    let status = answer(Some(&id("teller")), &request).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("CERTIFICATE REQUEST"), "{status}");
}

#[test]
fn what_a_stranger_wrote_comes_back_short() {
    let csr = format!("-----BEGIN CERTIFICATE REQUEST-----{}", "A".repeat(15_000));
    let request = IstioCertificateRequest { csr, ..asking(0) };
    let status = answer(Some(&id("teller")), &request).unwrap_err();
    assert!(status.message().chars().count() <= 401, "{}", status.message().len());
}

#[test]
fn a_caller_of_another_mesh_is_denied() {
    let foreign = SpiffeId::new("elsewhere", "bank", "teller").unwrap();
    assert_eq!(answer(Some(&foreign), &asking(0)).unwrap_err().code(), Code::PermissionDenied);
}

#[test]
fn asking_in_another_s_name_is_denied_rather_than_answered_with_one_s_own() {
    let mut request = asking(0);
    request.metadata.get_or_insert_default().fields.insert(IMPERSONATED.to_owned(), Default::default());
    assert_eq!(answer(Some(&id("ztunnel")), &request).unwrap_err().code(), Code::PermissionDenied);
    request.metadata.get_or_insert_default().fields.clear();
    request.metadata.get_or_insert_default().fields.insert("ClusterID".to_owned(), Default::default());
    assert!(answer(Some(&id("ztunnel")), &request).is_ok());
}
