use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use proptest::prelude::*;
use rcgen::{KeyPair, RsaKeySize};
use serde_json::{Value, json};

use super::*;
use crate::fixture::{at, epoch};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

fn account() -> ServiceAccount {
    let pod = Object { name: "teller-7d9f".to_owned(), uid: Some("0f4c".to_owned()) };
    ServiceAccount { namespace: "bank".to_owned(), name: "teller".to_owned(), pod: Some(pod) }
}

fn signer() -> TokenSigner {
    TokenSigner::generate(ISSUER).unwrap()
}

fn verifier(signer: &TokenSigner) -> TokenVerifier {
    TokenVerifier::new(&signer.jwks(), ISSUER, AUDIENCE).unwrap()
}

fn mint(signer: &TokenSigner) -> String {
    signer.mint(&account(), AUDIENCE, Duration::from_secs(3600), at(0)).unwrap()
}

/// The claims of an honest token at [`at`]`(0)`.
fn claims() -> Value {
    json!({
        "aud": [AUDIENCE], "iss": ISSUER, "sub": "system:serviceaccount:bank:teller",
        "exp": epoch(3600), "iat": epoch(0), "nbf": epoch(0),
        "kubernetes.io": { "namespace": "bank", "serviceaccount": { "name": "teller", "uid": "1" } },
    })
}

/// A token with any header and claims, signed (or not) as one likes.
fn forge(header: &Value, claims: &str, sign: impl Fn(&[u8]) -> String) -> String {
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{signature}")
}

/// A token with the header of an honest one and claims of one's own, signed by the signer's key.
fn signed(signer: &TokenSigner, claims: &Value) -> String {
    let key = EncodingKey::from_ec_pem(signer.to_pem().as_bytes()).unwrap();
    forge(&json!({ "alg": "ES256", "kid": kid(signer) }), &claims.to_string(), |message| {
        jsonwebtoken::crypto::sign(message, &key, Algorithm::ES256).unwrap()
    })
}

fn kid(signer: &TokenSigner) -> String {
    let set: Value = serde_json::from_str(&signer.jwks()).unwrap();
    set["keys"][0]["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_says_whose_it_is_and_in_which_pod() {
    let signer = signer();
    let verified = verifier(&signer).verify(&mint(&signer), at(10)).unwrap();
    assert_eq!(verified, account());
    assert_eq!(
        verified.identity("cluster.local").unwrap().to_string(),
        "spiffe://cluster.local/ns/bank/sa/teller"
    );
}

#[test]
fn a_token_has_the_claims_of_kubernetes_own() {
    let token = mint(&signer());
    let part = |at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
    };
    let header: Vec<String> = part(0).as_object().unwrap().keys().cloned().collect();
    assert_eq!(header, ["alg", "kid"]);
    let mut claims = part(1);
    assert!(claims["jti"].take().is_string());
    assert_eq!(
        claims,
        json!({
            "aud": ["istio-ca"], "exp": epoch(3600), "iat": epoch(0), "iss": ISSUER, "jti": null, "nbf": epoch(0),
            "kubernetes.io": {
                "namespace": "bank", "serviceaccount": { "name": "teller" },
                "pod": { "name": "teller-7d9f", "uid": "0f4c" },
            },
            "sub": "system:serviceaccount:bank:teller",
        })
    );
}

#[test]
fn a_signer_that_was_saved_signs_as_before() {
    let first = signer();
    let second = TokenSigner::from_pem(ISSUER, &first.to_pem()).unwrap();
    assert_eq!(first.jwks(), second.jwks());
    assert!(verifier(&first).verify(&mint(&second), at(10)).is_ok());
    assert!(!format!("{first:?}").contains("PRIVATE"));
    let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    for bad in ["", "hello", &other] {
        assert!(matches!(TokenSigner::from_pem(ISSUER, bad), Err(TokenError::Key(_))), "{bad}");
    }
}

#[test]
fn no_token_is_minted_for_names_that_cannot_be_an_identity() {
    for (namespace, name) in [("", "a"), ("a", ""), ("a:b", "c"), ("a", "b/c"), ("..", "a")] {
        let account = ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned(), pod: None };
        assert!(
            signer().mint(&account, AUDIENCE, Duration::from_secs(1), at(0)).is_err(),
            "{namespace}:{name}"
        );
    }
}

