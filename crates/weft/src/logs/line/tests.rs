use super::super::request::Join;
use super::super::sample::{entry, names};
use super::*;

fn line(lines: &[(&str, String)]) -> String {
    let mut join = Join::new(names());
    lines.iter().for_each(|(owner, line)| assert!(join.add(owner, line), "{line}"));
    let requests = join.take_but(0);
    assert_eq!(requests.len(), 1);
    Lines::new(false).line(&requests[0])
}

fn denied() -> [(&'static str, String); 2] {
    let callee = entry("destination", "r", 1, 403)
        .replace("\"-\"", "\"UAEX\"")
        .replace("\"via_upstream\"", "\"rbac_access_denied_matched_policy[none]\"")
        .replace("\"reason\":null", "\"reason\":\"denied by ns[shop]-policy[no]-rule[0]; the caller is x\"");
    [("web-1", entry("source", "r", 0, 403)), ("api-1", callee)]
}

#[test]
fn a_request_is_one_line_that_names_both_ends() {
    let callee = entry("destination", "r", 1, 200)
        .replace("\"policy\":null", "\"policy\":\"ns[shop]-policy[api]-rule[1]\"");
    assert_eq!(
        line(&[("web-1", entry("source", "r", 0, 200)), ("api-1", callee)]),
        "12:00:00.000  web-1 -> api-1  GET /x  200       7 ms  allowed by AuthorizationPolicy shop/api rule 1"
    );
}

#[test]
fn a_denial_says_who_denied_and_why() {
    assert_eq!(
        line(&denied()),
        "12:00:00.000  web-1 -> api-1  GET /x  403       7 ms  denied by the sidecar of api-1: denied by AuthorizationPolicy shop/no rule 0; the caller is x"
    );
}

#[test]
fn a_failure_is_the_apps_or_a_sidecars() {
    assert!(line(&[("web-1", entry("source", "r", 0, 500))]).ends_with("the app of api-1 answered so"));
    let refused = entry("source", "r", 0, 503)
        .replace("\"-\"", "\"UF,URX\"")
        .replace("via_upstream", "upstream_reset_before_response_started{connection_failure}")
        .replace("\"attempts\":1", "\"attempts\":3");
    assert!(
        line(&[("web-1", refused)]).ends_with(
            "failed at the sidecar of web-1: no connection to the upstream could be made; 3 tries"
        )
    );
}

#[test]
fn an_answer_that_its_client_had_and_tried_again_is_the_apps() {
    let dropped = entry("destination", "r", 1, 500)
        .replace("\"-\"", "\"DC\"")
        .replace("via_upstream", "downstream_remote_disconnect")
        .replace("\"reason\":null", "\"reason\":\"the client went away within its answer\"");
    let last = entry("source", "r", 0, 500).replace("\"attempts\":1", "\"attempts\":3");
    let both = line(&[("web-1", last), ("api-1", dropped.clone())]);
    assert!(both.ends_with("the app of api-1 answered so; 3 tries"), "{both}");
    let alone = line(&[("api-1", dropped)]);
    assert!(alone.ends_with("the client went away within its answer"), "{alone}");
}

#[test]
fn a_sidecars_own_answer_is_its_own_though_its_client_did_not_wait_for_it() {
    let [caller, (owner, callee)] = denied();
    let told = line(&[caller, (owner, callee.replace("\"UAEX\"", "\"UAEX,DC\""))]);
    assert!(told.contains("denied by the sidecar of api-1: "), "{told}");
}

#[test]
fn what_no_app_asked_its_sidecar_for_says_what_it_is() {
    let plain = entry("destination", "r", 1, 200);
    let shown = |entry: &str| line(&[("api-1", entry.to_owned())]);
    assert!(shown(&plain).contains("  GET /x  200  "), "{}", shown(&plain));
    let app = plain.replace("\"method\"", "\"user_agent\":\"weft/health\",\"method\"");
    let check = app.replace("\"source_workload\":\"web-1\"", "\"source_workload\":null");
    assert!(shown(&check).contains("  GET /x (a health check)  200  "), "{}", shown(&check));
    // Whose sidecar says whose it is, is an app; and what was denied is whatever its sender calls it.
    assert!(shown(&app).contains("  GET /x  200  "), "{}", shown(&app));
    for denied in
        [check.replace(":200,", ":403,"), check.replace("\"grpc_status\":null", "\"grpc_status\":7")]
    {
        assert!(shown(&denied).contains("  GET /x  "), "{}", shown(&denied));
    }
    // A service may be called as Envoy calls copies.
    let shadow = plain.replace("\"authority\":\"api\"", "\"authority\":\"api-shadow\"");
    assert!(shown(&shadow).contains("  GET /x  200  "), "{}", shown(&shadow));
}

#[test]
fn what_a_sidecar_refused_says_why() {
    for code in [400, 431] {
        let refused = entry("source", "r", 0, code)
            .replace("\"-\"", "\"DPE\"")
            .replace("via_upstream", "http1.codec_error")
            .replace("\"reason\":null", "\"reason\":\"the head is no head\"");
        let line = line(&[("web-1", refused)]);
        assert!(line.contains(&format!("  {code}  ")), "{line}");
        assert!(line.ends_with("  at the sidecar of web-1: the head is no head"), "{line}");
    }
    let far = entry("destination", "r", 1, 400)
        .replace("via_upstream", "path_normalization_failed")
        .replace("\"reason\":null", "\"reason\":\"the path has no meaning\"");
    let line = line(&[("web-1", entry("source", "r", 0, 400)), ("api-1", far)]);
    assert!(line.ends_with("  at the sidecar of api-1: the path has no meaning"), "{line}");
}

#[test]
fn what_was_broken_off_says_why_and_not_who_allowed_it() {
    let bad = entry("source", "r", 0, 0)
        .replace("\"-\"", "\"DPE\"")
        .replace("via_upstream", "http1.codec_error")
        .replace("\"reason\":null", "\"reason\":\"the body cannot be read: a chunk has no size\"");
    let gone = entry("destination", "r", 1, 0)
        .replace("\"-\"", "\"DC\"")
        .replace("via_upstream", "downstream_remote_disconnect")
        .replace("\"reason\":null", "\"reason\":\"the client went away\"")
        .replace("\"policy\":null", "\"policy\":\"ns[shop]-policy[api]-rule[1]\"");
    let both = line(&[("web-1", bad), ("api-1", gone.clone())]);
    assert!(both.contains("  ---  "), "{both}");
    assert!(
        both.ends_with("  at the sidecar of web-1: the body cannot be read: a chunk has no size"),
        "{both}"
    );
    let alone = line(&[("api-1", gone)]);
    assert!(alone.ends_with("  at the sidecar of api-1: the client went away"), "{alone}");
}

#[test]
fn what_a_route_did_on_purpose_is_told_though_nothing_failed() {
    let late = entry("source", "r", 0, 200)
        .replace("\"-\"", "\"DI\"")
        .replace("\"reason\":null", "\"reason\":\"route \\\"slow\\\" held this up for 2s on purpose\"");
    let late = line(&[("web-1", late), ("api-1", entry("destination", "r", 1, 200))]);
    assert!(
        late.ends_with("  at the sidecar of web-1: route \"slow\" held this up for 2s on purpose"),
        "{late}"
    );
    let moved = entry("source", "r", 0, 301)
        .replace("via_upstream", "direct_response")
        .replace("\"reason\":null", "\"reason\":\"redirected by route \\\"old\\\"\"");
    let moved = line(&[("web-1", moved)]);
    assert!(moved.ends_with("  at the sidecar of web-1: redirected by route \"old\""), "{moved}");
}

#[test]
fn whoever_got_an_error_is_told_whose_doing_it_was() {
    let told = |lines: &[(&str, String)]| {
        let mut join = Join::new(names());
        lines.iter().for_each(|(owner, line)| assert!(join.add(owner, line), "{line}"));
        why_an_error(&join.take_but(0)[0]).unwrap()
    };
    assert_eq!(
        told(&denied()),
        "denied by the sidecar of api-1: denied by AuthorizationPolicy shop/no rule 0; the caller is x"
    );
    let callee = entry("destination", "r", 1, 404)
        .replace("\"policy\":null", "\"policy\":\"ns[shop]-policy[api]-rule[1]\"");
    let caller = ("web-1", entry("source", "r", 0, 404));
    assert_eq!(told(&[caller.clone(), ("api-1", callee)]), "the app of api-1 answered so");
    assert_eq!(told(&[caller]), "api-1 answered so", "without its sidecar's word nobody knows who in it");
    let nowhere = entry("source", "r", 0, 404)
        .replace("via_upstream", "route_not_found")
        .replace("\"reason\":null", "\"reason\":\"no route leads there\"");
    assert_eq!(told(&[("web-1", nowhere)]), "at the sidecar of web-1: no route leads there");
}

#[test]
fn an_apps_own_refusal_needs_no_words() {
    let line = line(&[("web-1", entry("source", "r", 0, 404))]);
    assert!(line.ends_with("  404       7 ms"), "{line}");
}

#[test]
fn columns_are_as_wide_as_the_widest_of_what_is_shown_together() {
    let mut join = Join::new(names());
    join.add("web-1", &entry("source", "r", 0, 200));
    join.add("web-1", &entry("source", "s", 1, 200).replace("\"/x\"", "\"/a/longer/path\""));
    let requests = join.take_but(0);
    let mut lines = Lines::new(false);
    lines.make_room(&requests);
    let at = requests.iter().map(|request| lines.line(request).find("  200  ").unwrap()).collect::<Vec<_>>();
    assert_eq!(at[0], at[1]);
}

#[test]
fn a_path_cannot_write_to_the_terminal() {
    let hostile = entry("source", "r", 0, 200).replace("\"/x\"", r#""/\u001b[2J\n""#);
    let line = line(&[("web-1", hostile)]);
    assert!(line.contains(r"/\u{1b}[2J\n") && !line.chars().any(char::is_control), "{line}");
}

#[test]
fn colour_is_for_terminals_alone() {
    let mut join = Join::new(names());
    denied().iter().for_each(|(owner, line)| assert!(join.add(owner, line)));
    let requests = join.take_but(0);
    assert!(Lines::new(true).line(&requests[0]).contains("\x1b[1;31m403\x1b[0m"));
    assert!(!Lines::new(false).line(&requests[0]).contains('\x1b'));
}

#[test]
fn a_tcp_connection_says_how_much_went_through() {
    let tcp = entry("source", "r", 0, 0)
        .replace("\"method\":\"GET\"", "\"method\":null")
        .replace("\"protocol\":\"HTTP/1.1\"", "\"protocol\":\"-\"")
        .replace("127.64.1.2:15007", "127.64.1.10:5432");
    assert!(line(&[("web-1", tcp)]).contains("TCP :5432, 5 B sent, 9 B received   ok"));
}
