//! `weft wait`, as a hook of a sidecar's container runs it: over when the sidecar is ready, and an error when it never is.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

/// Answers the first so many times that it is not ready, then that it is.
fn sidecar(unready: usize) -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/healthz/ready", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in server.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            assert!(head[..length].starts_with(b"GET /healthz/ready HTTP/1.1\r\n"));
            let (status, body) = if number < unready { ("503 No", "starting") } else { ("200 OK", "") };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

fn wait(url: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weft")).args(["wait", "--url", url]).args(more).output().unwrap()
}

#[test]
fn it_waits_until_the_sidecar_is_ready() {
    let output = wait(&sidecar(3), &["--periodMillis", "10"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_sidecar_that_is_never_ready_is_given_up_in_words() {
    let output = wait(&sidecar(usize::MAX), &["--periodMillis=10", "--timeoutSeconds=1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("is not ready within 1s") && said.contains("503") && said.contains("starting"),
        "{said}"
    );
    let nobody = wait("http://127.0.0.1:1/", &["--periodMillis=10", "--timeoutSeconds=0"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("cannot connect to 127.0.0.1:1"), "{nobody:?}");
}
