//! Taking connections in.
//!
//! *Never*: ends because of an error. Out of descriptors, out of memory: it waits a little and goes on; go-guerrilla
//! spun.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};

use super::arrival;
use super::server::Server;
use super::stop::Stop;
use super::wire::Wire;

/// Accepts on one socket until the server stops, each client for the server as it is configured then. Runs on the
/// thread that serves what it accepts.
pub(crate) async fn accept(server: Arc<ArcSwap<Server>>, socket: Listening) {
    let stop = server.load().stop.clone();
    let mut pause = FIRST_PAUSE;
    let mut last = MOST_AT_THE_END;
    let mut looked = false;
    while last > 0 {
        let accepted = tokio::select! {
            biased;
            // They wait for whoever listens next.
            () = stop.begun(), if server.load().leaves_its_queue() => return,
            accepted = next(&socket, &stop, &mut looked) => accepted,
        };
        let Some(accepted) = accepted else { return };
        if stop.has_begun() {
            last -= 1;
        }
        let server = server.load_full();
        match accepted {
            Ok(arrival) => {
                pause = FIRST_PAUSE;
                serve(server, arrival);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(
                    "{}: cannot accept: {error}; trying again in {pause:?}",
                    server.listener
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The next client; none when the server has begun to end and nobody waits any more. Whoever is in the queue by then is taken in
/// and hears 421: a closed socket would reset them.
async fn next(
    socket: &Listening,
    stop: &Stop,
    looked: &mut bool,
) -> Option<io::Result<arrival::Arrival>> {
    loop {
        tokio::select! {
            biased;
            accepted = socket.accept() => return Some(accepted),
            () = stop.begun() => {
                if *looked {
                    return None;
                }
                // Of those who have come since the thread has looked at its sockets nobody knows yet. It does so between two turns.
                tokio::task::yield_now().await;
                *looked = true;
            }
        }
    }
}

fn serve(server: Arc<Server>, arrival: arrival::Arrival) {
    // Boxed, for tokio's tasks are aligned to 128 bytes: a task with all of it inside leaves a hole beside it in memory
    // that is 300 bytes larger.
    let client = Box::pin(arrival::serve(Arc::clone(&server), arrival));
    if server.route.is_usual() {
        server.connections.spawn(client);
    } else {
        server.connections.spawn(server.route.of(client));
    }
}

/// A listening socket in this thread's runtime.
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    async fn accept(&self) -> io::Result<arrival::Arrival> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // Replies are written whole; waiting for more would only stall the client (Nagle against delayed ACK).
                stream.set_nodelay(true)?;
                let local = stream.local_addr().ok();
                Ok(arrival::Arrival { wire: Wire::from(stream), remote: Some(remote), local })
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(arrival::Arrival { wire: Wire::from(stream), remote: None, local: None })
            }
        }
    }
}

/// The client has gone already; the next one is none the worse for it.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}

/// Clients that are taken in when the server has been told to end: a flood must not keep it from that.
const MOST_AT_THE_END: u32 = 256;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::{TcpListener as StdListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn who_is_in_the_queue_at_the_end_is_taken_in() {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let socket = Listening::Tcp(TcpListener::from_std(listener).unwrap());
        // The thread is in the middle of a turn when they come, and when it hears of the end.
        let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        let stop = Stop::default();
        stop.begin();
        let (mut looked, mut taken) = (false, 0);
        while let Some(accepted) = next(&socket, &stop, &mut looked).await {
            accepted.unwrap();
            taken += 1;
        }
        assert_eq!(taken, clients.len());
    }
}
