//! A connection's bytes, in the clear or under TLS, from either end.

use std::io::{self, IoSlice, Read, Write};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustls::{Connection, HandshakeKind};

/// A socket, and TLS if it has been begun.
#[derive(Debug)]
pub struct Transport {
    socket: Socket,
    tls: Option<Box<Connection>>,
}

/// A socket of either family.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket, as local LMTP servers have.
    Unix(UnixStream),
}

impl Transport {
    /// In the clear.
    pub fn new(socket: Socket) -> Self {
        Self { socket, tls: None }
    }

    /// From now on under TLS. The handshake happens while reading and flushing.
    pub fn begin_tls(&mut self, tls: Connection) {
        self.tls = Some(Box::new(tls));
    }

    /// How the handshake was done; `None` in the clear and before its end.
    pub fn handshake(&self) -> Option<HandshakeKind> {
        self.tls.as_ref().filter(|tls| !tls.is_handshaking()).and_then(|tls| tls.handshake_kind())
    }

    /// Whether bytes of the application can be sent.
    pub fn is_open(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }

    /// Whether a read of fewer bytes than asked for means that nothing more is there. Under TLS a record may be.
    pub fn short_read_is_all(&self) -> bool {
        self.tls.is_none()
    }

    /// Bytes of the application; `Ok(0)` when the peer has closed.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return again(|| self.socket.read(buffer)) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without close_notify: the end of data and the reply to QUIT say what is whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            if again(|| tls.read_tls(&mut self.socket))? == 0 {
                return Ok(0);
            }
            let processed = tls.process_new_packets();
            // Also an alert leaves.
            while tls.wants_write() && tls.write_tls(&mut self.socket).is_ok_and(|count| count > 0)
            {
            }
            processed.map_err(io::Error::other)?;
        }
    }

    /// Takes bytes; under TLS they may stay in its buffer until [`Transport::flush`].
    pub fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write_vectored(bytes) };
        let taken = tls.writer().write_vectored(bytes)?;
        if taken > 0 {
            return Ok(taken);
        }
        // Its buffer is full.
        while tls.wants_write() {
            again(|| tls.write_tls(&mut self.socket))?;
        }
        tls.writer().write_vectored(bytes)
    }

    /// Sends what TLS holds; `false` when it would block.
    pub fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Tells epoll, once, of both directions.
    pub fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match &mut self.socket {
            Socket::Tcp(socket) => socket.register(registry, Token(token), both),
            Socket::Unix(socket) => socket.register(registry, Token(token), both),
        }
    }

    /// The error with which connecting has ended, if any.
    pub fn connect_error(&self) -> Option<io::Error> {
        match &self.socket {
            Socket::Tcp(socket) => socket.take_error().unwrap_or_else(Some),
            Socket::Unix(socket) => socket.take_error().unwrap_or_else(Some),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(buffer),
            Self::Unix(socket) => socket.write(buffer),
        }
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, bytes) {
            // A plain write is cheaper.
            (socket, [one]) => socket.write(one),
            (Self::Tcp(socket), _) => socket.write_vectored(bytes),
            (Self::Unix(socket), _) => socket.write_vectored(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn again<T>(mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
