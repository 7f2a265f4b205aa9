use std::io::{ErrorKind, Read as _, Write as _};

use super::*;

fn early(hold: Duration) -> (Early, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (Early::new(socket, hold).unwrap(), address)
}

async fn holds(early: &Early, count: usize) {
    while locked(&early.held).len() != count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_comes_before_the_configuration_is_held_for_its_time_and_then_refused() {
    let hold = Duration::from_millis(300);
    let (early, address) = early(hold);
    let began = Instant::now();
    let read = tokio::task::spawn_blocking(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        client.read(&mut [0; 16])
    });
    // Closed, however the system says so where something was unread.
    match read.await.unwrap() {
        Ok(n) => assert_eq!(n, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(began.elapsed() >= hold, "{:?}", began.elapsed());
    holds(&early, 0).await;
}

#[tokio::test]
async fn what_is_held_when_the_configuration_comes_is_handed_over_with_its_socket() {
    let (early, address) = early(Duration::from_secs(600));
    let mut first = TcpStream::connect(address).unwrap();
    first.write_all(b"hello").unwrap();
    holds(&early, 1).await;
    let (socket, held) = early.hand_over().unwrap();
    let [(mut stream, source)] = <[Held; 1]>::try_from(held).unwrap();
    assert_eq!(source, first.local_addr().unwrap());
    stream.set_nonblocking(false).unwrap();
    let mut said = [0; 5];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    // The next one comes to whoever has the socket now.
    let second = TcpStream::connect(address).unwrap();
    let mut acceptor = Acceptor::new(socket).unwrap();
    let (_, source) = acceptor.accept().await.unwrap();
    assert_eq!(source, second.local_addr().unwrap());
}
