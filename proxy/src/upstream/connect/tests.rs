use super::*;

#[cfg(target_os = "linux")]
#[test]
fn a_connection_that_leaves_from_an_address_takes_no_port_before_it_is_known_where_it_leads() {
    for (domain, own) in [(Domain::IPV4, "127.0.0.6:0"), (Domain::IPV6, "[::1]:0")] {
        let Ok(socket) = Socket::new(domain, Type::STREAM, None) else { continue };
        if bind(&socket, own.parse().unwrap()).is_err() {
            // A machine without IPv6.
            assert_eq!(domain, Domain::IPV6);
            continue;
        }
        let bound = socket.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(bound, own.parse().unwrap());
    }
}

#[test]
fn a_port_that_is_asked_for_is_taken() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.7:0").unwrap().local_addr().unwrap();
    bind(&socket, free).unwrap();
    assert_eq!(socket.local_addr().unwrap().as_socket(), Some(free));
}
