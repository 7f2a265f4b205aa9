//! Routes that take nothing, and subsets that some callers have.

fn said(yaml: &str) -> Vec<String> {
    super::said(&format!("{DB}{yaml}"))
}

const DB: &str = "apiVersion: v1
kind: Service
metadata: {name: database, namespace: shop}
spec: {selector: {app: web}, ports: [{name: tcp-sql, port: 5432, targetPort: 8000}]}
---
";

fn routes(hosts: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v, namespace: shop}}\nspec: {{hosts: [{hosts}], {spec}}}\n---\n"
    )
}

const TO_WEB: &str = "route: [{destination: {host: web}}]";

#[test]
fn routes_of_a_protocol_that_no_port_of_the_host_speaks_are_named() {
    let told = |host: &str, spec: &str| said(&routes(host, spec));
    let hint = "a port's name (http-..., tcp-...) or appProtocol says what it is";
    assert_eq!(
        told("database", &format!("http: [{{{TO_WEB}}}]")),
        [format!(
            "spec.http: database has no port of HTTP: these routes take nothing; its ports are 5432 (TCP); {hint}"
        )]
    );
    assert_eq!(
        told("web", &format!("tcp: [{{{TO_WEB}}}]")),
        [format!(
            "spec.tcp: web has no port of TCP: these routes take nothing; its ports are 80 (HTTP); {hint}"
        )]
    );
    assert_eq!(told("database", &format!("tcp: [{{{TO_WEB}}}]")), [""; 0]);
    assert_eq!(told("web", &format!("http: [{{{TO_WEB}}}]")), [""; 0]);
    assert_eq!(told("web, database", &format!("http: [{{{TO_WEB}}}], tcp: [{{{TO_WEB}}}]")), [""; 0]);
    let tls = told("web", &format!("tls: [{{match: [{{sniHosts: [web]}}], {TO_WEB}}}]"));
    assert!(tls.len() == 1 && tls[0].starts_with("spec.tls: web has no port of TLS"), "{tls:?}");
}

#[test]
fn a_match_for_a_port_that_the_host_has_not_is_named() {
    let told =
        said(&routes("database", &format!("tcp: [{{match: [{{port: 5432}}, {{port: 3306}}], {TO_WEB}}}]")));
    assert_eq!(
        told,
        [
            "spec.tcp[0].match[1].port: database does not expose port 3306: this match takes nothing; its ports are 5432 (TCP)"
        ]
    );
    let both = "web, database";
    let told = said(&routes(both, &format!("http: [{{match: [{{port: 5432}}, {{port: 80}}], {TO_WEB}}}]")));
    assert_eq!(
        told,
        [
            "spec.http[0].match[0].port: port 5432 of web, database is none of HTTP: this match takes nothing; its ports are 80 (HTTP), 5432 (TCP)"
        ]
    );
}

#[test]
fn a_host_that_is_nearly_a_service_is_named_and_one_that_is_none_is_not() {
    let told = |host: &str| said(&routes(host, &format!("http: [{{{TO_WEB}}}]")));
    for (host, named, meant) in [
        ("databse", "databse.shop.svc.cluster.local", "database"),
        ("database.shop", "database.shop", "database.shop.svc.cluster.local"),
    ] {
        assert_eq!(
            told(host),
            [format!(
                "spec.hosts[0]: no service that namespace shop sees is {named}: for no service these routes hold; did you mean {meant}?"
            )]
        );
    }
    for virtual_host in ["payments", "web.example.com", "example.com", "'*.example.com'"] {
        assert_eq!(told(virtual_host), [""; 0], "{virtual_host}");
    }
}

#[test]
fn a_subset_that_only_some_callers_have_is_told_for_the_others() {
    let rule = |name: &str, more: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web, {more}}}\n---\n"
        )
    };
    let v1 = "subsets: [{name: v1, labels: {version: v1}}]";
    let some = rule("some", &format!("{v1}, workloadSelector: {{matchLabels: {{app: web}}}}"));
    let to = |matches: &str| {
        routes("web", &format!("http: [{{{matches}route: [{{destination: {{host: web, subset: v1}}}}]}}]"))
    };
    assert_eq!(
        said(&(to("") + &some)),
        [
            "spec.http[0].route[0].destination.subset: for workloads other than those with app=web, no DestinationRule of web has a subset \"v1\": requests fail with 503; the DestinationRule that has it is for those alone (workloadSelector)"
        ]
    );
    assert_eq!(said(&(to("match: [{sourceLabels: {app: web}}], ") + &some)), [""; 0]);
    assert_eq!(said(&(to("") + &rule("all", v1))), [""; 0]);
    let without = rule(
        "some",
        "trafficPolicy: {loadBalancer: {simple: RANDOM}}, workloadSelector: {matchLabels: {app: web}}",
    );
    let told = said(
        &(to("")
            + &rule("all", &format!("{v1}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}"))
            + &without),
    );
    assert!(
        told.len() == 1 && told[0].contains("for workloads with app=web, no DestinationRule of web has"),
        "{told:?}"
    );
}
