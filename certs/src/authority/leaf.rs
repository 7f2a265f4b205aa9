//! One leaf certificate: how it is made, and the check that what was made is what was meant.

use std::net::IpAddr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, string::Ia5String,
};
use rustls_pki_types::CertificateDer;
use weft_model::identity::SpiffeId;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::moment;

/// Whom a leaf names.
pub(super) enum Names<'a> {
    /// A workload, by its SPIFFE ID and nothing else.
    Workload(&'a SpiffeId),
    /// A server, by the names that it is dialled by.
    Server {
        /// DNS names.
        dns_names: &'a [String],
        /// Addresses.
        addresses: &'a [IpAddr],
    },
}

/// What a leaf is to say.
pub(super) struct Leaf<'a> {
    pub(super) names: Names<'a>,
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl Names<'_> {
    pub(super) fn is_workload(&self) -> bool {
        matches!(self, Self::Workload(_))
    }

    fn sans(&self) -> Result<Vec<SanType>, rcgen::Error> {
        Ok(match self {
            Self::Workload(id) => vec![SanType::URI(Ia5String::try_from(id.to_string())?)],
            Self::Server { dns_names, addresses } => {
                let mut sans = Vec::new();
                for name in *dns_names {
                    sans.push(SanType::DnsName(Ia5String::try_from(name.as_str())?));
                }
                sans.extend(addresses.iter().copied().map(SanType::IpAddress));
                sans
            }
        })
    }

    /// Whether a parsed certificate names exactly these, in this order.
    fn are(&self, parsed: &[GeneralName<'_>]) -> bool {
        match self {
            Self::Workload(id) => matches!(parsed, [GeneralName::URI(uri)] if *uri == id.to_string()),
            Self::Server { dns_names, addresses } => {
                let (names, rest) = parsed.split_at(dns_names.len().min(parsed.len()));
                names
                    .iter()
                    .zip(*dns_names)
                    .all(|(name, dns)| matches!(name, GeneralName::DNSName(n) if n == dns))
                    && names.len() == dns_names.len()
                    && rest.len() == addresses.len()
                    && rest.iter().zip(*addresses).all(|(name, address)| match (name, address) {
                        (GeneralName::IPAddress(bytes), IpAddr::V4(v4)) => *bytes == v4.octets(),
                        (GeneralName::IPAddress(bytes), IpAddr::V6(v6)) => *bytes == v6.octets(),
                        _ => false,
                    })
            }
        }
    }
}

/// A number that nobody can guess and no two certificates share: 126 random bits below a fixed top.
pub(super) fn serial() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    // Positive, and always 16 bytes long.
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

impl Leaf<'_> {
    /// Signs the leaf over `key`. Every parameter is set here; nothing is taken from a request.
    pub(super) fn sign(
        &self,
        key: &impl PublicKeyData,
        issuer: &Issuer<'_, KeyPair>,
    ) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.not_before = moment::date(self.not_before);
        params.not_after = moment::date(self.not_after);
        params.serial_number = Some(serial()?);
        // An empty subject, which makes the alternative names critical.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = self.names.sans()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if self.names.is_workload() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, issuer)?.into())
    }

    /// Reads a signed leaf again and names the first thing that is not as it was meant.
    pub(super) fn check(&self, der: &[u8], key: &[u8], issuer: &[u8]) -> Result<(), String> {
        let (rest, leaf) =
            X509Certificate::from_der(der).map_err(|error| format!("it does not parse: {error}"))?;
        let wrong = |what: &str| Err(what.to_owned());
        if !rest.is_empty() {
            return wrong("bytes follow it");
        }
        if leaf.subject.iter().next().is_some() {
            return wrong("its subject is not empty");
        }
        if leaf.issuer.as_raw() != issuer {
            return wrong("its issuer is not the issuing certificate's subject, byte for byte");
        }
        if leaf.public_key().raw != key {
            return wrong("its public key is not the request's");
        }
        let validity = leaf.validity();
        let lifetime = (moment::parsed(validity.not_before), moment::parsed(validity.not_after));
        if lifetime != (self.not_before, self.not_after) {
            return wrong("its validity is another");
        }
        match leaf.subject_alternative_name() {
            Ok(Some(names)) if names.critical && self.names.are(&names.value.general_names) => {}
            _ => return wrong("its names are others, or not critical"),
        }
        match leaf.basic_constraints() {
            Ok(Some(constraints)) if !constraints.value.ca => {}
            _ => return wrong("it does not say that it is no CA"),
        }
        match leaf.extended_key_usage() {
            Ok(Some(usage))
                if usage.value.server_auth
                    && usage.value.client_auth == self.names.is_workload()
                    && !usage.value.any
                    && !usage.value.code_signing
                    && usage.value.other.is_empty() => {}
            _ => return wrong("its extended key usage is another"),
        }
        match leaf.key_usage() {
            // Bit 0 is digitalSignature, bit 2 keyEncipherment.
            Ok(Some(usage)) if usage.critical && usage.value.flags == 0b101 => Ok(()),
            _ => wrong("its key usage is another"),
        }
    }
}
