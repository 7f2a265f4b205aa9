//! The names in a peer's certificate, and what is asked of them.

use rustls_pki_types::CertificateDer;
use weft_model::identity::SpiffeId;
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::tls::{SanKind, SanMatcher};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Who a peer is, by its verified certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerNames {
    /// URI SANs, in order.
    pub uris: Vec<String>,
    /// DNS SANs.
    pub dns: Vec<String>,
    /// IP SANs.
    pub ips: Vec<std::net::IpAddr>,
    /// E-mail SANs.
    pub emails: Vec<String>,
    /// Its identity in the mesh, if the certificate has exactly one URI and that is a SPIFFE ID of our shape.
    pub spiffe: Option<SpiffeId>,
    /// SHA-256 of the certificate, hex.
    pub hash: String,
    /// Subject in RFC 2253's form.
    pub subject: String,
}

/// Why a certificate's names could not be read.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// It does not parse.
    #[error("the peer's certificate does not parse: {0}")]
    Parse(String),
    /// A NUL or control character stands in a name, which some would take for its end (CVE-2025-66220).
    #[error("the peer's certificate holds a control character in a name")]
    Control,
}

impl PeerNames {
    /// Reads the names of `leaf`.
    ///
    /// # Errors
    /// If it is no certificate, or a name is made to be misread.
    pub fn of(leaf: &CertificateDer<'_>) -> Result<Self, NamesError> {
        let (_, cert) = X509Certificate::from_der(leaf).map_err(|e| NamesError::Parse(e.to_string()))?;
        let mut names = Self { hash: sha256_hex(leaf), subject: subject(&cert), ..Self::default() };
        let san = cert.subject_alternative_name().map_err(|e| NamesError::Parse(e.to_string()))?;
        for name in san.iter().flat_map(|ext| &ext.value.general_names) {
            match name {
                GeneralName::URI(uri) => names.uris.push(clean(uri)?),
                GeneralName::DNSName(dns) => names.dns.push(clean(dns)?),
                GeneralName::RFC822Name(mail) => names.emails.push(clean(mail)?),
                GeneralName::IPAddress(bytes) => names.ips.extend(ip(bytes)),
                _ => {}
            }
        }
        if let [uri] = names.uris.as_slice() {
            names.spiffe = uri.parse().ok();
        }
        Ok(names)
    }

    /// Does the certificate carry one of the names asked for? An empty list asks for nothing.
    pub fn satisfy(&self, wanted: &[SanMatcher]) -> bool {
        wanted.is_empty() || wanted.iter().any(|w| self.satisfies_one(w))
    }

    fn satisfies_one(&self, wanted: &SanMatcher) -> bool {
        let any = |list: &[String]| list.iter().any(|name| matches(&wanted.matcher, name));
        let ips = || self.ips.iter().any(|ip| matches(&wanted.matcher, &ip.to_string()));
        match wanted.kind {
            SanKind::Uri => any(&self.uris),
            SanKind::Dns => self.dns.iter().any(|name| dns_matches(&wanted.matcher, name)),
            SanKind::Email => any(&self.emails),
            SanKind::Ip => ips(),
            SanKind::Any => {
                any(&self.uris)
                    || self.dns.iter().any(|name| dns_matches(&wanted.matcher, name))
                    || any(&self.emails)
                    || ips()
            }
        }
    }
}

/// A certificate may hold a wildcard; an exact matcher then takes any host one label under it.
fn dns_matches(matcher: &StringMatcher, name: &str) -> bool {
    if let (Pattern::Exact(host), Some(suffix)) = (&matcher.pattern, name.strip_prefix("*.")) {
        return host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix));
    }
    match &matcher.pattern {
        Pattern::Exact(host) => host.eq_ignore_ascii_case(name),
        _ => matches(matcher, name),
    }
}

fn matches(matcher: &StringMatcher, text: &str) -> bool {
    let fold = |s: &str| if matcher.ignore_case { s.to_ascii_lowercase() } else { s.to_owned() };
    let text = fold(text);
    match &matcher.pattern {
        Pattern::Exact(p) => text == fold(p),
        Pattern::Prefix(p) => text.starts_with(&fold(p)),
        Pattern::Suffix(p) => text.ends_with(&fold(p)),
        Pattern::Contains(p) => text.contains(&fold(p)),
        // A bad regex believes nobody.
        Pattern::Regex(p) => {
            regex::Regex::new(&format!("^(?:{p})$")).is_ok_and(|regex| regex.is_match(&text))
        }
    }
}

fn clean(name: &str) -> Result<String, NamesError> {
    if name.chars().any(char::is_control) { Err(NamesError::Control) } else { Ok(name.to_owned()) }
}

fn ip(bytes: &[u8]) -> Option<std::net::IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        Some(v4.into())
    } else {
        <[u8; 16]>::try_from(bytes).ok().map(Into::into)
    }
}

fn subject(cert: &X509Certificate<'_>) -> String {
    cert.subject().to_string().chars().filter(|c| !c.is_control()).collect()
}

fn sha256_hex(der: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
