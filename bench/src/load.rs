//! A plan, and its execution: the threads, and their tallies added up.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::progress::Progress;
use crate::script::Script;
use crate::tally::Tally;
use crate::worker::{Part, Worker};

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// Where to.
    pub address: Address,
    /// What is said.
    pub script: Script,
    /// Threads; at most one for each connection is used.
    pub threads: usize,
    /// Connections that carry load at the same time.
    pub connections: usize,
    /// Messages on each connection; 0: hello and goodbye.
    pub messages_each: u64,
    /// How long new messages are begun.
    pub time: Duration,
    /// How many messages (or sessions, when they carry none) are begun at most.
    pub budget: Option<AtomicU64>,
    /// Open loop: so many messages a second are due.
    pub rate: Option<f64>,
    /// Connections that are held open, after the hello, beside the load.
    pub idle: usize,
    /// Source addresses to take turns with on loopback; 1: the system's choice.
    pub sources: u8,
    /// TLS.
    pub tls: Option<Tls>,
}

/// TLS as the client does it.
#[derive(Debug)]
pub struct Tls {
    /// From the first byte, not by STARTTLS.
    pub implicit: bool,
    /// The library's settings.
    pub config: Arc<ClientConfig>,
    /// Whom the client asks for.
    pub name: ServerName<'static>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Address and port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Plan {
    /// Takes one of the budget; `false` when it is used up.
    pub fn take_one(&self) -> bool {
        self.budget.as_ref().is_none_or(|budget| {
            budget.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
        })
    }

    /// Runs it on all threads, and shows progress on this one.
    pub fn run(&self, quiet: bool) -> io::Result<Tally> {
        let progress = Progress::default();
        let workers = self.parts().map(|part| Worker::new(self, &progress, part));
        let workers = workers.collect::<io::Result<Vec<_>>>()?;
        let mut sum = Tally::default();
        thread::scope(|scope| {
            let shown = scope.spawn(|| progress.show(self.idle as u64, quiet));
            let threads: Vec<_> =
                workers.into_iter().map(|worker| scope.spawn(|| worker.run())).collect();
            let tallies: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
            progress.done.store(true, Relaxed);
            shown.thread().unpark();
            for tally in tallies {
                let tally = tally.map_err(|_| io::Error::other("a thread of load panicked"))??;
                sum.add(&tally);
            }
            Ok(sum)
        })
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        let threads = self.threads.min(self.connections.max(self.idle)).max(1);
        let share =
            move |all: usize, number: usize| all / threads + usize::from(number < all % threads);
        (0..threads).map(move |number| Part {
            number,
            connections: share(self.connections, number),
            idle: share(self.idle, number),
            rate: self.rate.map(|rate| rate / threads as f64),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
