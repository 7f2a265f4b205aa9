//! A socket that takes no connections any more is had anew.

use std::net::{Shutdown, SocketAddr};
use std::os::fd::RawFd;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::Socket;
use tokio::net::TcpStream;
use weft_testkit::app::Switched;
use weft_testkit::eventually;

use super::*;

/// The socket of this process that listens at `address`.
fn listening_at(address: SocketAddr) -> Socket {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let number: RawFd = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some(Socket::from(pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()?))
    });
    let is_it = |socket: &Socket| {
        let at = socket.local_addr().ok().and_then(|at| at.as_socket());
        at == Some(address) && socket.is_listener().unwrap_or(false)
    };
    open.into_iter().find(is_it).expect("somebody listens there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_whose_socket_breaks_is_opened_anew() {
    let app = Switched::new().await;
    let way = Way::to(&[app.address], |_| {}).await;
    let mut before = way.client().await;
    before.send(GET).await;
    before.response().await;
    listening_at(way.at).shutdown(Shutdown::Both).unwrap();
    eventually("it listens again", async || TcpStream::connect(way.at).await.is_ok()).await;
    for client in [&mut before, &mut way.client().await] {
        client.send(GET).await;
        assert_eq!(client.response().await.1, app.address.to_string());
    }
}
