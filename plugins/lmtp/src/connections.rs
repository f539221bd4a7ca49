//! Connections to the store: at most so many, kept for a while when their message is delivered.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::envelope::Offer;
use crate::reply::Replies;

/// Where the store is.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

/// A pool of connections.
pub(crate) struct Connections {
    address: Address,
    keep: Duration,
    places: Semaphore,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// One that has been greeted.
pub(crate) struct Connection {
    pub(crate) io: Box<dyn Stream>,
    pub(crate) replies: Replies,
    pub(crate) offer: Offer,
}

impl Connections {
    pub(crate) fn new(address: Address, most: usize, keep: Duration) -> Self {
        Self { address, keep, places: Semaphore::new(most), idle: Mutex::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the right to use a connection. First come, first served.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// One that was kept; those that were kept too long are closed. Whether its store has closed it shows at the first command.
    pub(crate) fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < self.keep);
        idle.pop().map(|(connection, _)| connection)
    }

    /// A new one, that nobody has spoken on.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                // A command must not wait for the acknowledgement of what was sent before.
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }

    /// Keeps one for the next message.
    pub(crate) fn keep(&self, connection: Connection) {
        if !self.keep.is_zero() {
            self.idle().push((connection, Instant::now()));
        }
    }

    /// Closes all that are not in use.
    pub(crate) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
