//! New connections: sockets and the beginning of TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mio::net::{TcpStream, UnixStream};
use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use crate::load::{Address, Tls};
use crate::transport;

/// A client that is about to say hello.
pub(super) fn client_tls(tls: &Tls) -> io::Result<rustls::Connection> {
    let client = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
    client.map(rustls::Connection::from).map_err(io::Error::other)
}

/// Begins to connect; `turn` chooses among the source addresses.
pub(super) fn connect(
    address: &Address,
    sources: u8,
    turn: usize,
) -> io::Result<transport::Socket> {
    match address {
        Address::Unix(path) => UnixStream::connect(path).map(transport::Socket::Unix),
        Address::Tcp(address) => {
            let socket = Socket::new(
                Domain::for_address(*address),
                Type::STREAM.nonblocking(),
                Some(Protocol::TCP),
            )?;
            // Commands of one byte group must not wait for the acknowledgement of the last.
            socket.set_tcp_nodelay(true)?;
            if sources > 1 && address.ip().is_loopback() && address.is_ipv4() {
                let last = 2 + (turn % usize::from(sources)) as u8;
                let source = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
                socket.bind(&SocketAddr::new(source, 0).into())?;
            }
            match socket.connect(&(*address).into()) {
                Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                    return Err(error);
                }
                _ => {}
            }
            Ok(transport::Socket::Tcp(TcpStream::from_std(socket.into())))
        }
    }
}
