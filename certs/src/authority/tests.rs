use std::path::Path;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::fixture::{TRUST_DOMAIN, at, authority, der, epoch, id, openssl, request};

/// Writes an answer of [`Authority::issue`] and lets openssl verify it at `seconds`.
fn openssl_verifies(dir: &Path, answer: &[String], seconds: u64, more: &str) -> Result<String, String> {
    let [leaf, between @ .., root] = answer else { panic!("{} entries", answer.len()) };
    std::fs::write(dir.join("leaf.pem"), leaf).unwrap();
    std::fs::write(dir.join("between.pem"), between.concat()).unwrap();
    std::fs::write(dir.join("root.pem"), root).unwrap();
    let untrusted = if between.is_empty() { "" } else { "-untrusted between.pem" };
    let verify = format!(
        "verify -x509_strict -CAfile root.pem {untrusted} -attime {} {more} leaf.pem",
        epoch(seconds)
    );
    openssl(dir, &verify, "")
}

fn issue(request: &str) -> Result<Vec<String>, IssueError> {
    authority().issue(request, &id("teller"), None, at(60))
}

/// First and last second of a PEM certificate, counted from [`at`]`(0)`.
fn life(pem: &str) -> (i64, i64) {
    let der = der(pem);
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    let since = |time: x509_parser::time::ASN1Time| time.timestamp() - i64::try_from(epoch(0)).unwrap();
    (since(parsed.validity().not_before), since(parsed.validity().not_after))
}

#[test]
fn openssl_verifies_what_is_issued_as_server_and_as_client_up_to_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let answer = issue(&request(&KeyPair::generate().unwrap())).unwrap();
    assert_eq!(answer.len(), 3, "leaf, intermediate, root");
    for (at, entry) in answer.iter().enumerate() {
        assert_eq!(entry.matches("BEGIN CERTIFICATE").count(), 1, "entry {at}");
    }
    for purpose in ["sslserver", "sslclient"] {
        openssl_verifies(dir.path(), &answer, 60, &format!("-purpose {purpose}")).unwrap();
    }
    let other =
        authority().issue(&request(&KeyPair::generate().unwrap()), &id("teller"), None, at(60)).unwrap();
    let mixed = [answer[0].clone(), answer[1].clone(), other[2].clone()];
    openssl_verifies(dir.path(), &mixed, 60, "").expect_err("another authority's root must not verify it");
}

#[test]
fn a_leaf_says_what_istio_s_do_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let answer = issue(&request(&KeyPair::generate().unwrap())).unwrap();
    let text = openssl(dir.path(), "x509 -noout -text", &answer[0]).unwrap();
    for expected in [
        "X509v3 Subject Alternative Name: critical\n                URI:spiffe://cluster.local/ns/bank/sa/teller\n",
        "Subject: \n",
        "Issuer: O = cluster.local, CN = weft issuing\n",
        "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n",
        "X509v3 Extended Key Usage: \n                TLS Web Server Authentication, TLS Web Client Authentication\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE\n",
        "X509v3 Authority Key Identifier:",
        "Signature Algorithm: ecdsa-with-SHA256",
        "ASN1 OID: prime256v1",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let intermediate = openssl(dir.path(), "x509 -noout -text", &answer[1]).unwrap();
    assert!(intermediate.contains("CA:TRUE, pathlen:0"), "{intermediate}");
    assert!(intermediate.contains("Certificate Sign, CRL Sign"), "{intermediate}");
}

#[test]
fn a_request_for_a_ca_with_foreign_names_yields_a_plain_leaf_with_our_name_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(["evil.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    let uri = "spiffe://cluster.local/ns/bank/sa/director";
    params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning, ExtendedKeyUsagePurpose::Any];
    let key = KeyPair::generate().unwrap();
    let csr = params.serialize_request(&key).unwrap().pem().unwrap();
    let answer = issue(&csr).unwrap();
    openssl_verifies(dir.path(), &answer, 60, "").unwrap();
    let text = openssl(dir.path(), "x509 -noout -text", &answer[0]).unwrap();
    assert!(text.contains("URI:spiffe://cluster.local/ns/bank/sa/teller\n"), "{text}");
    for foreign in
        ["evil", "10.0.0.1", "director", "rcgen", "CA:TRUE", "Certificate Sign", "Code Signing", "Any"]
    {
        assert!(!text.contains(foreign), "{foreign} is in\n{text}");
    }
}

