use super::*;
use std::net::TcpListener;

/// Answers every request of one connection after another, all but the `stalled`-th at once.
fn server(stalled: usize, pause: Duration) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1024];
        for nth in 0.. {
            if !matches!(stream.read(&mut buffer), Ok(1..)) {
                return;
            }
            if nth == stalled {
                std::thread::sleep(pause);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    address
}

fn load(address: std::net::SocketAddr, body: usize) -> Summary {
    let words = format!("{address} server 100 1 1 {body}");
    run(&Plan::parse(words.split(' ').map(str::to_owned)).unwrap())
}

#[test]
fn a_stall_is_seen_by_all_requests_that_were_due_in_it() {
    let summary = load(server(10, Duration::from_millis(300)), 2);
    assert!(summary.is_clean(), "{}", summary.to_json());
    // One answer took 300 ms; some 30 more were due meanwhile, and waited 290, 280, 270...
    assert!(summary.slower_than(Duration::from_millis(100)) >= 18, "{}", summary.to_json());
}

#[test]
fn a_connection_that_its_server_ends_is_followed_by_another_and_a_fresh_one_by_another_each_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // It answers once, and a second request on the same connection not at all.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    for fresh in [0, 1] {
        let words = format!("{address} server 100 1 1 2 {fresh}");
        let summary = run(&Plan::parse(words.split(' ').map(str::to_owned)).unwrap());
        assert!(summary.is_clean(), "{}", summary.to_json());
    }
}

#[test]
fn a_wrong_answer_makes_the_load_unclean() {
    assert!(!load(server(usize::MAX, Duration::ZERO), 3).is_clean());
}
