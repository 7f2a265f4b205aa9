//! RequestAuthentication: which tokens (JWT) a workload takes.

use super::duration::Span;
use super::selector::{Selector, TargetRef};

message! {
    /// Issuers of tokens for some workloads, a namespace, or the mesh.
    pub struct RequestAuthentication {
        pub selector: Option<Selector>,
        pub target_ref: Option<TargetRef>,
        pub target_refs: Vec<TargetRef>,
        pub jwt_rules: Vec<JwtRule>,
    }

    /// One issuer, its keys, and where its tokens stand.
    pub struct JwtRule {
        pub issuer: String,
        pub audiences: Vec<String>,
        #[serde(alias = "jwks_uri")]
        pub jwks_uri: String,
        pub jwks: String,
        pub from_headers: Vec<JwtHeader>,
        pub from_params: Vec<String>,
        pub from_cookies: Vec<String>,
        pub output_payload_to_header: String,
        pub forward_original_token: bool,
        pub output_claim_to_headers: Vec<ClaimToHeader>,
        pub timeout: Option<Span>,
        pub space_delimited_claims: Vec<String>,
    }

    /// A header that carries a token after a prefix.
    pub struct JwtHeader {
        pub name: String,
        pub prefix: String,
    }

    /// A header that a claim is copied into.
    pub struct ClaimToHeader {
        pub header: String,
        pub claim: String,
    }
}
