//! The binary's own processes: they end with the process that started them, and leave nothing behind.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

fn weft(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "process {} lives on", child.id());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_stand_in_serves_and_ends_when_its_parent_is_gone() {
    let address = format!("127.0.0.1:{}", port());
    let mut app = weft(&["--parent-pipe", "stand-in", "--listen", &format!("http={address}"), "--pod", "p"]);
    let deadline = Instant::now() + LIMIT;
    let mut stream = loop {
        match TcpStream::connect(&address) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"pod\": \"p\""), "{answer}");
    drop(app.stdin.take());
    assert!(ended(&mut app).success());
}

#[test]
fn a_wrapped_command_ends_with_its_parent_and_so_do_its_children() {
    let mut wrapper = weft(&["--parent-pipe", "child", "--", "/bin/sh", "-c", "sleep 300 & echo $!; wait"]);
    let mut line = String::new();
    BufReader::new(wrapper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let grandchild = format!("/proc/{}", line.trim());
    assert!(std::path::Path::new(&grandchild).exists());
    drop(wrapper.stdin.take());
    ended(&mut wrapper);
    let deadline = Instant::now() + LIMIT;
    let alive =
        || std::fs::read_to_string(format!("{grandchild}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while alive() {
        assert!(Instant::now() < deadline, "{grandchild} lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_wrapped_command_gives_its_own_status() {
    let mut wrapper = weft(&["child", "--", "/bin/sh", "-c", "exit 42"]);
    assert_eq!(ended(&mut wrapper).code(), Some(42));
}

#[test]
fn a_sidecar_one_of_whose_own_ports_is_taken_says_by_whom() {
    // Addresses of this test's own.
    let [high, low] = std::process::id().to_be_bytes()[2..] else { unreachable!() };
    let at = |last: u8| format!("127.{}.{low}.{last}", 96 | high >> 3);
    // Admin, readiness, metrics.
    for (nth, port, is_own) in [(1, 15000, true), (2, 15021, false), (3, 15090, false)] {
        let (localhost, address) = (at(2 * nth), at(2 * nth + 1));
        let taken = format!("{}:{port}", if is_own { &localhost } else { &address });
        let _holder = TcpListener::bind(&taken).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(["proxy", "sidecar"])
            .env_clear()
            .envs([
                ("POD_NAME", "web-1"),
                ("POD_NAMESPACE", "shop"),
                ("INSTANCE_IP", &address),
                ("WEFT_LOCALHOST", &localhost),
                ("ISTIO_META_INTERCEPTION_MODE", "NONE"),
                ("XDS_ADDR", "127.0.0.1:1"),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        let wanted = format!("cannot listen on {taken}: process {} (", std::process::id());
        assert!(said.contains(&wanted) && said.contains("listens there already"), "{said}");
    }
}
