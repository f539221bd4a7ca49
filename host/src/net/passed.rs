//! Handed sockets that were there before the daemon: handed over by a service manager, kept by it while the process
//! was exchanged, or bound while the process was still root.
//!
//! Which belongs to which server: the one whose `socket_name` it has, else the one whose address it has. Sockets that
//! have no name of their own and nobody's address go to the servers that are left, in the order of both.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;

use super::listener::{BindError, Sockets, hand_to};
use crate::config::{Listen, Server};

/// All of them that no server has taken yet, and those that a service manager goes on listening on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed(Arc<Mutex<Vec<PassedSocket>>>);

/// One listening socket.
#[derive(Debug)]
pub(crate) struct PassedSocket {
    name: String,
    socket: Handed,
    origin: Origin,
    /// Whose it is.
    owner: Option<Listen>,
}

/// By its family.
#[derive(Debug)]
pub(crate) enum Handed {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Where a socket comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The service manager's, which has it for good: what is done here with a copy does not close it.
    Manager,
    /// An earlier process of ours gave it into keeping.
    Kept,
    /// Bound by this process.
    Bound,
}

/// The sockets of one server.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) sockets: Sockets,
    /// Whether somebody else goes on listening on them when this process does not.
    pub(crate) lasting: bool,
}

impl Passed {
    /// These, for the servers that are enabled.
    pub(crate) fn new(sockets: Vec<PassedSocket>, servers: &[Server]) -> Self {
        let this = Self(Arc::new(Mutex::new(sockets)));
        this.assign(servers);
        let mut sockets = this.lock();
        let enabled = servers.iter().filter(|server| server.enabled);
        let left: Vec<_> = enabled
            .filter(|server| sockets.iter().all(|s| s.owner.as_ref() != Some(&server.listen)))
            .collect();
        let nameless = sockets.iter_mut().filter(|s| s.owner.is_none() && s.is_nameless());
        for (socket, server) in nameless.zip(left) {
            socket.owner = Some(server.listen.clone());
        }
        drop(sockets);
        this
    }

    /// Adds what this process has bound for a server.
    pub(crate) fn add(&self, listen: &Listen, sockets: Sockets) {
        let sockets = match sockets {
            Sockets::Tcp(_, sockets) => sockets.into_iter().map(Handed::Tcp).collect(),
            Sockets::Unix(socket) => vec![Handed::Unix(socket)],
        };
        self.lock().extend(sockets.into_iter().map(|socket| PassedSocket {
            name: kept_name(listen),
            socket,
            origin: Origin::Bound,
            owner: Some(listen.clone()),
        }));
    }

    /// Finds owners for those that have none, or one that is not there any more.
    pub(crate) fn assign(&self, servers: &[Server]) {
        let enabled = || servers.iter().filter(|server| server.enabled);
        for socket in self.lock().iter_mut() {
            if let Some(owner) = &socket.owner
                && enabled().any(|server| server.listen == *owner)
            {
                continue;
            }
            let named = enabled().find(|server| server.socket_name.as_ref() == Some(&socket.name));
            let found = named.or_else(|| enabled().find(|server| socket.is_at(&server.listen)));
            if let Some(server) = found {
                socket.owner = Some(server.listen.clone());
            }
        }
    }

    /// Whether there are sockets for a server.
    pub(crate) fn has(&self, listen: &Listen) -> bool {
        self.lock().iter().any(|socket| socket.owner.as_ref() == Some(listen))
    }

