use super::*;

fn variables(of: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    of.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn tools_are_the_shells_and_what_the_pod_says_holds() {
    let shell = variables(&[("PATH", "/bin"), ("CARGO_HOME", "/c"), ("DB_URL", "dev"), ("LOG", "debug")]);
    let own = variables(&[("DB_URL", "db:5432"), ("PORT", "8000")]);
    let all = around(shell, own);
    let expected =
        [("PATH", "/bin"), ("CARGO_HOME", "/c"), ("LOG", "debug"), ("DB_URL", "db:5432"), ("PORT", "8000")];
    assert_eq!(all, variables(&expected));
}

#[test]
fn the_shells_proxies_lead_nobody_around_the_sidecar_however_they_are_written() {
    let office = "http://proxy.office.example:3128";
    let shell = variables(&[
        ("http_proxy", office),
        ("HTTPS_PROXY", office),
        ("All_Proxy", "socks5://127.0.0.1:1080"),
        ("NO_PROXY", "localhost"),
        ("grpc_proxy", office),
        ("MY_PROXY_NAME", "mine"),
    ]);
    let own = variables(&[("http_proxy", "http://127.64.1.2:15007")]);
    let expected = [("MY_PROXY_NAME", "mine"), ("http_proxy", "http://127.64.1.2:15007")];
    assert_eq!(around(shell, own), variables(&expected));
}
