//! Two connections that belong together, one of them in TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

/// Which end of the pair of proxies this is.
#[derive(Clone)]
pub(crate) enum Side {
    /// TLS towards the upstream.
    Client(Arc<ClientConfig>),
    /// TLS towards the client.
    Server(Arc<ServerConfig>),
}

/// One client and its upstream.
pub(crate) struct Pair {
    down: TcpStream,
    up: TcpStream,
    tls: Connection,
    tls_is_up: bool,
}

impl Pair {
    /// Begins; a client's side says the first word of TLS.
    pub(crate) fn new(down: TcpStream, up: TcpStream, side: &Side) -> io::Result<Self> {
        let wrong = |error: rustls::Error| io::Error::other(error);
        let (tls, tls_is_up) = match side {
            Side::Client(config) => {
                let name = ServerName::try_from("server").map_err(io::Error::other)?;
                (ClientConnection::new(config.clone(), name).map_err(wrong)?.into(), true)
            }
            Side::Server(config) => (ServerConnection::new(config.clone()).map_err(wrong)?.into(), false),
        };
        let mut pair = Self { down, up, tls, tls_is_up };
        pair.flush()?;
        Ok(pair)
    }

    /// One of the two has something. A read that does not fill the buffer has emptied the socket, so the next byte
    /// makes the next event.
    pub(crate) fn carry(&mut self, from_up: bool, buffer: &mut [u8]) -> io::Result<()> {
        if from_up == self.tls_is_up { self.open(buffer) } else { self.seal(buffer) }
    }

    fn open(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let sealed = if self.tls_is_up { &mut self.up } else { &mut self.down };
            let read = match self.tls.read_tls(sealed) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.tls.process_new_packets().map_err(io::Error::other)?;
            self.flush()?;
            let plain = if self.tls_is_up { &mut self.down } else { &mut self.up };
            loop {
                match self.tls.reader().read(buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => plain.write_all(&buffer[..count])?,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            // rustls reads into 4 KiB at first, and into what a record may be during the handshake.
            if read < 4096 {
                return Ok(());
            }
        }
    }

    fn seal(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let plain = if self.tls_is_up { &mut self.down } else { &mut self.up };
            let read = match plain.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.tls.writer().write_all(&buffer[..read])?;
            self.flush()?;
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let sealed = if self.tls_is_up { &mut self.up } else { &mut self.down };
        while self.tls.wants_write() {
            self.tls.write_tls(sealed)?;
        }
        Ok(())
    }
}
