//! One connection, with the runtime that drives it.
//!
//! tokio serves one purpose here: a deadline round a whole attempt, name lookup, TLS handshake and every answer included. Blocking
//! sockets have one for each read only, which a slow server can stretch without end.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind,
    Value,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::target::{Target, Way};
use crate::trouble::Trouble;

/// A place for a connection. Used by one thread at a time.
pub(crate) struct Link {
    runtime: Runtime,
    connection: Option<Connection>,
}

#[derive(Clone)]
enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, connection: None })
    }

    /// Whether there is a connection, as far as known.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Sends all commands before it reads the first answer; one answer for each, in order. After an error nobody knows
    /// which of them were carried out.
    pub(crate) fn send(
        &mut self,
        target: &Target,
        commands: Vec<Cmd>,
        until: Instant,
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let moves = !matches!(target.way, Way::Server(_));
        let most = until.saturating_duration_since(Instant::now()).min(target.timeout);
        let connection = self.connection.take();
        let attempt = async {
            let connection = match connection {
                Some(connection) => connection,
                None => connect(target, most).await?,
            };
            let answers = connection.clone().send(commands).await?;
            Ok::<_, RedisError>((connection, answers))
        };
        // A connection whose answers did not come in time is not used again: they would be taken for others.
        let (connection, answers) =
            match self.runtime.block_on(async { timeout(most, attempt).await }) {
                Err(_) => return Err(Trouble::timeout()),
                Ok(Err(error)) => return Err(Trouble::of(&error, moves)),
                Ok(Ok(done)) => done,
            };
        if !answers.iter().any(|answer| answer.as_ref().is_err_and(ends_connection)) {
            self.connection = Some(connection);
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.map_err(|error| Trouble::of(&error, moves)))
            .collect())
    }

    /// Ends it; a name lookup that hangs is left behind.
    pub(crate) fn close(self) {
        drop(self.connection);
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Connection {
    async fn send(self, commands: Vec<Cmd>) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Self::Server(mut connection) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.ignore_errors().query_async(&mut connection).await
            }
            // Keys lie on different nodes. Commands that are under way together are written together on each.
            Self::Cluster(connection) => {
                let each = commands.into_iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { command.query_async(&mut connection).await }
                });
                Ok(join_all(each).await)
            }
        }
    }
}

async fn connect(target: &Target, most: Duration) -> RedisResult<Connection> {
    // The deadline stands round all of it already; the driver's own would be shorter.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(Some(most.max(target.timeout)));
    Ok(match &target.way {
        Way::Server(client) => {
            Connection::Server(client.get_multiplexed_async_connection_with_config(&config).await?)
        }
        Way::Sentinel(client) => {
            Connection::Server(client()?.get_async_connection_with_config(&config).await?)
        }
        Way::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
    })
}

/// Whether to connect anew after this answer: another server may have taken over under the same name, or a node of the cluster
/// is gone.
fn ends_connection(error: &RedisError) -> bool {
    use ServerErrorKind as Kind;
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(kind, Kind::ReadOnly | Kind::MasterDown | Kind::ClusterDown | Kind::Moved)
        }
        ErrorKind::Extension => matches!(error.code(), Some("NOAUTH")),
        _ => true,
    }
}
