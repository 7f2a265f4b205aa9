use std::convert::Infallible;
use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use tower::{Layer, ServiceExt};

use super::*;
use crate::fixture::{TRUST_DOMAIN, at, authority, der, id, request};
use crate::token::{AUDIENCE, KUBERNETES_ISSUER, ServiceAccount, TokenSigner};

/// An authenticator that believes the tokens of a signer.
fn both() -> (Authenticator, TokenSigner) {
    let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
    let tokens = TokenVerifier::new(&signer.jwks(), KUBERNETES_ISSUER, AUDIENCE).unwrap();
    (Authenticator::new(TRUST_DOMAIN, Some(tokens)), signer)
}

fn token(signer: &TokenSigner, account: &str) -> String {
    let account = ServiceAccount { namespace: "bank".to_owned(), name: account.to_owned(), pod: None };
    signer.mint(&account, AUDIENCE, Duration::from_secs(3600), at(0)).unwrap()
}

fn bearing(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
}

fn certificate(account: &str) -> PeerCertificates {
    let csr = request(&KeyPair::generate().unwrap());
    vec![der(&authority().issue(&csr, &id(account), None, at(0)).unwrap()[0])].into()
}

/// A certificate with these URI names (and a DNS name, which says nothing about a workload).
fn naming(uris: &[&str], ca: bool) -> PeerCertificates {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    vec![params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()].into()
}

fn none() -> HeaderMap {
    HeaderMap::new()
}

#[test]
fn either_proof_says_who_calls_and_no_proof_says_nobody() {
    let (authenticator, signer) = both();
    let by_certificate = authenticator.caller(Some(&certificate("teller")), &none(), at(10)).unwrap();
    assert_eq!(by_certificate, Some(id("teller")));
    let by_token = authenticator.caller(None, &bearing(&token(&signer, "teller")), at(10)).unwrap();
    assert_eq!(by_token, Some(id("teller")));
    assert_eq!(authenticator.caller(None, &none(), at(10)).unwrap(), None);
    assert_eq!(authenticator.caller(Some(&Vec::new().into()), &none(), at(10)).unwrap(), None);
}

#[test]
fn two_proofs_must_name_the_same_caller() {
    let (authenticator, signer) = both();
    let teller = certificate("teller");
    let same = authenticator.caller(Some(&teller), &bearing(&token(&signer, "teller")), at(10)).unwrap();
    assert_eq!(same, Some(id("teller")));
    let error =
        authenticator.caller(Some(&teller), &bearing(&token(&signer, "director")), at(10)).unwrap_err();
    assert!(matches!(error, AuthenticateError::TwoCallers { .. }), "{error}");
}

#[test]
fn a_proof_that_does_not_hold_is_refused_beside_one_that_does() {
    let (authenticator, signer) = both();
    let forged = token(&TokenSigner::generate(KUBERNETES_ISSUER).unwrap(), "teller");
    assert!(authenticator.caller(Some(&certificate("teller")), &bearing(&forged), at(10)).is_err());
    let foreign = naming(&["spiffe://elsewhere/ns/bank/sa/teller"], false);
    let good = token(&signer, "teller");
    let error = authenticator.caller(Some(&foreign), &bearing(&good), at(10)).unwrap_err();
    assert!(matches!(error, AuthenticateError::Foreign { .. }), "{error}");
}

#[test]
fn a_certificate_counts_only_while_it_lives() {
    let (authenticator, _) = both();
    let teller = certificate("teller");
    let day = 24 * 3600;
    assert!(authenticator.caller(Some(&teller), &none(), at(day)).is_ok());
    let error = authenticator.caller(Some(&teller), &none(), at(day + 1)).unwrap_err();
    assert!(matches!(error, AuthenticateError::Expired), "{error}");
    let error = authenticator.caller(Some(&teller), &none(), std::time::UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, AuthenticateError::Expired), "{error}");
}

#[test]
fn a_certificate_names_exactly_one_workload_of_our_trust_domain() {
    let (authenticator, _) = both();
    let teller = "spiffe://cluster.local/ns/bank/sa/teller";
    let caller = |peer: PeerCertificates| authenticator.caller(Some(&peer), &none(), at(10));
    assert_eq!(caller(naming(&[teller], false)).unwrap(), Some(id("teller")));
    assert!(matches!(caller(naming(&[], false)), Err(AuthenticateError::Names(0))));
    assert!(matches!(caller(naming(&[teller, teller], false)), Err(AuthenticateError::Names(2))));
    assert!(matches!(caller(naming(&[teller], true)), Err(AuthenticateError::Ca)));
    for almost in [
        "spiffe://cluster.local",
        "spiffe://cluster.local/ns/bank/sa/teller/",
        "spiffe://cluster.local/ns/bank/sa/teller\0.evil",
        "spiffe://cluster.local/ns/*/sa/teller",
        "spiffe://CLUSTER.local/ns/bank/sa/teller",
        "https://cluster.local/ns/bank/sa/teller",
    ] {
        let error = caller(naming(&[almost], false)).unwrap_err();
        assert!(matches!(error, AuthenticateError::Identity(_)), "{almost:?}: {error}");
    }
    for foreign in ["spiffe://cluster.local.evil/ns/bank/sa/teller", "spiffe://evil/ns/bank/sa/teller"] {
        let error = caller(naming(&[foreign], false)).unwrap_err();
        assert!(matches!(error, AuthenticateError::Foreign { .. }), "{foreign}: {error}");
    }
}

