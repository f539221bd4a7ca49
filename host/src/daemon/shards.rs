//! A thread for each core, each with a runtime of its own: a connection never changes threads. Which of them a new one goes
//! to: `spread.rs`.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::spread::{Group, Spread};
use crate::net::{Listening, Server, accept};
use crate::observe::cells;
use crate::plugins::ffi::bring_answers;

/// The threads.
pub(super) struct Shards {
    shards: Vec<Shard>,
    spread: Spread,
}

struct Shard {
    runtime: Handle,
    /// Dropping it ends the thread.
    _running: oneshot::Sender<()>,
    thread: Ending,
}

/// A thread that was told to end.
struct Ending {
    /// Hears an error when the thread has dropped all that it had.
    gone: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// Feels whether all threads are alive.
pub(crate) struct Pulse(Vec<Handle>);

impl Pulse {
    /// Waits until each has done something; `false` when one has ended. One that hangs is waited for.
    pub(crate) async fn beats(&self) -> bool {
        let beats: Vec<_> = self.0.iter().map(|runtime| runtime.spawn(async {})).collect();
        for beat in beats {
            if beat.await.is_err() {
                return false;
            }
        }
        true
    }
}

/// A bound socket that is not in any runtime yet.
pub(super) enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Shards {
    /// Starts so many threads.
    pub(super) fn start(number: usize) -> io::Result<Self> {
        let shards = (0..number).map(Shard::start).collect::<io::Result<Vec<_>>>()?;
        let runtimes: Vec<_> = shards.iter().map(|shard| shard.runtime.clone()).collect();
        Ok(Self { shards, spread: Spread::over(&runtimes) })
    }

    /// What tells whether they are alive.
    pub(super) fn pulse(&self) -> Pulse {
        Pulse(self.shards.iter().map(|shard| shard.runtime.clone()).collect())
    }

    /// Has new connections of these sockets, one for each thread, go to the threads with time.
    pub(super) fn steer(&self, sockets: &[std::net::TcpListener]) -> Option<Group> {
        sockets.first().and_then(|socket| self.spread.steer(socket))
    }

    /// Accepts on a socket, on one of the threads; numbers beyond the last begin with the first again.
    pub(super) fn listen(&self, shard: usize, server: Arc<ArcSwap<Server>>, socket: Socket) {
        let Some(shard) = self.shards.get(shard % self.shards.len().max(1)) else { return };
        let tracker = server.load_full();
        shard.runtime.spawn(tracker.accepting(async move {
            match socket.into_listening() {
                Ok(socket) => accept(server, socket).await,
                Err(error) => {
                    tracing::error!("cannot listen on {}: {error}", server.load().listener);
                }
            }
        }));
    }

    /// Ends the threads. What still runs on them is dropped. A thread that hangs, in a processor that has said it never
    /// blocks, is left to the end of the process: nobody can take it out of there.
    pub(super) async fn stop(self) {
        // All are told before the first is waited for.
        let threads: Vec<Ending> = self.shards.into_iter().map(|shard| shard.thread).collect();
        let deadline = Instant::now() + THREADS_END;
        for Ending { gone, thread } in threads {
            if timeout_at(deadline, gone).await.is_err() {
                let name = thread.thread().name().unwrap_or_default();
                tracing::error!(
                    "the network thread {name} hangs, most likely in a processor that says it never blocks: left as it is"
                );
            } else if thread.join().is_err() {
                tracing::error!("a network thread has panicked");
            }
        }
    }
}

impl Shard {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        let (leaves, gone) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("net-{number}")).spawn(move || {
            // The last to be dropped, behind the runtime with all that runs on it.
            let _leaves = leaves;
            let runtime = runtime;
            cells::claim();
            // The sender is never used, only dropped.
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    () = bring_answers() => {}
                }
            });
        })?;
        Ok(Self { runtime: handle, _running: running, thread: Ending { gone, thread } })
    }
}

impl Socket {
    fn into_listening(self) -> io::Result<Listening> {
        Ok(match self {
            Self::Tcp(socket) => Listening::Tcp(tokio::net::TcpListener::from_std(socket)?),
            Self::Unix(socket) => Listening::Unix(tokio::net::UnixListener::from_std(socket)?),
        })
    }
}

impl From<std::net::TcpListener> for Socket {
    fn from(socket: std::net::TcpListener) -> Self {
        Self::Tcp(socket)
    }
}

impl From<std::os::unix::net::UnixListener> for Socket {
    fn from(socket: std::os::unix::net::UnixListener) -> Self {
        Self::Unix(socket)
    }
}

/// How long the threads may take to drop what they have.
const THREADS_END: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_hangs_is_left_and_the_others_are_waited_for() {
        let shards = Shards::start(3).unwrap();
        let (hangs, (release, released)) = (channel(), channel::<()>());
        shards.shards[1].runtime.spawn(async move {
            hangs.0.send(()).unwrap();
            let _ = released.recv_timeout(THREADS_END * 10);
        });
        hangs.1.recv().unwrap();
        let (dropped, drops) = channel::<()>();
        for shard in [0, 2] {
            let dropped = dropped.clone();
            shards.shards[shard].runtime.spawn(async move {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            });
        }
        drop(dropped);
        let begin = Instant::now();
        shards.stop().await;
        assert!(begin.elapsed() < THREADS_END * 5, "after {:?}", begin.elapsed());
        assert!(drops.try_recv().is_err_and(|e| e == std::sync::mpsc::TryRecvError::Disconnected));
        drop(release);
    }
}
