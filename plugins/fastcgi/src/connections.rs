//! The connections to a FastCGI server: so many at a time, and kept for the next request for a while.
//!
//! A process of PHP-FPM that has taken a connection serves nothing else until that is closed. Connections that are kept must
//! therefore never take the processes from one that waits to be served: while one has not yet heard anything, none is kept.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use guerrilla_stream_pool::{Address, Pool, Stream};
use tokio::io::ReadBuf;
use tokio::sync::SemaphorePermit;

/// A pool of connections.
pub(crate) struct Connections {
    address: Address,
    pool: Arc<Pool<Box<dyn Stream>>>,
    /// New connections that have not heard anything yet.
    unheard: Arc<AtomicUsize>,
}

/// One of them, in use.
pub(crate) struct Connection {
    pub(crate) io: Box<dyn Stream>,
    /// There until something was read from a new one.
    pub(crate) unheard: Option<Unheard>,
}

impl Connections {
    pub(crate) fn new(address: Address, most: usize, keep: Duration) -> Self {
        Self { address, pool: Pool::new(most, keep), unheard: Arc::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether connections outlive a request.
    pub(crate) fn are_kept(&self) -> bool {
        self.pool.keeps()
    }

    /// Waits for the right to use a connection. First come, first served.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.pool.place().await
    }

    /// One that was kept and that its server has not closed meanwhile, as far as one can see.
    pub(crate) fn kept(&self) -> Option<Connection> {
        loop {
            let mut io = self.pool.kept()?;
            if is_quiet(&mut *io) {
                return Some(Connection { io, unheard: None });
            }
        }
    }

    /// A new one.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let unheard = Unheard::new(&self.unheard);
        let io = self.address.connect().await?;
        Ok(Connection { io, unheard: Some(unheard) })
    }

    /// Keeps one whose request is answered, unless another waits to be served.
    pub(crate) fn keep(&self, connection: Connection) {
        if self.unheard.load(Ordering::Relaxed) == 0 {
            self.pool.keep(connection.io);
        }
    }

    /// Closes those that were kept long enough, as long as anybody has the pool.
    pub(crate) fn tend(&self) -> impl Future<Output = ()> + Send + use<> {
        self.pool.tend()
    }

    /// Closes all that are not in use.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

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
