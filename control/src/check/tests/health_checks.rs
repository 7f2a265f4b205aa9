//! Health checks that no port understands.

use super::{WEB, found_in};

#[test]
fn a_health_check_that_no_port_understands_is_named() {
    let told = |checks: &str, port: &str| {
        let web = WEB
            .replace("metadata: {name: web, namespace: shop}\nspec: {selector", &format!("metadata: {{name: web, namespace: shop, annotations: {{weft.dev/health-check: {checks}}}}}\nspec: {{selector"))
            .replace("{name: http, port: 80", &format!("{{name: {port}, port: 80"));
        found_in(&web)
    };
    let nobody =
        "metadata.annotations[\"weft.dev/health-check\"]: no port speaks what is asked in: nobody is checked";
    for (checks, port, asked) in [
        ("protocol=http", "http", true),
        ("protocol=http", "http2", true),
        ("protocol=http", "guess", true),
        ("protocol=http", "grpc", false),
        ("protocol=http", "tcp", false),
        ("protocol=grpc", "grpc", true),
        ("protocol=grpc", "http2", true),
        ("protocol=grpc", "http", false),
        ("protocol=grpc", "guess", false),
        ("protocol=tcp", "tcp", true),
        ("protocol=tcp", "https", true),
    ] {
        let expected: &[&str] = if asked { &[] } else { &[nobody] };
        assert_eq!(told(checks, port), expected, "{checks} {port}");
    }
}