#[test]
fn the_authorization_header_is_one_bearer_token_or_an_error() {
    let (authenticator, signer) = both();
    let token = token(&signer, "teller");
    let caller = |values: &[&[u8]]| {
        let values = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        authenticator.caller(None, &headers, at(10))
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(
            caller(&[format!("{scheme} {token}").as_bytes()]).unwrap(),
            Some(id("teller")),
            "{scheme}"
        );
    }
    let good = format!("Bearer {token}");
    for bad in [
        &[b"".as_slice()][..],
        &[b"Bearer"],
        &[b"Bearer "],
        &[token.as_bytes()],
        &[b"Basic dGVsbGVyOg=="],
        &[b"Bearer \xff"],
        &[good.as_bytes(), good.as_bytes()],
    ] {
        let error = caller(bad).unwrap_err();
        assert!(matches!(error, AuthenticateError::Header), "{bad:?}: {error}");
    }
    assert!(matches!(caller(&[b"Bearer a.b.c"]), Err(AuthenticateError::Token(_))));
}

#[test]
fn where_no_verifier_is_a_token_is_refused() {
    let authenticator = Authenticator::new(TRUST_DOMAIN, None);
    let error = authenticator.caller(None, &bearing("a.b.c"), at(10)).unwrap_err();
    assert!(matches!(error, AuthenticateError::NoTokens), "{error}");
    assert!(authenticator.caller(Some(&certificate("teller")), &none(), at(10)).is_ok());
}

#[tokio::test]
async fn a_service_sees_who_was_proven_and_never_the_token() {
    let signer = TokenSigner::generate(KUBERNETES_ISSUER).unwrap();
    let tokens = TokenVerifier::new(&signer.jwks(), KUBERNETES_ISSUER, AUDIENCE).unwrap();
    let layer = AuthenticateLayer::new(Arc::new(Authenticator::new(TRUST_DOMAIN, Some(tokens))));
    let service = layer.layer(tower::service_fn(|request: http::Request<()>| async move {
        assert!(!request.headers().contains_key(AUTHORIZATION));
        Ok::<_, Infallible>(http::Response::new(request.extensions().get::<SpiffeId>().cloned()))
    }));
    let account = ServiceAccount { namespace: "bank".to_owned(), name: "teller".to_owned(), pod: None };
    let token = signer.mint(&account, AUDIENCE, Duration::from_secs(600), SystemTime::now()).unwrap();
    let ask = |header: Option<String>, planted: bool| {
        let mut request = http::Request::new(());
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&header).unwrap());
        }
        if planted {
            request.extensions_mut().insert(id("director"));
        }
        service.clone().oneshot(request)
    };
    let body = |answer: Result<http::Response<Option<SpiffeId>>, Infallible>| answer.unwrap().into_body();
    assert_eq!(body(ask(Some(format!("Bearer {token}")), false).await), Some(id("teller")));
    assert_eq!(body(ask(None, false).await), None);
    assert_eq!(body(ask(None, true).await), None, "what stood there before is not believed");
    let refused = ask(Some("Bearer a.b.c".to_owned()), false).await.unwrap();
    assert_eq!(refused.headers()["grpc-status"], "16");
    assert_eq!(refused.into_body(), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(leaf in prop::collection::vec(any::<u8>(), 0..200), header in "[ -~]{0,60}") {
        let (authenticator, _) = both();
        let peer: PeerCertificates = vec![CertificateDer::from(leaf)].into();
        prop_assert!(authenticator.caller(Some(&peer), &none(), at(10)).is_err());
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&header).unwrap())]);
        prop_assert!(authenticator.caller(None, &headers, at(10)).is_err());
    }

    #[test]
    fn a_certificate_with_one_byte_changed_is_nobody_else(place in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let (authenticator, _) = both();
        let mut leaf = certificate("teller").0[0].to_vec();
        let place = place.index(leaf.len());
        leaf[place] ^= flip;
        let peer: PeerCertificates = vec![CertificateDer::from(leaf)].into();
        // TLS verifies the signature; here it only must not panic, and must stay in our trust domain.
        if let Ok(Some(caller)) = authenticator.caller(Some(&peer), &none(), at(10)) {
            prop_assert_eq!(caller.trust_domain, TRUST_DOMAIN);
        }
    }
}
