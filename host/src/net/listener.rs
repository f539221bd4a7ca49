//! From an address to bound sockets.
//!
//! Each thread gets a socket of its own (`SO_REUSEPORT`), so that a connection is accepted where it is served and
//! no lock or wake-up is shared. Linux lets any process of the same user join such a group, so a
//! second daemon on the port would not be noticed: a plain bind is tried first, and fails as operators expect.
//!
//! *Limits*: connections that wait in the queue of a closed socket are reset by the kernel; a client tries again.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, chown};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;

/// Bound and listening sockets, not yet in any runtime.
#[derive(Debug)]
pub(crate) enum Sockets {
    /// One for each thread, all on this address.
    Tcp(SocketAddr, Vec<TcpListener>),
    /// One, for the first thread.
    Unix(UnixListener),
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {source}{hint}", hint = hint(.source))]
pub struct BindError {
    /// As configured (`listen_interface`).
    pub listen: String,
    /// What the system said.
    pub source: io::Error,
}

/// Binds for so many threads. `beside` are the addresses that this daemon listens on already: one that takes the place of
/// another of the same port (`0.0.0.0:25`, then `127.0.0.1:25`) may be bound before the other is closed.
///
/// # Errors
/// When the address is in use, not of this machine, or needs more rights.
pub(crate) fn bind(
    listen: &Listen,
    threads: usize,
    beside: &[SocketAddr],
) -> Result<Sockets, BindError> {
    let bound = match listen {
        Listen::Tcp { address, v6only } => {
            let port = address.port();
            let ours = port != 0 && beside.iter().any(|other| other.port() == port);
            bind_tcp(*address, *v6only, threads, ours)
        }
        Listen::Unix { path, mode, owner } => bind_unix(path, *mode, owner.as_deref()),
    };
    bound.map_err(|source| BindError { listen: listen.to_string(), source })
}

fn bind_tcp(address: SocketAddr, v6only: bool, threads: usize, ours: bool) -> io::Result<Sockets> {
    let address = if address.is_ipv6() && address.ip() == Ipv6Addr::UNSPECIFIED && !has_ipv6() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()))
    } else {
        address
    };
    // The probe: fails if anybody else has the port; also picks one when it is 0. It would fail beside ourselves, too.
    let probe = tcp_socket(address, v6only, ours)?;
    let address = SocketAddr::new(address.ip(), local_port(&probe)?);
    drop(probe);
    let mut sockets = Vec::with_capacity(threads);
    for _ in 0..threads {
        let socket = tcp_socket(address, v6only, true)?;
        // What is accepted inherits it.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.listen(BACKLOG)?;
        sockets.push(socket.into());
    }
    Ok(Sockets::Tcp(address, sockets))
}

fn tcp_socket(address: SocketAddr, v6only: bool, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(v6only)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn local_port(socket: &Socket) -> io::Result<u16> {
    let address = socket.local_addr()?;
    address.as_socket().map(|a| a.port()).ok_or_else(|| io::Error::other("not an IP socket"))
}

fn has_ipv6() -> bool {
    Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).is_ok()
}

/// A socket file that nobody listens on any more is a leftover and is replaced; anything else is not ours to remove.
fn bind_unix(path: &Path, mode: Option<u32>, owner: Option<&str>) -> io::Result<Sockets> {
    let owner = owner.map(read_owner).transpose()?;
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the path exists and is no socket",
            ));
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?
            }
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let socket = UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    give(path, mode, owner)?;
    Ok(Sockets::Unix(socket))
}

/// Gives a socket file to whom it is meant for.
pub(super) fn hand_to(path: &Path, mode: Option<u32>, owner: Option<&str>) -> io::Result<()> {
    give(path, mode, owner.map(read_owner).transpose()?)
}

fn give(path: &Path, mode: Option<u32>, owner: Option<Owner>) -> io::Result<()> {
    if let Some((user, group)) = owner {
        chown(path, user, group)?;
    }
    if let Some(mode) = mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Each left as it is when not given.
type Owner = (Option<Uid>, Option<Gid>);

/// Reads `user`, `user:group` or `:group`, each a name or a number.
fn read_owner(text: &str) -> io::Result<Owner> {
    let unknown = |what: &str, name: &str| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("unix_owner: there is no {what} \"{name}\""),
        )
    };
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let uid = match (user, user.parse()) {
        ("", _) => None,
        (_, Ok(number)) => Some(Uid::from_raw(number)),
        _ => Some(User::from_name(user)?.ok_or_else(|| unknown("user", user))?.uid),
    };
    let gid = match (group, group.parse()) {
        ("", _) => None,
        (_, Ok(number)) => Some(Gid::from_raw(number)),
        _ => Some(Group::from_name(group)?.ok_or_else(|| unknown("group", group))?.gid),
    };
    Ok((uid, gid))
}

/// What to do about it.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the program that has it, or listen elsewhere",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// Connections the kernel may queue for one socket: a burst between two turns of the loop.
const BACKLOG: i32 = 4096;

/// Bytes of replies that the kernel keeps for a client: more than a full buffer of commands asks for is never under way to one
/// that reads. Of its own accord the kernel keeps up to 4 MiB for one that does not, and as long as it does we answer.
const SEND_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        let root = (Some(Uid::from_raw(0)), Some(Gid::from_raw(0)));
        assert_eq!(read_owner("root:root").unwrap(), root);
        assert_eq!(read_owner("0:0").unwrap(), root);
        assert_eq!(read_owner(":7").unwrap(), (None, Some(Gid::from_raw(7))));
        assert_eq!(read_owner("root").unwrap(), (root.0, None));
        for (text, error) in [
            ("no one", "there is no user \"no one\""),
            ("root:no one", "there is no group \"no one\""),
        ] {
            let found = read_owner(text).unwrap_err().to_string();
            assert_eq!(found, format!("unix_owner: {error}"));
        }
    }
}
