//! Taking connections in.
//!
//! *Never*: ends because of an error. Out of descriptors, out of memory: it waits a little and goes on; go-guerrilla
//! spun.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

use super::arrival;
use super::server::Server;
use super::wire::Wire;

/// Accepts on one socket until the server stops. Runs on the thread that serves what it accepts.
pub(crate) async fn accept(server: Arc<Server>, socket: Listening) {
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(arrival) => {
                pause = FIRST_PAUSE;
                server.connections.spawn(arrival::serve(Arc::clone(&server), arrival));
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

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
