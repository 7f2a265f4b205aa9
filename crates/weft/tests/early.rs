//! A sidecar whose control plane never comes: what the kernel hands to it is held for the stated time and then refused, in
//! words. Needs root.

#[path = "meshes/space.rs"]
mod space;

use space::{Running, Space};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

const STATED: Duration = Duration::from_secs(3);

#[test]
fn without_any_configuration_a_connection_is_held_for_the_stated_time_and_then_refused_in_words() {
    let Some(space) = Space::new() else { return };
    let variables = [
        "POD_NAME=early-1",
        "POD_NAMESPACE=shop",
        "INSTANCE_IP=127.0.0.1",
        "XDS_ADDR=127.0.0.1:1",
        "ISTIO_META_INTERCEPTION_MODE=REDIRECT",
        "WEFT_STARTUP_HOLD=3s",
    ];
    let words = [&["env"], &variables[..], &[env!("CARGO_BIN_EXE_weft"), "proxy", "sidecar"]].concat();
    let mut command = space.command(&words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut sidecar = Running(command.spawn().unwrap());
    let mut said = BufReader::new(sidecar.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    // Until the port is there; then to the connection's end.
    let connects = "until exec 3<>/dev/tcp/127.0.0.1/15006; do sleep 0.05; done 2>/dev/null; cat <&3";
    let began = Instant::now();
    let client = space.run(&["timeout", "60", "bash", "-c", connects]);
    assert!(
        client.status.success() && client.stdout.is_empty(),
        "it is closed, and nothing was said: {client:?}"
    );
    assert!(began.elapsed() >= STATED, "{:?}", began.elapsed());
    let line = said.find(|line| line.contains("connection refused")).expect("the log says so");
    assert!(line.contains("this sidecar has not started within 3s; is the control plane up?"), "{line}");
}