#[test]
fn a_real_cluster_s_rsa_tokens_are_read() {
    let pair = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = json!("k8s");
    jwk["use"] = json!("sig");
    let verifier = TokenVerifier::new(&json!({ "keys": [jwk] }).to_string(), ISSUER, AUDIENCE).unwrap();
    let token = forge(&json!({ "alg": "RS256", "kid": "k8s" }), &claims().to_string(), |message| {
        jsonwebtoken::crypto::sign(message, &key, Algorithm::RS256).unwrap()
    });
    assert_eq!(verifier.verify(&token, at(10)).unwrap().name, "teller");
    // The same key may not be used with another algorithm than its own.
    for algorithm in [Algorithm::RS384, Algorithm::PS256] {
        let token = forge(
            &json!({ "alg": format!("{algorithm:?}"), "kid": "k8s" }),
            &claims().to_string(),
            |message| jsonwebtoken::crypto::sign(message, &key, algorithm).unwrap(),
        );
        assert!(
            matches!(verifier.verify(&token, at(10)), Err(TokenError::UnknownKey { .. })),
            "{algorithm:?}"
        );
    }
}

#[test]
fn a_token_chooses_neither_its_algorithm_nor_its_key() {
    let signer = signer();
    let verifier = verifier(&signer);
    let kid = kid(&signer);
    let claims = claims().to_string();
    let none = |_: &[u8]| String::new();
    let stranger = KeyPair::generate().unwrap();
    let strangers_key = EncodingKey::from_ec_der(&stranger.serialize_der());
    let by_stranger =
        |message: &[u8]| jsonwebtoken::crypto::sign(message, &strangers_key, Algorithm::ES256).unwrap();
    let jwk =
        serde_json::to_value(Jwk::from_encoding_key(&strangers_key, Algorithm::ES256).unwrap()).unwrap();

    for alg in ["none", "None", "NONE", "nOnE", "", "ES257", "es256"] {
        let token = forge(&json!({ "alg": alg, "kid": kid }), &claims, none);
        assert!(matches!(verifier.verify(&token, at(10)), Err(TokenError::Malformed(_))), "{alg}");
    }
    let unsigned = forge(&json!({ "alg": "ES256", "kid": kid }), &claims, none);
    assert_eq!(verifier.verify(&unsigned, at(10)), Err(TokenError::Signature));

    // HS256 with everything public that an attacker could hope is taken for its secret.
    let set: Value = serde_json::from_str(&signer.jwks()).unwrap();
    let public = openssl_public(&signer);
    for secret in
        [signer.jwks().into_bytes(), set["keys"][0].to_string().into_bytes(), public.into_bytes(), vec![]]
    {
        for (alg, algorithm) in [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384)] {
            let token = forge(&json!({ "alg": alg, "kid": kid }), &claims, |message| {
                jsonwebtoken::crypto::sign(message, &EncodingKey::from_secret(&secret), algorithm).unwrap()
            });
            assert!(matches!(verifier.verify(&token, at(10)), Err(TokenError::UnknownKey { .. })), "{alg}");
        }
    }

    for header in [
        json!({ "alg": "ES256", "kid": kid }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "kid": kid, "jwk": jwk }),
        json!({ "alg": "ES256", "kid": kid, "jku": "https://evil.example/jwks" }),
    ] {
        assert_eq!(
            verifier.verify(&forge(&header, &claims, by_stranger), at(10)),
            Err(TokenError::Signature),
            "{header}"
        );
    }
    let unknown = forge(&json!({ "alg": "ES256", "kid": "../../dev/null" }), &claims, by_stranger);
    assert!(matches!(verifier.verify(&unknown, at(10)), Err(TokenError::UnknownKey { .. })));
}

fn openssl_public(signer: &TokenSigner) -> String {
    let dir = tempfile::tempdir().unwrap();
    crate::fixture::openssl(dir.path(), "pkey -pubout", &signer.to_pem()).unwrap()
}