    /// The sockets of a server, at least one for each thread.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(crate) fn claim(
        &self,
        listen: &Listen,
        threads: usize,
    ) -> Result<Option<Claimed>, BindError> {
        let claimed = self.take(listen, threads);
        claimed.map_err(|source| BindError { listen: listen.to_string(), source })
    }

    fn take(&self, listen: &Listen, threads: usize) -> io::Result<Option<Claimed>> {
        let mut all = self.lock();
        let mut own = Vec::new();
        let mut lasting = false;
        let is_own = |socket: &PassedSocket| socket.owner.as_ref() == Some(listen);
        for socket in all.iter().filter(|socket| is_own(socket)) {
            lasting |= socket.origin == Origin::Manager;
            own.push(socket.socket.copy()?);
        }
        // They are the server's to close from here on.
        all.retain(|socket| !is_own(socket) || socket.origin == Origin::Manager);
        Ok(shared_out(own, threads)?.map(|sockets| Claimed { sockets, lasting }))
    }

    /// Closes what was kept for servers that are no longer there; its names.
    pub(crate) fn drop_kept(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.lock().retain(|socket| {
            let is_wanted = socket.origin != Origin::Kept || socket.owner.is_some();
            if !is_wanted && !names.contains(&socket.name) {
                names.push(socket.name.clone());
            }
            is_wanted
        });
        names
    }

    /// What the service manager listens on for no server that is enabled, in words.
    pub(crate) fn idle(&self) -> Vec<String> {
        let sockets = self.lock();
        let idle = sockets.iter().filter(|socket| socket.owner.is_none());
        idle.map(|socket| format!("{} (named {:?})", socket.socket.address(), socket.name))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PassedSocket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PassedSocket {
    /// What a service manager has handed over under a name.
    pub(crate) fn new(name: &str, socket: Handed) -> Self {
        let origin = if name.starts_with(KEPT) { Origin::Kept } else { Origin::Manager };
        Self { name: name.to_owned(), socket, origin, owner: None }
    }

    /// Whether nobody has given it a name: systemd takes that of the unit then.
    fn is_nameless(&self) -> bool {
        matches!(self.name.as_str(), "" | "unknown") || self.name.ends_with(".socket")
    }

    /// Whether it listens where a server is to listen.
    fn is_at(&self, listen: &Listen) -> bool {
        match (&self.socket, listen) {
            (Handed::Tcp(socket), Listen::Tcp { address, v6only }) => {
                let is_there = socket.local_addr().is_ok_and(|own| own == *address);
                // One that was kept must be what would be bound now. What another has bound, that one knows.
                let alike = |only: bool| self.origin != Origin::Kept || only == *v6only;
                is_there && (address.is_ipv4() || SockRef::from(socket).only_v6().is_ok_and(alike))
            }
            (Handed::Unix(socket), Listen::Unix { path, mode, owner }) => {
                // A socket whose file was removed is one that nobody can reach.
                unix_path(socket).is_some_and(|own| own == *path && own.exists())
                    && (self.origin != Origin::Kept
                        || hand_to(path, *mode, owner.as_deref()).is_ok())
            }
            _ => false,
        }
    }
}

impl Handed {
    fn copy(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Self::Tcp(socket.try_clone()?)
            }
            Self::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Self::Unix(socket.try_clone()?)
            }
        })
    }

    fn address(&self) -> String {
        match self {
            Self::Tcp(socket) => {
                socket.local_addr().map_or_else(|error| error.to_string(), |a| a.to_string())
            }
            Self::Unix(socket) => {
                let path = unix_path(socket).unwrap_or_default();
                format!("unix:{}", path.display())
            }
        }
    }
}

fn unix_path(socket: &UnixListener) -> Option<PathBuf> {
    socket.local_addr().ok()?.as_pathname().map(Path::to_owned)
}

/// Every thread accepts on a socket and every socket is accepted on: the kernel deals connections out to all sockets of a
/// group, and one that nobody looks at would keep its share for ever. Several threads may share one.
fn shared_out(own: Vec<Handed>, threads: usize) -> io::Result<Option<Sockets>> {
    let mut tcp: Vec<TcpListener> = Vec::new();
    for socket in own {
        match socket {
            Handed::Tcp(socket) => tcp.push(socket),
            // Of these one thread has enough work with one.
            Handed::Unix(socket) => return Ok(Some(Sockets::Unix(socket))),
        }
    }
    let Some(first) = tcp.first() else { return Ok(None) };
    let address: SocketAddr = first.local_addr()?;
    let number = tcp.len();
    for again in number..threads {
        let copy = tcp[again % number].try_clone()?;
        tcp.push(copy);
    }
    Ok(Some(Sockets::Tcp(address, tcp)))
}

/// The name under which the sockets of a listener are given into keeping.
pub(crate) fn kept_name(listen: &Listen) -> String {
    // No colons, no control characters, at most 255 bytes; what it stands for is read off the socket.
    let usable = |c: char| if c == ':' || !c.is_ascii() || c.is_ascii_control() { '_' } else { c };
    format!("{KEPT}{}", listen.to_string().chars().map(usable).collect::<String>())
}

