use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::super::line::Reclaim;
use super::*;
use crate::stream::Tcp;

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
fn get() -> http::Request<()> {
    http::Request::get("http://app/").body(()).unwrap()
}

/// A connection, and the server's end of it, which says only what it is told to and never waits.
async fn connected() -> (H2Client, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let io = Io::Plain(Tcp::new(tokio::net::TcpStream::connect(address).await.unwrap()));
    let (mut server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    server.write_all(SETTINGS).unwrap();
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