#[test]
fn a_critical_header_that_nobody_understands_refuses_the_token() {
    let signer = signer();
    let key = EncodingKey::from_ec_pem(signer.to_pem().as_bytes()).unwrap();
    let token =
        forge(&json!({ "alg": "ES256", "crit": ["b64"], "b64": false }), &claims().to_string(), |message| {
            jsonwebtoken::crypto::sign(message, &key, Algorithm::ES256).unwrap()
        });
    assert_eq!(verifier(&signer).verify(&token, at(10)), Err(TokenError::Critical(vec!["b64".to_owned()])));
}

#[test]
fn a_token_is_believed_from_its_beginning_to_its_end_and_a_minute_around() {
    let signer = signer();
    let verifier = verifier(&signer);
    let token = signer.mint(&account(), AUDIENCE, Duration::from_secs(100), at(1000)).unwrap();
    for good in [940, 1000, 1100, 1159] {
        assert!(verifier.verify(&token, at(good)).is_ok(), "{good}");
    }
    assert!(matches!(verifier.verify(&token, at(939)), Err(TokenError::Early { .. })));
    assert!(matches!(verifier.verify(&token, at(1160)), Err(TokenError::Expired { .. })));
    assert!(matches!(verifier.verify(&token, std::time::UNIX_EPOCH), Err(TokenError::Early { .. })));
}

#[test]
fn every_claim_that_must_be_there_is_looked_at() {
    let signer = signer();
    let verifier = verifier(&signer);
    assert!(verifier.verify(&signed(&signer, &claims()), at(10)).is_ok(), "the honest one");
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    for bad in [
        without("exp"),
        without("aud"),
        without("iss"),
        without("sub"),
        with("exp", json!(null)),
        with("exp", json!("9999999999")),
        with("exp", json!(-1)),
        with("exp", json!(1e300)),
        with("nbf", json!("now")),
        with("aud", json!("api")),
        with("aud", json!([])),
        with("aud", json!(["api", "istio-ca-2"])),
        with("aud", json!({ "istio-ca": true })),
        with("iss", json!("https://evil.example")),
        with("iss", json!("")),
        with("sub", json!(["system:serviceaccount:bank:teller"])),
        with("kubernetes.io", json!("bank")),
        with("kubernetes.io", json!({ "namespace": "bank" })),
    ] {
        let error = verifier.verify(&signed(&signer, &bad), at(10)).unwrap_err();
        assert!(matches!(error, TokenError::Claims(_)), "{bad}: {error}");
    }
    for good in [
        with("aud", json!(AUDIENCE)),
        with("aud", json!(["api", AUDIENCE])),
        without("nbf"),
        without("iat"),
        without("kubernetes.io"),
    ] {
        assert!(verifier.verify(&signed(&signer, &good), at(10)).is_ok(), "{good}");
    }
    for early in [with("nbf", json!(epoch(100))), with("iat", json!(epoch(100)))] {
        assert!(
            matches!(verifier.verify(&signed(&signer, &early), at(10)), Err(TokenError::Early { .. })),
            "{early}"
        );
    }
}

#[test]
fn a_claim_that_comes_twice_refuses_the_token() {
    let signer = signer();
    let key = EncodingKey::from_ec_pem(signer.to_pem().as_bytes()).unwrap();
    let twice = claims().to_string().replacen('{', "{\"sub\":\"system:serviceaccount:bank:director\",", 1);
    let token = forge(&json!({ "alg": "ES256" }), &twice, |message| {
        jsonwebtoken::crypto::sign(message, &key, Algorithm::ES256).unwrap()
    });
    assert!(matches!(verifier(&signer).verify(&token, at(10)), Err(TokenError::Claims(_))));
}

#[test]
fn a_subject_of_any_other_shape_is_nobody() {
    let signer = signer();
    for subject in [
        "",
        "teller",
        "system:serviceaccount",
        "system:serviceaccount:bank",
        "system:serviceaccount:bank:",
        "system:serviceaccount::teller",
        "system:serviceaccount:bank:teller:more",
        "System:ServiceAccount:bank:teller",
        " system:serviceaccount:bank:teller",
        "system:serviceaccount:bank:teller\0",
        "system:serviceaccount:bank:../director",
        "system:serviceaccount:bank/sa/director:x",
        "system:serviceaccount:*:*",
        "system:node:worker-1",
        "spiffe://cluster.local/ns/bank/sa/teller",
    ] {
        let mut claims = claims();
        claims["sub"] = json!(subject);
        let error = verifier(&signer).verify(&signed(&signer, &claims), at(10)).unwrap_err();
        assert!(matches!(error, TokenError::Subject(_)), "{subject:?}: {error}");
    }
}

