//! A byte stream to or from somebody: TCP with what was already read put back in front, bare or in TLS, or a stream of
//! somebody's HTTP/2 connection.

mod socket;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use self::socket::Socket;
use crate::http::stream_io::StreamIo;

/// Room for a ClientHello or a request's first line.
const LOOK: usize = 2 * 1024;

/// TCP, and the bytes that were read from it while somebody looked at what it is.
#[derive(Debug)]
pub struct Tcp {
    prefix: BytesMut,
    socket: Socket,
}

impl Tcp {
    /// Nothing was read yet.
    pub fn new(socket: TcpStream) -> Self {
        Self { prefix: BytesMut::new(), socket: Socket::new(socket) }
    }

    /// Reads more into the prefix, which is what will be read first from now on.
    ///
    /// # Errors
    /// Those of the socket; end of stream is `Ok(0)`.
    pub async fn look(&mut self) -> io::Result<usize> {
        use tokio::io::AsyncReadExt as _;
        // Memory only for who has something to say.
        self.socket.tcp().readable().await?;
        self.prefix.reserve(LOOK);
        self.socket.tcp_mut().read_buf(&mut self.prefix).await
    }

    /// What was read and not yet consumed.
    pub fn seen(&self) -> &[u8] {
        &self.prefix
    }

    /// The other end's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.socket.tcp().peer_addr()
    }

    /// The socket alone, to be used on any thread; an error, if bytes were read and not used.
    ///
    /// # Errors
    /// Those of the system, too.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        if self.prefix.is_empty() {
            self.socket.into_tcp().into_std()
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// The socket itself.
    pub const fn socket(&self) -> &TcpStream {
        self.socket.tcp()
    }

    /// Puts bytes back in front.
    pub fn unread(&mut self, bytes: &[u8]) {
        put_back(&mut self.prefix, bytes);
    }
}

fn put_back(prefix: &mut BytesMut, bytes: &[u8]) {
    let rest = std::mem::take(prefix);
    prefix.reserve(bytes.len() + rest.len());
    prefix.extend_from_slice(bytes);
    prefix.extend_from_slice(&rest);
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return self.socket.poll_read(cx, buf);
        }
        let n = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..n]);
        self.prefix.advance(n);
        if self.prefix.is_empty() {
            self.prefix = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match bufs {
            // A record of TLS is mostly one piece, and to send that costs the kernel less than a vector of one.
            [one] => self.socket.poll_write(cx, one),
            several => self.socket.poll_write_vectored(cx, several),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }
}

/// A stream as it is carried.
#[derive(Debug)]
pub enum Io {
    /// Bare.
    Plain(Tcp),
    /// In TLS, either side.
    Tls(Box<TlsIo>),
    /// Among others, and what was read from it and put back.
    Stream(Box<(BytesMut, StreamIo)>),
}

/// A TLS stream, and what was read from it and put back.
#[derive(Debug)]
pub struct TlsIo {
    prefix: BytesMut,
    stream: TlsStream<Tcp>,
    cut: bool,
}

impl From<TlsStream<Tcp>> for Io {
    fn from(stream: TlsStream<Tcp>) -> Self {
        Self::Tls(Box::new(TlsIo { prefix: BytesMut::new(), stream, cut: false }))
    }
}

impl Io {
    /// Puts bytes back in front, for whoever reads next.
    pub fn unread(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(tcp) => tcp.unread(bytes),
            Self::Tls(tls) => put_back(&mut tls.prefix, bytes),
            Self::Stream(stream) => put_back(&mut stream.0, bytes),
        }
    }

    /// Did the peer end TCP without having ended TLS? Then somebody may have cut the stream short.
    pub fn was_cut(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.cut)
    }

    /// Ends the connection so that the other end sees it fail, rather than end in order: what was sent is not whole.
    pub fn break_off(&mut self) {
        let socket = match self {
            Self::Plain(tcp) => tcp.socket(),
            Self::Tls(tls) => tls.stream.get_ref().0.socket(),
            Self::Stream(stream) => return stream.1.break_off(),
        };
        // A socket that cannot be told is closed all the same.
        let _ = socket.set_zero_linger();
    }

    /// Its socket, where it is in TLS and the other end has said nothing yet, nor that it will not.
    pub fn silent_socket(&self) -> Option<&TcpStream> {
        let Self::Tls(tls) = self else { return None };
        let (tcp, session) = tls.stream.get_ref();
        let silent = tls.prefix.is_empty() && tcp.seen().is_empty() && session.wants_read();
        silent.then_some(tcp.socket())
    }

    /// Is it in TLS?
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tls(s) if !s.prefix.is_empty() => {
                let n = s.prefix.len().min(buf.remaining());
                buf.put_slice(&s.prefix[..n]);
                s.prefix.advance(n);
                Poll::Ready(Ok(()))
            }
            // A peer that ends TCP without close_notify has ended: truncation is seen by HTTP's own framing, and where
            // there is none, by `was_cut`.
            Self::Tls(s) => match Pin::new(&mut s.stream).poll_read(cx, buf) {
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    s.cut = true;
                    Poll::Ready(Ok(()))
                }
                other => other,
            },
            Self::Stream(s) if !s.0.is_empty() => {
                let n = s.0.len().min(buf.remaining());
                buf.put_slice(&s.0[..n]);
                s.0.advance(n);
                Poll::Ready(Ok(()))
            }
            Self::Stream(s) => Pin::new(&mut s.1).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Self::Tls(s) => Pin::new(&mut s.stream).poll_write(cx, buf),
            Self::Stream(s) => Pin::new(&mut s.1).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Self::Tls(s) => Pin::new(&mut s.stream).poll_write_vectored(cx, bufs),
            Self::Stream(s) => Pin::new(&mut s.1).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_flush(cx),
            Self::Tls(s) => Pin::new(&mut s.stream).poll_flush(cx),
            Self::Stream(s) => Pin::new(&mut s.1).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tls(s) => Pin::new(&mut s.stream).poll_shutdown(cx),
            Self::Stream(s) => Pin::new(&mut s.1).poll_shutdown(cx),
        }
    }
}