#[test]
fn the_kinds_of_keys_that_agents_make_are_signed() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, expected) in [
        ("rsa:2048", "(2048 bit)"),
        ("rsa:3072 -sha512", "(3072 bit)"),
        ("ec -pkeyopt ec_paramgen_curve:P-256", "prime256v1"),
        ("ec -pkeyopt ec_paramgen_curve:P-256 -sha384", "prime256v1"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "secp384r1"),
        ("ed25519", "ED25519"),
    ] {
        let new = format!("req -new -nodes -keyout key.pem -subj /CN=x -newkey {kind}");
        let csr = openssl(dir.path(), &new, "").unwrap();
        let answer = issue(&csr).unwrap_or_else(|error| panic!("{kind}: {error}"));
        openssl_verifies(dir.path(), &answer, 60, "-purpose sslclient").unwrap();
        let text = openssl(dir.path(), "x509 -noout -text", &answer[0]).unwrap();
        assert!(text.contains(expected), "{kind}:\n{text}");
        let public = openssl(dir.path(), "pkey -pubout -in key.pem", "").unwrap();
        assert_eq!(openssl(dir.path(), "x509 -noout -pubkey", &answer[0]).unwrap(), public, "{kind}");
    }
}

#[test]
fn a_key_written_as_a_compressed_point_is_refused_as_such() {
    let dir = tempfile::tempdir().unwrap();
    for make in [
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
        "ec -in key.pem -conv_form compressed -out compressed.pem",
    ] {
        openssl(dir.path(), make, "").unwrap();
    }
    let csr = openssl(dir.path(), "req -new -key compressed.pem -subj /CN=x", "").unwrap();
    let error = issue(&csr).unwrap_err();
    assert!(error.to_string().contains("a compressed point"), "{error}");
}

#[test]
fn weak_and_odd_keys_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, word) in [
        ("rsa:1024", "RSA of 1024 bits"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "of another kind"),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", "of another kind"),
        ("ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", "of another kind"),
        ("rsa-pss -pkeyopt rsa_keygen_bits:2048", "of another kind"),
        ("ed448", "of another kind"),
    ] {
        let new = format!("req -new -nodes -keyout key.pem -subj /CN=x -newkey {kind}");
        let csr = openssl(dir.path(), &new, "").unwrap();
        let error = issue(&csr).unwrap_err();
        assert!(matches!(&error, IssueError::Request(RequestError::Key(_))), "{kind}: {error}");
        assert!(error.to_string().contains(word), "{kind}: {error}");
    }
    let sha1 = "req -new -nodes -keyout key.pem -subj /CN=x -sha1 -newkey rsa:2048";
    let error = issue(&openssl(dir.path(), sha1, "").unwrap()).unwrap_err();
    assert!(matches!(error, IssueError::Request(RequestError::Algorithm(_))), "{error}");
}

/// PEM of any bytes under a label.
fn section(label: &str, der: &[u8]) -> String {
    pem::certificate(der).replace("CERTIFICATE", label)
}

fn request_der(request: &str) -> Vec<u8> {
    rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).unwrap().to_vec()
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let mut der = request_der(&request(&KeyPair::generate().unwrap()));
    *der.last_mut().unwrap() ^= 1;
    let error = issue(&section("CERTIFICATE REQUEST", &der)).unwrap_err();
    assert!(matches!(error, IssueError::Request(RequestError::Signature)), "{error}");

    // Somebody else's key put into a request of one's own.
    let (mine, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut der = request_der(&request(&mine));
    let (own, other) = (rcgen::PublicKeyData::der_bytes(&mine), rcgen::PublicKeyData::der_bytes(&theirs));
    let place = der.windows(own.len()).position(|window| window == own).unwrap();
    der[place..place + other.len()].copy_from_slice(other);
    let error = issue(&section("CERTIFICATE REQUEST", &der)).unwrap_err();
    assert!(matches!(error, IssueError::Request(RequestError::Signature)), "{error}");
}

