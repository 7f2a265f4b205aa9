//! AuthorizationPolicy: who may do what.

use super::selector::{Selector, TargetRef};

message! {
    /// Rules for some workloads, a namespace, or the mesh.
    pub struct AuthorizationPolicy {
        pub selector: Option<Selector>,
        pub target_ref: Option<TargetRef>,
        pub target_refs: Vec<TargetRef>,
        /// OR-ed. None matches nothing, so an ALLOW without rules denies all; one empty rule matches everything.
        pub rules: Vec<Rule>,
        pub action: Action,
        pub provider: Option<Provider>,
    }

    /// `from`, `to` and `when` are AND-ed.
    pub struct Rule {
        pub from: Vec<From>,
        pub to: Vec<To>,
        pub when: Vec<Condition>,
    }

    /// One of the sources of a rule.
    pub struct From {
        pub source: Option<Source>,
    }

    /// Who calls: all fields hold, any value of each.
    pub struct Source {
        pub principals: Vec<String>,
        pub not_principals: Vec<String>,
        pub request_principals: Vec<String>,
        pub not_request_principals: Vec<String>,
        pub namespaces: Vec<String>,
        pub not_namespaces: Vec<String>,
        pub service_accounts: Vec<String>,
        pub not_service_accounts: Vec<String>,
        pub ip_blocks: Vec<String>,
        pub not_ip_blocks: Vec<String>,
        pub remote_ip_blocks: Vec<String>,
        pub not_remote_ip_blocks: Vec<String>,
    }

    /// One of the operations of a rule.
    pub struct To {
        pub operation: Option<Operation>,
    }

    /// What is done: all fields hold, any value of each.
    pub struct Operation {
        pub hosts: Vec<String>,
        pub not_hosts: Vec<String>,
        pub ports: Vec<String>,
        pub not_ports: Vec<String>,
        pub methods: Vec<String>,
        pub not_methods: Vec<String>,
        pub paths: Vec<String>,
        pub not_paths: Vec<String>,
    }

    /// A further condition on an attribute.
    pub struct Condition {
        pub key: String,
        pub values: Vec<String>,
        pub not_values: Vec<String>,
    }

    /// The external authorizer of a CUSTOM policy, by its name in MeshConfig.
    pub struct Provider {
        pub name: String,
    }
}

choice! {
    /// What a matching rule does.
    pub enum Action {
        Allow,
        Deny,
        Audit,
        Custom,
    }
}
