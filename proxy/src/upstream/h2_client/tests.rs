use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use tokio::net::TcpSocket;

use super::super::line::Reclaim;
use super::*;
use crate::stream::Tcp;

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn get() -> http::Request<()> {
    http::Request::get("http://app/").body(()).unwrap()
}

/// A connection, and the server's end of it, which says only what it is told to and never waits.
async fn connected() -> (H2Client, TcpStream) {
    connected_and_told(SETTINGS).await
}

/// The same with a server that begins by saying this. The kernel holds little for either side.
async fn connected_and_told(settings: &[u8]) -> (H2Client, TcpStream) {
    const LITTLE: u32 = 4096;
    let (listening, connecting) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    listening.set_recv_buffer_size(LITTLE).unwrap();
    connecting.set_send_buffer_size(LITTLE).unwrap();
    listening.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = listening.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let io = Io::Plain(Tcp::new(connecting.connect(address).await.unwrap()));
    let mut server = listener.accept().await.unwrap().0.into_std().unwrap();
    server.write_all(settings).unwrap();
    let home = Home {
        place: Arc::new(Places::default()).take().unwrap(),
        line: Rc::new(Line::new(Reclaim::default())),
        peer: None,
    };
    let made_for = MadeFor { address, name: None, source: None };
    (H2Client::start(io, made_for, home).await.unwrap(), server)
}

/// What has come to the server by now.
fn come(server: &mut TcpStream) -> usize {
    let (mut all, mut piece) = (0, [0; 4096]);
    loop {
        match server.read(&mut piece) {
            Ok(n) if n > 0 => all += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_request_that_has_left_may_have_been_seen() {
    let work = async {
        let (client, mut server) = connected().await;
        let (response, _, guard) = client.send(get(), true).await.unwrap();
        while come(&mut server) == 0 {
            tokio::task::yield_now().await;
        }
        server.shutdown(Shutdown::Write).unwrap();
        response.await.unwrap_err();
        assert!(guard.may_have_left());
    };
    tokio::task::LocalSet::new().run_until(work).await;
}

#[tokio::test]
async fn a_request_behind_a_socket_that_takes_no_more_has_not_been_seen() {
    // Windows as large as they may be: what holds the first request up is the kernel alone.
    let windows = [
        &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4][..],
        &[0x7f, 255, 255, 255],
        &[0, 0, 4, 8, 0, 0, 0, 0, 0],
        &[0x7f, 255, 0, 0],
    ];
    let work = async {
        let (client, server) = connected_and_told(&windows.concat()).await;
        let (upload, mut body, first) = client.send(get(), false).await.unwrap();
        body.send_data(vec![0; 1 << 20].into(), true).unwrap();
        let written = || client.state.written.bytes();
        // More than the preface: the body has begun, and stands still once the kernel has taken all that it takes.
        let mut before = 0;
        while written() < 4096 || written() != before {
            before = written();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(before < 1 << 20, "all of it fits");
        let (second, _, behind) = client.send(get(), true).await.unwrap();
        drop(server);
        upload.await.unwrap_err();
        second.await.unwrap_err();
        assert!(first.may_have_left() && !behind.may_have_left());
    };
    tokio::task::LocalSet::new().run_until(work).await;
}

#[tokio::test]
async fn who_runs_out_of_time_on_a_connection_on_which_nobody_is_answered_lets_nobody_else_begin_there() {
    let work = async {
        let (client, mut server) = connected().await;
        let (_, _, slow) = client.send(get(), true).await.unwrap();
        let (_, _, other) = client.send(get(), true).await.unwrap();
        while come(&mut server) == 0 {
            tokio::task::yield_now().await;
        }
        other.answered();
        slow.ran_out();
        assert!(client.has_room(None, None), "somebody was answered meanwhile");
        let (_, _, later) = client.send(get(), true).await.unwrap();
        later.ran_out();
        assert!(!client.has_room(None, None) && client.is_spent(None));
    };
    tokio::task::LocalSet::new().run_until(work).await;
}
