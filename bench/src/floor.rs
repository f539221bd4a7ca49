//! The floor: a server that does nothing but answer. What it costs, any server costs.
//!
//! One read buffer for all connections, one write for all that was read, no copy of a body, no timers. Commands are told
//! apart by their first letter; nothing is checked, so it is no example of how to receive mail.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use mio::event::Source;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rustls::{ServerConfig, ServerConnection};
use socket2::{Domain, Protocol, Socket, Type};

use crate::transport::{self, Transport};

mod dialogue;

use dialogue::{Dialogue, Turn};

/// How it serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// STARTTLS is offered with these.
    pub tls: Option<Arc<ServerConfig>>,
    /// And used from the first byte.
    pub implicit: bool,
}

/// Serves for ever on so many threads; `listening` hears where.
pub fn serve(
    address: SocketAddr,
    threads: usize,
    settings: &Settings,
    listening: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let first = listen(address)?;
    let address = first.local_addr()?;
    let others = (1..threads).map(|_| listen(address)).collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        for listener in others {
            scope.spawn(move || Sink::new(listener, settings)?.run());
        }
        let mut sink = Sink::new(first, settings)?;
        listening(address);
        sink.run()
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

struct Sink<'a> {
    settings: &'a Settings,
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

struct Connection {
    transport: Transport,
    dialogue: Dialogue,
    /// What the socket did not take.
    unsent: Vec<u8>,
    greeted: bool,
}

impl<'a> Sink<'a> {
    fn new(mut listener: TcpListener, settings: &'a Settings) -> io::Result<Self> {
        let poll = Poll::new()?;
        listener.register(poll.registry(), Token(LISTENER), Interest::READABLE)?;
        let (buffer, out) = (vec![0; 64 << 10], Vec::with_capacity(4096));
        Ok(Self {
            settings,
            poll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            buffer,
            out,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token().0 {
                    LISTENER => self.accept()?,
                    index => self.serve(index),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The client has left again, or descriptors have run out: the others go on.
                Err(_) => return Ok(()),
            };
            socket.set_nodelay(true)?;
            let mut transport = Transport::new(transport::Socket::Tcp(socket));
            if let (true, Some(tls)) = (self.settings.implicit, &self.settings.tls) {
                transport.begin_tls(server_tls(tls)?);
            }
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            transport.register(self.poll.registry(), index)?;
            let dialogue = Dialogue::new(self.settings.tls.is_some() && !self.settings.implicit);
            self.connections[index] =
                Some(Connection { transport, dialogue, unsent: Vec::new(), greeted: false });
            self.serve(index);
        }
    }

    fn serve(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else { return };
        let open = connection.exchange(&mut self.buffer, &mut self.out, self.settings.tls.as_ref());
        if !open.unwrap_or(false) {
            self.connections[index] = None;
            self.free.push(index);
        }
    }
}

impl Connection {
    /// Reads and answers what is there; `false` when it is over.
    fn exchange(
        &mut self,
        buffer: &mut [u8],
        out: &mut Vec<u8>,
        tls: Option<&Arc<ServerConfig>>,
    ) -> io::Result<bool> {
        out.clear();
        if !self.greeted && self.transport.is_open() {
            self.greeted = true;
            out.extend_from_slice(dialogue::GREETING);
            self.send(out)?;
            // The client waits for it, so there is nothing to read.
            if self.transport.short_read_is_all() {
                return Ok(true);
            }
        }
        if !self.unsent.is_empty() {
            self.send(out)?;
        }
        loop {
            let count = match self.transport.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let turn = self.dialogue.hear(&buffer[..count], out);
            if !out.is_empty() {
                self.send(out)?;
            }
            match (turn, tls) {
                (Turn::Close, _) => return Ok(false),
                (Turn::StartTls, Some(tls)) => self.transport.begin_tls(server_tls(tls)?),
                _ => {}
            }
            if count < buffer.len() && self.transport.short_read_is_all() {
                break;
            }
        }
        if !self.greeted && self.transport.is_open() {
            return self.exchange(buffer, out, tls);
        }
        self.transport.flush()?;
        Ok(true)
    }

    fn send(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.append(out);
            std::mem::swap(&mut self.unsent, out);
        }
        let mut sent = 0;
        while sent < out.len() {
            match self.transport.write_vectored(&[IoSlice::new(&out[sent..])]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(&out[sent..]);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        out.clear();
        self.transport.flush()?;
        Ok(())
    }
}

fn server_tls(config: &Arc<ServerConfig>) -> io::Result<rustls::Connection> {
    ServerConnection::new(Arc::clone(config))
        .map(rustls::Connection::from)
        .map_err(io::Error::other)
}

const LISTENER: usize = usize::MAX - 1;
