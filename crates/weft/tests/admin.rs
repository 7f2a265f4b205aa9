//! The pages of a sidecar that people and their tools look at, where Envoy has them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "meshes/home.rs"]
mod meshes;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use meshes::{Home, LIMIT, STRICT, app, text, until};

/// The status and the body of a page of web's sidecar.
fn ask(address: &str, method: &str, page: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "{method} {page} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

#[test]
fn a_sidecars_pages_tell_and_set_what_envoys_do_and_are_its_pods_alone() {
    let home = Home::new(&[STRICT, &app("web", 8000), &app("api", 8000)].concat());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let status: serde_json::Value =
        serde_json::from_slice(&home.output(&["status", "--output", "json"]).stdout).unwrap();
    let web = status["pods"].as_array().unwrap().iter().find(|pod| pod["workload"] == "web").unwrap();
    let (address, own) = (web["address"].as_str().unwrap(), web["localhost"].as_str().unwrap());
    let admin = format!("{own}:15000");
    let get = |page: &str| {
        let (status, body) = ask(&admin, "GET", page);
        assert_eq!(status, "200", "{page}: {body}");
        body
    };
    assert!(home.output(&["curl", "--from", "web", "-s", "http://api/"]).status.success());

    assert_eq!(get("/ready"), "LIVE\n");
    let endpoint = format!("outbound|80||api.shop.svc.cluster.local::{}:8000::", home.address("api-1"));
    let clusters = get("/clusters");
    for told in ["rq_total::1", "rq_active::0", "cx_connect_fail::0", "weight::1", "health_flags::healthy"] {
        assert!(clusters.contains(&format!("{endpoint}{told}\n")), "{endpoint}{told} is not in {clusters}");
    }
    assert!(get("/listeners").lines().any(|line| line.ends_with(&format!("::{own}:15007"))));
    let dump: serde_json::Value = serde_json::from_str(&get("/config_dump")).unwrap();
    assert!(dump["configs"].as_array().is_some_and(|sections| sections.len() > 3), "{dump:#}");
    until("the request is not counted", || get("/stats").contains("istio_requests_total{"));
    let scraped = ask(&format!("{address}:15090"), "GET", "/stats/prometheus");
    assert!(scraped.0 == "200" && scraped.1.contains("destination_service_name=\"api\""), "{scraped:?}");

    // Levels are changed by POST alone, and by no word that is none.
    let before = get("/logging");
    let (status, _) = ask(&admin, "POST", "/logging?level=loud");
    assert_eq!((status.as_str(), get("/logging")), ("400", before.clone()));
    assert_eq!(get("/logging?level=trace"), before);
    assert_eq!(ask(&admin, "POST", "/logging?level=debug"), ("200".to_owned(), "debug\n".to_owned()));
    assert_eq!(get("/logging"), "debug\n");

    // They are the pod's own: at its address nobody finds them.
    assert!(TcpStream::connect((address, 15000)).is_err(), "{address}:15000 is open to others");
    up.signal("INT");
    assert!(up.ended().success());
}
