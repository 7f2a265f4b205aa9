use super::*;
use crate::admin::Retries;

fn endpoint(health: Option<&str>, ejected_seconds: Option<f64>) -> Endpoint {
    Endpoint {
        cluster: "outbound|80|v1|b.shop.svc.cluster.local".into(),
        address: "127.64.2.1:80".into(),
        health: health.map(str::to_owned),
        ejected_seconds,
        ..Endpoint::default()
    }
}

fn sidecar(endpoints: Vec<Endpoint>) -> Sidecar {
    Sidecar { endpoints, ..Sidecar::default() }
}

fn lines(of: &[(&str, Sidecar)]) -> Vec<String> {
    let plan = Plan::default();
    let mut notes = Notes::new(&plan);
    of.iter().for_each(|(name, sidecar)| notes.add(name, sidecar));
    notes.lines().collect()
}

#[test]
fn who_gets_nothing_or_comes_last_is_named_with_the_reason() {
    let seen = sidecar(vec![
        endpoint(None, None),
        endpoint(Some("failed"), None),
        endpoint(Some("degraded"), None),
        endpoint(None, Some(2.04)),
    ]);
    assert_eq!(
        lines(&[("web-1", seen)]),
        [
            "127.64.2.1:80 of b.shop:80 subset v1 fails its health checks and gets no requests (weft.dev/health-check), for web-1",
            "127.64.2.1:80 of b.shop:80 subset v1 is ejected for 2.0 s more (outlierDetection), for web-1",
            "127.64.2.1:80 of b.shop:80 subset v1 says that it is degraded and gets what others cannot take (weft.dev/health-check), for web-1",
        ]
    );
}

#[test]
fn what_several_see_is_one_line_that_lasts_as_long_as_the_longest() {
    let out = |left| sidecar(vec![endpoint(None, Some(left))]);
    let all = [("a", out(1.0)), ("b", out(3.0)), ("c", out(2.0)), ("d", out(0.5))];
    let line = |by: &str, left: &str| {
        [format!(
            "127.64.2.1:80 of b.shop:80 subset v1 is ejected for {left} s more (outlierDetection), for {by}"
        )]
    };
    assert_eq!(lines(&all[..2]), line("a and b", "3.0"));
    assert_eq!(lines(&all), line("a, b and 2 more", "3.0"));
}

#[test]
fn who_is_used_though_it_is_not_well_is_not_said_to_get_nothing() {
    let mut panics = sidecar(vec![endpoint(Some("failed"), None)]);
    panics.panics = vec![panics.endpoints[0].cluster.clone()];
    assert_eq!(
        lines(&[("web-1", panics)]),
        [
            "127.64.2.1:80 of b.shop:80 subset v1 fails its health checks, and gets requests all the same (weft.dev/health-check), for web-1",
            "too few endpoints of b.shop:80 subset v1 were well when one was picked last, so all are used (outlierDetection.minHealthPercent), for web-1",
        ]
    );
}

#[test]
fn retries_are_each_sidecars_own() {
    let again = |n| Sidecar { retries: Retries { total: n + 1, after_the_app: n }, ..Sidecar::default() };
    let of = [("a", again(2)), ("b", again(0)), ("c", again(2))];
    let line = |name: &str| {
        format!(
            "{name}: 2 requests were tried again that an app may have seen before (by retries of its routes, or weft's own)"
        )
    };
    assert_eq!(lines(&of), [line("a"), line("c")]);
}