#[test]
fn a_token_that_contradicts_itself_is_refused() {
    let signer = signer();
    for (namespace, name) in [("vault", "teller"), ("bank", "director")] {
        let mut claims = claims();
        claims["kubernetes.io"] = json!({ "namespace": namespace, "serviceaccount": { "name": name } });
        let error = verifier(&signer).verify(&signed(&signer, &claims), at(10)).unwrap_err();
        assert!(matches!(error, TokenError::Contradiction { .. }), "{error}");
    }
}

#[test]
fn what_is_no_token_is_refused_in_words() {
    let signer = signer();
    let verifier = verifier(&signer);
    let good = mint(&signer);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = head.split_once('.').unwrap();
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        head,
        payload,
        "é.é.é",
        &format!("{good}.x"),
        &format!(" {good}"),
        &format!("{good}="),
    ] {
        assert!(verifier.verify(bad, at(10)).is_err(), "{bad:?}");
    }
    assert!(verifier.verify(&format!("{head}.{}", &signature[1..]), at(10)).is_err());
    let long = "A".repeat(MAX_BYTES + 1);
    assert_eq!(verifier.verify(&long, at(10)), Err(TokenError::TooLong(MAX_BYTES + 1)));
}

#[test]
fn keys_that_cannot_verify_are_passed_over_and_a_set_of_only_those_is_refused() {
    let signer = signer();
    let set: Value = serde_json::from_str(&signer.jwks()).unwrap();
    let own = &set["keys"][0];
    let changed = |name: &str, value: &str| {
        let mut key = own.clone();
        key[name] = json!(value);
        key
    };
    let useless = [
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }),
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        json!({ "kty": "new", "x": "" }),
        json!("hello"),
        json!(null),
        changed("use", "enc"),
        changed("alg", "ES384"),
        changed("alg", "HS256"),
        changed("crv", "P-384"),
        changed("crv", "secp256k1"),
        changed("x", "!"),
    ];
    for key in &useless {
        let error = TokenVerifier::new(&json!({ "keys": [key] }).to_string(), ISSUER, AUDIENCE).map(|_| key);
        assert!(matches!(error, Err(TokenError::NoKeys(_))), "a verifier was made of {key}");
    }
    let mut all = useless.to_vec();
    all.push(own.clone());
    let verifier = TokenVerifier::new(&json!({ "keys": all }).to_string(), ISSUER, AUDIENCE).unwrap();
    assert!(verifier.verify(&mint(&signer), at(10)).is_ok());

    for text in
        ["", "[]", "{}", "{\"keys\":[]}", "{\"keys\":1}", &json!({ "keys": vec![own; 65] }).to_string()]
    {
        assert!(matches!(TokenVerifier::new(text, ISSUER, AUDIENCE), Err(TokenError::NoKeys(_))), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC{0,80}", a in "[A-Za-z0-9_-]{0,60}", b in "[A-Za-z0-9_-]{0,60}") {
        let signer = signer();
        let verifier = verifier(&signer);
        let header = mint(&signer).split_once('.').unwrap().0.to_owned();
        for token in [text.clone(), format!("{a}.{b}.{a}"), format!("{header}.{a}.{b}")] {
            prop_assert!(verifier.verify(&token, at(10)).is_err());
        }
        prop_assert!(TokenVerifier::new(&text, ISSUER, AUDIENCE).is_err());
    }

    #[test]
    fn a_token_with_one_character_changed_is_refused(place in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let signer = signer();
        let token = mint(&signer);
        let place = place.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(place..=place, &to);
        prop_assume!(changed != token);
        prop_assert!(verifier(&signer).verify(&changed, at(10)).is_err());
    }
}
