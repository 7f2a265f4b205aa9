//! Gateway: which ports and hosts an ingress or egress proxy serves.

use std::collections::BTreeMap;

message! {
    /// The servers of the gateway proxies that `selector` selects.
    pub struct Gateway {
        pub servers: Vec<Server>,
        pub selector: BTreeMap<String, String>,
    }

    /// One port and the hosts on it.
    pub struct Server {
        pub port: Option<Port>,
        pub bind: String,
        pub hosts: Vec<String>,
        pub tls: Option<ServerTls>,
        pub default_endpoint: String,
        pub name: String,
    }

    /// A port, what is spoken on it, and what it is called.
    pub struct Port {
        pub number: u32,
        pub protocol: String,
        pub name: String,
        pub target_port: u32,
    }

    /// TLS as a server.
    pub struct ServerTls {
        pub https_redirect: bool,
        pub mode: ServerTlsMode,
        pub server_certificate: String,
        pub private_key: String,
        pub ca_certificates: String,
        pub ca_crl: String,
        pub credential_name: String,
        pub credential_names: Vec<String>,
        pub ca_cert_credential_name: String,
        pub tls_certificates: Vec<TlsCertificate>,
        pub subject_alt_names: Vec<String>,
        pub verify_certificate_spki: Vec<String>,
        pub verify_certificate_hash: Vec<String>,
        pub min_protocol_version: TlsVersion,
        pub max_protocol_version: TlsVersion,
        pub cipher_suites: Vec<String>,
    }

    /// A certificate and its key, as files.
    pub struct TlsCertificate {
        pub server_certificate: String,
        pub private_key: String,
        pub ca_certificates: String,
    }
}

choice! {
    /// What is asked of a client.
    pub enum ServerTlsMode {
        Passthrough,
        Simple,
        Mutual,
        AutoPassthrough,
        IstioMutual,
        OptionalMutual,
    }

    /// A version of TLS.
    pub enum TlsVersion {
        Auto = "TLS_AUTO",
        V1_0 = "TLSV1_0",
        V1_1 = "TLSV1_1",
        V1_2 = "TLSV1_2",
        V1_3 = "TLSV1_3",
    }
}
