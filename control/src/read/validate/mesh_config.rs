//! MeshConfig.

use std::collections::HashSet;

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::mesh_config::{ExtensionProvider, MeshConfig};

/// Checks a MeshConfig that stands at `at`.
pub(in crate::read) fn check(mesh: &MeshConfig, at: &Path<'_>, into: &mut Findings) {
    for (name, port) in [
        ("proxyListenPort", mesh.proxy_listen_port),
        ("proxyInboundListenPort", mesh.proxy_inbound_listen_port),
        ("proxyHttpPort", mesh.proxy_http_port),
    ] {
        if port != 0 {
            super::port::number(u32::try_from(port).unwrap_or(0), &at.key(name), into);
        }
    }
    super::time::at_least_a_millisecond(mesh.connect_timeout, &at.key("connectTimeout"), into);
    if let Some(keepalive) = &mesh.tcp_keepalive {
        super::destination_rule::tcp_keepalive(keepalive, &at.key("tcpKeepalive"), into);
    }
    super::time::millisecond_or_off(
        mesh.protocol_detection_timeout,
        &at.key("protocolDetectionTimeout"),
        into,
    );
    super::time::at_least_a_millisecond(mesh.dns_refresh_rate, &at.key("dnsRefreshRate"), into);
    trust_domain(&mesh.trust_domain, &at.key("trustDomain"), into);
    for (index, alias) in mesh.trust_domain_aliases.iter().enumerate() {
        trust_domain(alias, &at.key("trustDomainAliases").index(index), into);
    }
    for (name, list) in [
        ("defaultServiceExportTo", &mesh.default_service_export_to),
        ("defaultVirtualServiceExportTo", &mesh.default_virtual_service_export_to),
        ("defaultDestinationRuleExportTo", &mesh.default_destination_rule_export_to),
    ] {
        super::host::export_to(list, &at.key(name), into);
    }
    if !mesh.root_namespace.is_empty()
        && let Err(why) = super::names::label(&mesh.root_namespace)
    {
        into.error(&at.key("rootNamespace"), why);
    }
    if let Some(retries) = &mesh.default_http_retry_policy {
        let at = at.key("defaultHttpRetryPolicy");
        super::virtual_service::retries(retries, &at, into);
        if retries.per_try_timeout.is_some() {
            into.error(&at.key("perTryTimeout"), "a mesh's default has no perTryTimeout");
        }
    }
    let mut seen = HashSet::new();
    for (index, provider) in mesh.extension_providers.iter().enumerate() {
        let list = at.key("extensionProviders");
        let at = list.index(index);
        if provider.name.is_empty() {
            into.error(&at, "`name` is missing");
        } else if !seen.insert(&provider.name) {
            into.error(
                &at.key("name"),
                format!("the provider {:?} stands here a second time", provider.name),
            );
        }
        let labels = provider.envoy_file_access_log.iter().filter_map(|file| file.log_format.as_ref());
        for (label, value) in labels.filter_map(|format| format.labels.as_ref()).flatten() {
            if value.is_object() || value.is_array() {
                let file = at.key("envoyFileAccessLog");
                let format = file.key("logFormat");
                into.warning(
                    &format.key("labels").key(label),
                    "weft writes a flat object: what is nested here becomes one string",
                );
            }
        }
        match kinds(provider) {
            1 => {}
            0 => into.error(&at, "a provider needs its kind beside its name, such as envoyFileAccessLog"),
            _ => into.error(&at, "a provider is of one kind"),
        }
    }
}

fn kinds(provider: &ExtensionProvider) -> usize {
    [
        provider.envoy_ext_authz_http.is_some(),
        provider.envoy_ext_authz_grpc.is_some(),
        provider.zipkin.is_some(),
        provider.lightstep.is_some(),
        provider.datadog.is_some(),
        provider.stackdriver.is_some(),
        provider.opencensus.is_some(),
        provider.skywalking.is_some(),
        provider.opentelemetry.is_some(),
        provider.prometheus.is_some(),
        provider.envoy_file_access_log.is_some(),
        provider.envoy_http_als.is_some(),
        provider.envoy_tcp_als.is_some(),
        provider.envoy_otel_als.is_some(),
        provider.sds.is_some(),
    ]
    .iter()
    .filter(|given| **given)
    .count()
}

fn trust_domain(domain: &str, at: &Path<'_>, into: &mut Findings) {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if domain.len() > 255 || !domain.bytes().all(good) {
        into.error(at, format!("{domain:?} is not a trust domain: a-z, 0-9, -, _ and ."));
    }
}