/// What the names of our own begin with.
const KEPT: &str = "listening-";

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(name: &str) -> (PassedSocket, String) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        (PassedSocket::new(name, Handed::Tcp(socket)), address)
    }

    fn server(listen: &str, name: Option<&str>) -> Server {
        let mut server = Server::new(listen.parse().unwrap());
        server.socket_name = name.map(str::to_owned);
        server
    }

    fn where_of(passed: &Passed, server: &Server) -> String {
        match passed.claim(&server.listen, 1).unwrap().expect("sockets").sockets {
            Sockets::Tcp(address, _) => address.to_string(),
            Sockets::Unix(socket) => format!("{:?}", unix_path(&socket)),
        }
    }

    #[test]
    fn by_name_then_by_address_then_by_order() {
        let ((named, at_named), (there, at_there)) = (tcp("smtp"), tcp("other"));
        let ((first, at_first), (second, at_second)) = (tcp("mail.socket"), tcp("unknown"));
        let servers = [
            server("192.0.2.1:25", None),
            server("192.0.2.2:25", Some("smtp")),
            server(&at_there, None),
            server("192.0.2.3:25", None),
            server("192.0.2.4:25", None),
        ];
        let passed = Passed::new(vec![first, there, second, named], &servers);
        for (server, expected) in servers.iter().zip([at_first, at_named, at_there, at_second]) {
            assert_eq!(where_of(&passed, server), expected);
            assert!(passed.has(&server.listen), "the service manager's stay");
        }
        assert!(passed.claim(&servers[4].listen, 1).unwrap().is_none());
        assert_eq!(passed.idle(), [""; 0]);
    }

    #[test]
    fn names_of_others_and_disabled_servers_get_nothing() {
        let ((stranger, at), (nameless, _)) = (tcp("web"), tcp(""));
        let mut off = server("192.0.2.1:25", None);
        off.enabled = false;
        let passed = Passed::new(vec![stranger, nameless], std::slice::from_ref(&off));
        assert!(!passed.has(&off.listen));
        assert_eq!(passed.idle()[0], format!("{at} (named \"web\")"));
        // It is enabled by a reload, at the address of one of them.
        passed.assign(&[server(&at, None)]);
        assert!(passed.has(&at.parse().unwrap()));
    }

    #[test]
    fn what_was_kept_is_taken_or_let_go() {
        let listen: Listen = "127.0.0.1:0".parse().unwrap();
        let Sockets::Tcp(address, sockets) = super::super::bind(&listen, 3, &[]).unwrap() else {
            panic!("a TCP address")
        };
        let (mine, gone) = (server(&address.to_string(), None), tcp("listening-192.0.2.9_25"));
        let name = kept_name(&mine.listen);
        assert_eq!(name, format!("listening-127.0.0.1_{}", address.port()));
        let kept = sockets.into_iter().map(|s| PassedSocket::new(&name, Handed::Tcp(s)));
        let passed = Passed::new(kept.chain([gone.0]).collect(), std::slice::from_ref(&mine));
        assert_eq!(passed.drop_kept(), ["listening-192.0.2.9_25"]);
        let claimed = passed.claim(&mine.listen, 2).unwrap().expect("sockets");
        let Sockets::Tcp(_, sockets) = claimed.sockets else { panic!("a TCP address") };
        assert_eq!((sockets.len(), claimed.lasting), (3, false), "each is looked after");
        assert!(!passed.has(&mine.listen), "it is the server's now");
    }

    #[test]
    fn one_socket_serves_all_threads() {
        let (socket, at) = tcp("smtp");
        let mine = server(&at, None);
        let passed = Passed::new(vec![socket], std::slice::from_ref(&mine));
        let claimed = passed.claim(&mine.listen, 4).unwrap().expect("sockets");
        let Sockets::Tcp(_, sockets) = claimed.sockets else { panic!("a TCP address") };
        assert_eq!((sockets.len(), claimed.lasting), (4, true));
    }

    #[test]
    fn a_unix_socket_without_its_file_is_of_no_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("smtp.sock");
        let mine = server(&format!("unix:{}", path.display()), None);
        let name = kept_name(&mine.listen);
        let socket = PassedSocket::new(&name, Handed::Unix(UnixListener::bind(&path).unwrap()));
        assert!(socket.is_at(&mine.listen));
        std::fs::remove_file(&path).unwrap();
        assert!(!socket.is_at(&mine.listen));
    }
}
