//! Calls of scripts: one answer within a time, or the reason why there is none.
//!
//! Connecting is tried again until the time is over, which repeats nothing. A request is sent a second time only when a kept
//! connection has broken before anything came back: that is how a server's own closing of such a connection looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guerrilla_plugin_api::Host;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::Answer;
use crate::connections::{Connection, Connections};
use crate::exchange::{Lost, exchange};
use crate::request::Request;

/// Calls scripts of one FastCGI server.
pub(crate) struct Calls {
    host: Host,
    connections: Connections,
    /// Whether the log says that the server is away.
    away: AtomicBool,
}

impl Calls {
    pub(crate) fn new(host: Host, connections: Connections) -> Self {
        Self { host, connections, away: AtomicBool::new(false) }
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Sends a request and waits for its answer until then.
    ///
    /// # Errors
    /// Why there is none: one line.
    pub(crate) async fn call(
        &self,
        request: &Request<'_>,
        until: Instant,
    ) -> Result<Answer, String> {
        let begun = Instant::now();
        let mut doing = Doing::Queueing;
        let answer = timeout_at(until, self.attempts(request, &mut doing)).await;
        self.host.observe("call_seconds", begun.elapsed().as_secs_f64());
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(lost)) => Err(lost.to_string()),
            Err(_) => Err(format!("{doing} (waited {:.1} s)", begun.elapsed().as_secs_f64())),
        }
    }

    /// Looks whether the server is there.
    pub(crate) async fn probe(&self) {
        // Who else waits is none of its business.
        if let Err(error) = self.connections.connect().await {
            self.lost(&error);
        }
    }

    async fn attempts(&self, request: &Request<'_>, doing: &mut Doing) -> Result<Answer, Lost> {
        let _place = self.connections.place().await;
        if let Some(kept) = self.connections.kept() {
            *doing = Doing::Answering;
            match self.attempt(kept, request).await {
                Err(Lost::BeforeAnswer(_)) => self.host.count("retried", 1),
                answer => return answer,
            }
        }
        let connection = self.connect(doing).await;
        *doing = Doing::Answering;
        self.attempt(connection, request).await
    }

    async fn attempt(
        &self,
        mut connection: Connection,
        request: &Request<'_>,
    ) -> Result<Answer, Lost> {
        let keep = self.connections.are_kept();
        let (answer, reusable) = exchange(&mut connection, request, keep).await?;
        if reusable {
            self.connections.keep(connection);
        }
        Ok(answer)
    }

    /// A new connection, however long it takes.
    async fn connect(&self, doing: &mut Doing) -> Connection {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connections.connect().await {
                Ok(connection) => {
                    self.host.count("connected", 1);
                    if self.away.swap(false, Ordering::Relaxed) {
                        self.host.info(format_args!("{}: is back", self.connections.address()));
                    }
                    return connection;
                }
                Err(error) => {
                    self.lost(&error);
                    *doing = Doing::Connecting(error);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One line in the log when it goes, however many wait for it.
    fn lost(&self, error: &std::io::Error) {
        if !self.away.swap(true, Ordering::Relaxed) {
            let address = self.connections.address();
            self.host.error(format_args!("{address}: {error}; mail is deferred until it is there"));
        }
    }
}

/// What a call was about when its time was over.
#[derive(Debug, thiserror::Error)]
enum Doing {
    #[error("all connections are in use (fcgi_connections)")]
    Queueing,
    #[error("cannot be reached: {0}")]
    Connecting(std::io::Error),
    #[error("does not answer in time")]
    Answering,
}

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
