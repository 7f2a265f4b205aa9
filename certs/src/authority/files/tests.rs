use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use rcgen::KeyPair;

use super::*;
use crate::fixture::{TRUST_DOMAIN, at, epoch, id, openssl, request};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn load(dir: &Path) -> Result<Authority, FileError> {
    Authority::load(dir, TRUST_DOMAIN, at(60))
}

fn issue(authority: &Authority) -> Vec<String> {
    authority.issue(&request(&KeyPair::generate().unwrap()), &id("teller"), None, at(60)).unwrap()
}

/// Puts text into one of the files, with a mode that a key may have.
fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn copy(from: &Path, to: &Path, name: &str) {
    put(to, name, &fs::read_to_string(from.join(name)).unwrap());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn openssl_verifies(dir: &Path, answer: &[String], root: &str) {
    let [leaf, between @ .., _] = answer else { panic!("{} entries", answer.len()) };
    fs::write(dir.join("leaf.pem"), leaf).unwrap();
    fs::write(dir.join("between.pem"), between.concat()).unwrap();
    let untrusted = if between.is_empty() { "" } else { "-untrusted between.pem" };
    let verify = format!("verify -CAfile {root} {untrusted} -attime {} leaf.pem", epoch(60));
    openssl(dir, &verify, "").unwrap();
}

/// The set that a person makes with openssl for Istio's plug-in CA: an RSA root, an RSA intermediate, and a chain file
/// that repeats both.
fn plugged_in(dir: &Path) {
    let run = |arguments: &str| openssl(dir, arguments, "").unwrap();
    fs::write(
        dir.join("ca.conf"),
        "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:true,pathlen:0\n\
         keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\nsubjectKeyIdentifier=hash\n\
         subjectAltName=DNS:istiod.istio-system.svc\n",
    )
    .unwrap();
    run("req -x509 -newkey rsa:2048 -nodes -keyout root-key.pem -out root-cert.pem -days 3650 \
         -subj /O=Bank/CN=Root");
    run(
        "req -new -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.csr -subj /O=Bank/CN=Intermediate/L=cluster1 \
         -config ca.conf",
    );
    let cert = run("x509 -req -in ca.csr -CA root-cert.pem -CAkey root-key.pem -CAcreateserial -days 730 \
                    -extfile ca.conf -extensions ca");
    let root = fs::read_to_string(dir.join("root-cert.pem")).unwrap();
    put(dir, "ca-cert.pem", &cert);
    put(dir, "cert-chain.pem", &format!("{cert}{root}"));
    fs::set_permissions(dir.join("ca-key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_was_created_is_loaded_again_with_the_same_root() {
    let dir = folder();
    let made = Authority::create(&dir.path().join("ca"), TRUST_DOMAIN, at(0)).unwrap();
    let ca = dir.path().join("ca");
    assert_eq!(mode(&ca.join("ca-key.pem")), 0o600);
    let loaded = load(&ca).unwrap();
    assert_eq!(loaded.trust_bundle(), made.trust_bundle());
    assert_eq!(loaded.expires(), made.expires());
    assert_eq!(fs::read_dir(&ca).unwrap().count(), 4, "nothing half written is left");
    let answer = issue(&loaded);
    assert_eq!(answer.len(), 3);
    assert_eq!(answer[1..], issue(&made)[1..], "the chain is the same");
    openssl_verifies(&ca, &answer, "root-cert.pem");
}

#[test]
fn the_second_time_the_authority_of_a_folder_is_the_first_one() {
    let dir = folder();
    let ca = dir.path().join("deep/ca");
    let first = Authority::load_or_create(&ca, TRUST_DOMAIN, at(0)).unwrap();
    let second = Authority::load_or_create(&ca, TRUST_DOMAIN, at(60)).unwrap();
    assert_eq!(first.trust_bundle(), second.trust_bundle());
}

#[test]
fn an_authority_is_never_overwritten() {
    let dir = folder();
    Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap();
    let before = fs::read_to_string(dir.path().join("ca-key.pem")).unwrap();
    let error = Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("ca-key.pem")).unwrap(), before);
}

#[test]
fn half_a_set_is_neither_loaded_nor_completed() {
    let dir = folder();
    Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap();
    for name in ["ca-key.pem", "ca-cert.pem", "cert-chain.pem", "root-cert.pem"] {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = Authority::load_or_create(dir.path(), TRUST_DOMAIN, at(60)).unwrap_err();
        assert!(error.to_string().contains(&format!("{name} is missing")), "{error}");
        assert!(matches!(load(dir.path()), Err(FileError::Io { .. })), "{name}");
        put(dir.path(), name, &text);
    }
    load(dir.path()).unwrap();
}

#[test]
fn a_key_that_others_can_read_is_refused_and_one_that_a_group_can_is_not() {
    let dir = folder();
    Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap();
    let key = dir.path().join("ca-key.pem");
    for open in [0o644, 0o604, 0o660, 0o602, 0o777] {
        fs::set_permissions(&key, fs::Permissions::from_mode(open)).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(matches!(error, FileError::Open { mode, .. } if mode == open), "{open:o}: {error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    for closed in [0o600, 0o400, 0o440, 0o640] {
        fs::set_permissions(&key, fs::Permissions::from_mode(closed)).unwrap();
        load(dir.path()).unwrap();
    }
}

#[test]
fn files_of_two_authorities_do_not_mix() {
    let (one, other) = (folder(), folder());
    Authority::create(one.path(), TRUST_DOMAIN, at(0)).unwrap();
    Authority::create(other.path(), TRUST_DOMAIN, at(0)).unwrap();
    for (name, word) in [
        ("ca-key.pem", "is not the key of ca-cert.pem"),
        ("ca-cert.pem", "is not the key of ca-cert.pem"),
        ("root-cert.pem", "do cert-chain.pem and root-cert.pem belong"),
    ] {
        let mixed = folder();
        for all in ["ca-key.pem", "ca-cert.pem", "cert-chain.pem", "root-cert.pem"] {
            copy(one.path(), mixed.path(), all);
        }
        copy(other.path(), mixed.path(), name);
        let error = load(mixed.path()).unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
    }
}

#[test]
fn what_openssl_made_for_istio_is_taken() {
    let dir = folder();
    plugged_in(dir.path());
    let now = SystemTime::now();
    let authority = Authority::load(dir.path(), TRUST_DOMAIN, now).unwrap();
    let csr = request(&KeyPair::generate().unwrap());
    let answer = authority.issue(&csr, &id("teller"), None, now).unwrap();
    assert_eq!(answer.len(), 3, "the root comes once");
    let [leaf, between, root] = &answer[..] else { unreachable!() };
    fs::write(dir.path().join("leaf.pem"), leaf).unwrap();
    fs::write(dir.path().join("between.pem"), between).unwrap();
    fs::write(dir.path().join("answered-root.pem"), root).unwrap();
    for root in ["root-cert.pem", "answered-root.pem"] {
        let verify = format!("verify -CAfile {root} -untrusted between.pem -purpose sslclient leaf.pem");
        openssl(dir.path(), &verify, "").unwrap();
    }
}

#[test]
fn a_root_that_issues_itself_answers_with_leaf_and_root() {
    let dir = folder();
    openssl(
        dir.path(),
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout ca-key.pem \
                         -out ca-cert.pem -days 365 -subj /O=Bank",
        "",
    )
    .unwrap();
    let cert = fs::read_to_string(dir.path().join("ca-cert.pem")).unwrap();
    put(dir.path(), "cert-chain.pem", &cert);
    put(dir.path(), "root-cert.pem", &cert);
    let now = SystemTime::now();
    let authority = Authority::load(dir.path(), TRUST_DOMAIN, now).unwrap();
    let answer = authority.issue(&request(&KeyPair::generate().unwrap()), &id("teller"), None, now).unwrap();
    assert_eq!(answer.len(), 2);
    fs::write(dir.path().join("leaf.pem"), &answer[0]).unwrap();
    openssl(dir.path(), "verify -CAfile root-cert.pem leaf.pem", "").unwrap();
}

#[test]
fn of_several_roots_our_own_comes_first_and_all_are_answered() {
    let (one, other) = (folder(), folder());
    let made = Authority::create(one.path(), TRUST_DOMAIN, at(0)).unwrap();
    let stranger = Authority::create(other.path(), TRUST_DOMAIN, at(0)).unwrap();
    put(one.path(), "root-cert.pem", &format!("{}{}", stranger.trust_bundle(), made.trust_bundle()));
    let authority = load(one.path()).unwrap();
    assert_eq!(authority.roots().len(), 2);
    assert_eq!(authority.roots()[0], made.roots()[0]);
    let answer = issue(&authority);
    assert_eq!(answer.len(), 3);
    assert_eq!(answer[2].matches("BEGIN CERTIFICATE").count(), 2);
    openssl_verifies(one.path(), &answer, "root-cert.pem");
}

#[test]
fn a_certificate_that_may_not_issue_is_refused() {
    let dir = folder();
    let made = Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = made.issue(&request(&key), &id("teller"), None, at(60)).unwrap();
    put(dir.path(), "ca-key.pem", &key.serialize_pem());
    put(dir.path(), "ca-cert.pem", &leaf[0]);
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(&error, FileError::Set { error: SetError::NoCa(_), .. }), "{error}");
}

#[test]
fn an_expired_or_future_set_is_refused_with_its_dates() {
    let dir = folder();
    let made = Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap();
    for (when, year) in [(made.expires(), "2036"), (UNIX_EPOCH, "1970")] {
        let error = Authority::load(dir.path(), TRUST_DOMAIN, when).unwrap_err();
        assert!(matches!(&error, FileError::Set { error: SetError::Time { .. }, .. }), "{error}");
        assert!(error.to_string().contains(year), "{error}");
    }
}

#[test]
fn a_file_that_holds_something_else_is_named() {
    let dir = folder();
    Authority::create(dir.path(), TRUST_DOMAIN, at(0)).unwrap();
    for name in ["ca-key.pem", "ca-cert.pem", "cert-chain.pem", "root-cert.pem"] {
        let good = fs::read_to_string(dir.path().join(name)).unwrap();
        for bad in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
            "-----BEGIN X",
        ] {
            put(dir.path(), name, bad);
            let error = load(dir.path()).unwrap_err();
            assert!(error.to_string().contains(name), "{name} with {bad:?}: {error}");
        }
        fs::write(dir.path().join(name), [0xff, 0xfe]).unwrap();
        assert!(matches!(load(dir.path()), Err(FileError::Content { .. })), "{name}");
        put(dir.path(), name, &"A".repeat(usize::try_from(MAX_BYTES).unwrap() + 1));
        assert!(matches!(load(dir.path()), Err(FileError::Content { .. })), "{name}");
        put(dir.path(), name, &good);
    }
    load(dir.path()).unwrap();
    let error = Authority::load(dir.path(), "Not A Domain", at(60)).unwrap_err();
    assert!(error.to_string().contains("trust domain"), "{error}");
}