#[test]
fn what_is_no_single_request_in_pem_is_refused_in_words() {
    let good = request(&KeyPair::generate().unwrap());
    let der = request_der(&good);
    let trailing = [der.as_slice(), &[0]].concat();
    let certificate = issue(&good).unwrap()[0].clone();
    for (bad, word) in [
        (String::new(), "there is none"),
        ("hello".to_owned(), "there is none"),
        (certificate, "there is none"),
        (format!("{good}{good}"), "there is more after it"),
        (good.replace("-----END CERTIFICATE REQUEST-----", ""), "not PEM"),
        (good.replacen("\nM", "\n!M", 1), "not PEM"),
        (section("CERTIFICATE REQUEST", b""), "no PKCS #10"),
        (section("CERTIFICATE REQUEST", b"hello"), "no PKCS #10"),
        (section("CERTIFICATE REQUEST", &trailing), "no PKCS #10"),
        (section("CERTIFICATE REQUEST", &der[..der.len() - 1]), "no PKCS #10"),
        (format!("{good}{}", " ".repeat(super::request::MAX_BYTES)), "bytes; at most 16384"),
    ] {
        let error = issue(&bad).unwrap_err();
        assert!(matches!(error, IssueError::Request(_)), "{bad:?}: {error}");
        assert!(error.to_string().contains(word), "{bad:?}: {error}");
    }
}

#[test]
fn a_life_begins_two_minutes_back_and_lasts_as_asked_up_to_90_days() {
    let authority = authority();
    let csr = request(&KeyPair::generate().unwrap());
    let day = 24 * 3600;
    for (asked, lasts) in [(None, day), (Some(1), 1), (Some(3600), 3600), (Some(90 * day), 90 * day)] {
        let lifetime = asked.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap()));
        let answer = authority.issue(&csr, &id("teller"), lifetime, at(1000)).unwrap();
        assert_eq!(life(&answer[0]), (1000 - 120, 1000 + lasts), "{asked:?}");
    }
    for seconds in [90 * 24 * 3600 + 1, u64::MAX] {
        let lifetime = Some(Duration::from_secs(seconds));
        let error = authority.issue(&csr, &id("teller"), lifetime, at(1000)).unwrap_err();
        assert!(matches!(error, IssueError::TooLong { .. }), "{error}");
    }
}

#[test]
fn no_leaf_outlives_its_issuer_and_an_expired_issuer_issues_nothing() {
    let authority = authority();
    let csr = request(&KeyPair::generate().unwrap());
    let end = authority.expires().duration_since(at(0)).unwrap().as_secs();
    let answer = authority.issue(&csr, &id("teller"), None, at(end - 3600)).unwrap();
    assert_eq!(life(&answer[0]).1, i64::try_from(end).unwrap());
    for late in [end, end + 1, end * 1000] {
        let error = authority.issue(&csr, &id("teller"), None, at(late)).unwrap_err();
        assert!(matches!(error, IssueError::Expired(_)), "{error}");
    }
    // Long before the authority was made: its own certificate is not valid yet, so the path check withholds the leaf.
    let error = authority.issue(&csr, &id("teller"), None, UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, IssueError::Check(_)), "{error}");
}

#[test]
fn an_identity_of_another_trust_domain_is_not_issued() {
    let foreign = SpiffeId::new("elsewhere.example", "bank", "teller").unwrap();
    let csr = request(&KeyPair::generate().unwrap());
    let error = authority().issue(&csr, &foreign, None, at(60)).unwrap_err();
    assert!(matches!(error, IssueError::Foreign { .. }), "{error}");
}

