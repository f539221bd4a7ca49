//! A connection, plain or encrypted, behind one face.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::rustls::ServerConfig;

use super::tls::TlsSession;

/// A connected client.
pub(super) struct Wire {
    socket: Socket,
    tls: Option<Box<TlsSession>>,
}

impl Wire {
    /// The TCP socket, while nothing is encrypted.
    pub(super) fn as_tcp(&self) -> Option<&TcpStream> {
        match (&self.socket, &self.tls) {
            (Socket::Tcp(stream), None) => Some(stream),
            _ => None,
        }
    }

    /// Waits until there is something to read, holding no buffer meanwhile. A future of a few bytes, since an idle
    /// connection is little else.
    pub(super) fn readable(&mut self) -> impl Future<Output = io::Result<()>> {
        poll_fn(|cx| match &mut self.tls {
            None => self.socket.poll_readable(cx),
            Some(tls) => tls.poll_readable(&self.socket, cx),
        })
    }

    /// Reads what is there; 0 at the end.
    pub(super) fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.try_read(room),
            Some(tls) => tls.try_read(&self.socket, room),
        }
    }

    /// How many bytes have been read since the last time that came to nothing: what they were wrapped in, if it was encrypted.
    pub(super) fn take_idle_bytes(&mut self) -> usize {
        self.tls.as_mut().map_or(0, |tls| tls.take_idle_bytes())
    }

    /// Writes what the socket takes without waiting, ordinarily all of it with one system call; how much. The rest is for
    /// [`Wire::write_all`] and for nothing else (see [`TlsSession::write_now`]).
    pub(super) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.tls {
            None => self.socket.try_write(bytes),
            Some(tls) => return tls.write_now(&self.socket, bytes),
        };
        match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Writes what the socket takes without waiting; how much is on its way. The rest is for whoever writes next.
    pub(super) fn write_early(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.write_now(bytes),
            Some(tls) => tls.write_early(&self.socket, bytes),
        }
    }

    /// Writes all of it, waiting for a client that is slow to read.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => self.socket.write_all(bytes).await,
            Some(tls) => tls.write_all(&self.socket, bytes).await,
        }
    }

    /// Says that nothing more will come from us, then throws away what the client still sends, until it ends as well; for a
    /// moment and so many bytes at most. A socket that is closed with bytes unread is reset, and a reset may take our last
    /// reply away from a client that has not read it yet.
    pub(super) async fn linger(&mut self) {
        if let Some(mut tls) = self.tls.take() {
            tls.say_goodbye(&self.socket);
        }
        // Whoever is gone cannot be told.
        if self.socket.end_of_ours().is_ok() {
            let _ = tokio::time::timeout(LINGER, self.socket.discard(MOST_DISCARDED)).await;
        }
    }

    /// Does the handshake: all that is read and written from here on is encrypted. Whoever calls this has seen to it that
    /// nothing read in the clear is left (CVE-2011-0411). After an error, or when it is given up, the connection
    /// is good for nothing but to be closed.
    pub(super) async fn encrypt(&mut self, config: Arc<ServerConfig>) -> io::Result<&TlsSession> {
        if self.tls.is_some() {
            return Err(io::Error::other("the connection is encrypted already"));
        }
        let session = TlsSession::handshake(&mut self.socket, config).await?;
        Ok(&*self.tls.insert(Box::new(session)))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye(&self.socket);
        }
    }
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Self {
        Self { socket: Socket::Tcp(stream), tls: None }
    }
}

impl From<UnixStream> for Wire {
    fn from(stream: UnixStream) -> Self {
        Self { socket: Socket::Unix(stream), tls: None }
    }
}

/// A connected socket.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    pub(super) fn writable(&self) -> impl Future<Output = io::Result<()>> {
        poll_fn(|cx| self.poll_writable(cx))
    }

    pub(super) fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(room),
            Self::Unix(stream) => stream.try_read(room),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    pub(super) fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(pieces),
            Self::Unix(stream) => stream.try_write_vectored(pieces),
        }
    }

    fn end_of_ours(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
        }
    }

    fn readable(&self) -> impl Future<Output = io::Result<()>> {
        poll_fn(|cx| self.poll_readable(cx))
    }

    /// Reads to the end, or so many bytes.
    async fn discard(&self, most: usize) -> io::Result<()> {
        let mut left = most;
        while left > 0 {
            match self.throw_away() {
                Ok(0) => return Ok(()),
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One read. Its buffer is here so that no future has to carry it.
    fn throw_away(&self) -> io::Result<usize> {
        self.try_read(&mut [0; 8192])
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// How long a client may take to end once we have: a round trip to anywhere.
const LINGER: Duration = Duration::from_secs(1);

/// More than clients of good will have under way.
const MOST_DISCARDED: usize = 1 << 20;
