//! The connections to a FastCGI server: so many at a time, and kept for the next request for a while.
//!
//! A process of PHP-FPM that has taken a connection serves nothing else until that is closed. Connections that are kept must
//! therefore never take the processes from one that waits to be served: while one has not yet heard anything, none is kept.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, interval};

/// Where a FastCGI server is.
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
    /// How long one is kept without a request.
    keep: Duration,
    places: Semaphore,
    idle: Mutex<Vec<Idle>>,
    /// New connections that have not heard anything yet.
    unheard: Arc<AtomicUsize>,
}

/// One of them, in use.
pub(crate) struct Connection {
    pub(crate) io: Box<dyn Stream>,
    /// There until something was read from a new one.
    pub(crate) unheard: Option<Unheard>,
}

struct Idle {
    io: Box<dyn Stream>,
    since: Instant,
}

impl Connections {
    pub(crate) fn new(address: Address, most: usize, keep: Duration) -> Self {
        let (idle, unheard) = (Mutex::default(), Arc::default());
        Self { address, keep, places: Semaphore::new(most), idle, unheard }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether connections outlive a request.
    pub(crate) fn are_kept(&self) -> bool {
        !self.keep.is_zero()
    }

    /// Waits for the right to use a connection. First come, first served.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// One that was kept and that its server has not closed meanwhile, as far as one can see.
    pub(crate) fn kept(&self) -> Option<Connection> {
        loop {
            let mut idle = self.idle().pop()?;
            if is_quiet(&mut *idle.io) {
                return Some(Connection { io: idle.io, unheard: None });
            }
        }
    }

    /// A new one.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let unheard = Unheard::new(&self.unheard);
        let io: Box<dyn Stream> = match &self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                // The end of a request must not wait for an acknowledgement of its beginning.
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        Ok(Connection { io, unheard: Some(unheard) })
    }

    /// Keeps one whose request is answered, unless another waits to be served.
    pub(crate) fn keep(&self, connection: Connection) {
        if self.are_kept() && self.unheard.load(Ordering::Relaxed) == 0 {
            self.idle().push(Idle { io: connection.io, since: Instant::now() });
        }
    }

    /// Closes those that were kept long enough, as long as anybody has the pool.
    pub(crate) async fn tend(pool: Weak<Self>) {
        let Some(keep) = pool.upgrade().map(|pool| pool.keep).filter(|keep| !keep.is_zero()) else {
            return;
        };
        let mut ticks = interval(keep / 4);
        loop {
            ticks.tick().await;
            let Some(pool) = pool.upgrade() else { return };
            pool.idle().retain(|idle| idle.since.elapsed() < keep);
        }
    }

    /// Closes all that are not in use.
    pub(crate) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Counts as long as it lives.
pub(crate) struct Unheard(Arc<AtomicUsize>);

impl Unheard {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether there is nothing to read, not even an end.
fn is_quiet(io: &mut dyn Stream) -> bool {
    let mut octet = [0];
    let mut context = Context::from_waker(Waker::noop());
    let read = Pin::new(io).poll_read(&mut context, &mut ReadBuf::new(&mut octet));
    matches!(read, Poll::Pending)
}