#[test]
fn two_certificates_over_one_key_have_different_serial_numbers() {
    let authority = authority();
    let csr = request(&KeyPair::generate().unwrap());
    let serial = || {
        let der = der(&authority.issue(&csr, &id("teller"), None, at(60)).unwrap()[0]);
        X509Certificate::from_der(&der).unwrap().1.raw_serial().to_vec()
    };
    let (one, other) = (serial(), serial());
    assert_eq!((one.len(), other.len()), (16, 16));
    assert_ne!(one, other);
}

#[test]
fn a_serving_certificate_is_good_for_its_names_and_for_no_client() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority();
    let names = ["istiod.istio-system.svc".to_owned(), "localhost".to_owned()];
    let addresses = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let serving = authority.serving_certificate(&names, &addresses, at(60)).unwrap();
    assert_eq!((serving.issued, serving.expires), (at(60), at(60 + 24 * 3600)));
    let mut answer: Vec<String> = serving.chain.iter().map(|der| pem::certificate(der)).collect();
    answer.push(authority.trust_bundle());
    for names in [
        "-verify_hostname istiod.istio-system.svc",
        "-verify_hostname localhost",
        "-verify_ip 127.0.0.1",
        "-verify_ip ::1",
    ] {
        openssl_verifies(dir.path(), &answer, 60, &format!("-purpose sslserver {names}")).unwrap();
    }
    openssl_verifies(dir.path(), &answer, 60, "-verify_hostname example.com").unwrap_err();
    openssl_verifies(dir.path(), &answer, 60, "-purpose sslclient").unwrap_err();
}

#[test]
fn a_serving_certificate_needs_names_that_can_be_dialled() {
    let authority = authority();
    assert!(matches!(authority.serving_certificate(&[], &[], at(60)), Err(IssueError::NoName)));
    for name in ["", "*.example.com", "a b", "café.example", "a..b", "-a.example", "127.0.0.1"] {
        let error = authority.serving_certificate(&[name.to_owned()], &[], at(60)).unwrap_err();
        assert!(matches!(error, IssueError::Name(_)), "{name:?}: {error}");
    }
}

#[test]
fn a_trust_domain_that_cannot_stand_in_an_identity_makes_no_authority() {
    for domain in ["", "Cluster.Local", "a/b", "a b", "a\0"] {
        assert!(matches!(Authority::fresh(domain, at(0)), Err(FreshError::TrustDomain(_))), "{domain:?}");
    }
}

#[test]
fn debug_output_holds_no_key() {
    let authority = authority();
    let names = [TRUST_DOMAIN.to_owned()];
    let serving = authority.serving_certificate(&names, &[], at(60)).unwrap();
    let text = format!("{authority:?} {serving:?}");
    assert!(!text.to_lowercase().contains("key") && text.len() < 300, "{text}");
}

proptest! {
    #[test]
    fn no_text_makes_the_authority_panic(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let authority = authority();
        prop_assert!(authority.issue(&text, &id("teller"), None, at(60)).is_err());
        let request = section("CERTIFICATE REQUEST", &bytes);
        prop_assert!(authority.issue(&request, &id("teller"), None, at(60)).is_err());
    }

    // The envelope around what is signed is read laxly: a change there changes nothing.
    #[test]
    fn a_request_with_one_byte_changed_is_refused_or_means_the_same(
        place in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let key = KeyPair::generate().unwrap();
        let mut changed = request_der(&request(&key));
        let place = place.index(changed.len());
        changed[place] ^= flip;
        let answer = authority().issue(&section("CERTIFICATE REQUEST", &changed), &id("teller"), None, at(60));
        if let Ok(answer) = answer {
            let der = der(&answer[0]);
            let (_, leaf) = X509Certificate::from_der(&der).unwrap();
            let own = rcgen::PublicKeyData::subject_public_key_info(&key);
            prop_assert_eq!(leaf.public_key().raw, own, "byte {}", place);
        }
    }
}
