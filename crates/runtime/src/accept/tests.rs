use std::io::Write;

use tokio::io::AsyncReadExt;

use super::*;
use crate::listen::{ListenSettings, listen};

const PATIENCE: Duration = Duration::from_secs(20);

fn acceptor() -> Acceptor {
    Acceptor::new(listen("127.0.0.1:0".parse().unwrap(), ListenSettings::default()).unwrap()).unwrap()
}

#[tokio::test]
async fn accepted_sockets_work_on_another_runtime() {
    let mut acceptor = acceptor();
    let mut client = TcpStream::connect(acceptor.local_addr().unwrap()).unwrap();
    let (server, peer) = tokio::time::timeout(PATIENCE, acceptor.accept()).await.unwrap().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert!(server.nodelay().unwrap());
    client.write_all(b"hello").unwrap();
    drop(client);
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut heard = String::new();
            tokio::net::TcpStream::from_std(server).unwrap().read_to_string(&mut heard).await.unwrap();
            heard
        })
    });
    assert_eq!(other.join().unwrap(), "hello");
}

#[tokio::test]
async fn several_waiting_connections_are_all_accepted() {
    let mut acceptor = acceptor();
    let address = acceptor.local_addr().unwrap();
    let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    for _ in &clients {
        tokio::time::timeout(PATIENCE, acceptor.accept()).await.unwrap().unwrap();
    }
}

#[test]
fn only_a_broken_listener_is_an_error() {
    let verdict = |errno: Errno| Verdict::of(&io::Error::from_raw_os_error(errno as i32));
    assert_eq!(verdict(Errno::ECONNABORTED), Verdict::PassOver);
    assert_eq!(verdict(Errno::EMFILE), Verdict::Pause);
    assert_eq!(verdict(Errno::EBADF), Verdict::Broken);
    assert_eq!(Verdict::of(&io::Error::other("?")), Verdict::Broken);
}
