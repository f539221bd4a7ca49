//! The table: rows go in by one transaction for a batch.
//!
//! When a connection is lost nobody knows whether its COMMIT has arrived, and rows that are written again would be there twice. So
//! before a second attempt the table is asked, by a locking read, which waits for a transaction that is still under way.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use guerrilla_redis_client::Trouble;
use guerrilla_sql_client::{Trouble as Meaning, connect};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, Error, Executor, Row};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::record::Record;

/// Connections to the database and the name of the table.
pub(crate) struct Table {
    options: MySqlConnectOptions,
    /// Quoted.
    name: String,
    idle: Mutex<Vec<Session>>,
}

/// A place for a connection, with the runtime that drives it. tokio is there for the deadline round a whole attempt.
struct Session {
    runtime: Runtime,
    open: Option<Open>,
}

/// A connection that stands.
struct Open {
    connection: MySqlConnection,
    /// Most bytes of a statement with its arguments.
    largest: usize,
}

impl Table {
    pub(crate) fn new(options: MySqlConnectOptions, name: String) -> Self {
        Self { options, name, idle: Mutex::default() }
    }

    /// Connects and looks whether the table has the columns.
    pub(crate) fn probe(&self) -> Result<(), Trouble> {
        let sql = format!("SELECT {COLUMNS} FROM {} LIMIT 0", self.name);
        self.run(Instant::now() + LONGEST_ATTEMPT, async |open| {
            open.connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop)
        })
    }

    /// Writes the rows of all these messages, or none. With `again`, those that are there already are left out.
    pub(crate) fn insert(
        &self,
        records: &[Record],
        again: bool,
        until: Instant,
    ) -> Result<(), Trouble> {
        let written = self.run(until, async |Open { connection, largest }| {
            let sizes = records.iter().map(Record::row_size);
            if let Some(size) = sizes.max().filter(|size| size > largest) {
                return Ok(Err(too_big(size, *largest)));
            }
            let present =
                if again { self.present(connection, records).await? } else { HashSet::new() };
            let missing = |record: &&Record| !present.contains(record.hash.as_bytes());
            let missing: Vec<&Record> = records.iter().filter(missing).collect();
            if missing.is_empty() {
                return Ok(Ok(()));
            }
            connection.execute("BEGIN").await?;
            for statement in statements(&missing, MOST_BYTES.min(*largest)) {
                self.insert_some(connection, &statement).await?;
            }
            connection.execute("COMMIT").await?;
            Ok(Ok(()))
        });
        written?
    }

    /// Closes what nobody uses.
    pub(crate) fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(Session::close);
    }

    /// The hashes of these messages that are in the table. Their rows were committed together, so one stands for all.
    async fn present(
        &self,
        connection: &mut MySqlConnection,
        records: &[Record],
    ) -> Result<HashSet<Vec<u8>>, Error> {
        let places = vec!["?"; records.len()].join(",");
        let sql = format!(
            "SELECT DISTINCT `hash` FROM {} WHERE `hash` IN ({places}) LOCK IN SHARE MODE",
            self.name
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for record in records {
            query = query.bind(&record.hash);
        }
        let rows = query.fetch_all(connection).await?;
        // The column's type is the operator's choice.
        rows.iter().map(|row| row.try_get_unchecked(0)).collect()
    }

    async fn insert_some(
        &self,
        connection: &mut MySqlConnection,
        rows: &[(&Record, &str)],
    ) -> Result<(), Error> {
        let values = vec![VALUES; rows.len()].join(",");
        let sql = format!("INSERT INTO {} ({COLUMNS}) VALUES {values}", self.name);
        // It stays prepared for the next batch of that size: closing it would be a packet without an answer in front of COMMIT,
        // which waits 40 ms for its acknowledgement.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (record, recipient) in rows {
            let (body, mail): (_, &[u8]) =
                if record.is_in_redis { ("redis", &[]) } else { ("gzencode", &record.value) };
            query = query.bind(*recipient).bind(&record.from).bind(&record.subject).bind(body);
            query = query.bind(mail).bind(&record.hash).bind(*recipient);
            query = query.bind(&record.remote_ip).bind(&record.from).bind(record.is_tls);
        }
        query.execute(connection).await.map(drop)
    }

    /// Does something with a connection within a time. One that has failed is not used again: the server undoes what was
    /// not committed on it.
    fn run<T>(
        &self,
        until: Instant,
        work: impl AsyncFnOnce(&mut Open) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let idle = self.idle().pop();
        let mut session = match idle {
            Some(session) => session,
            None => Session::new().map_err(|error| Trouble::Passing(error.to_string()))?,
        };
        let most = until.saturating_duration_since(Instant::now()).min(LONGEST_ATTEMPT);
        let open = session.open.take();
        let attempt = async {
            let mut open = match open {
                Some(open) => open,
                None => {
                    let (connection, largest) = connect(&self.options).await?;
                    Open { connection, largest }
                }
            };
            let done = work(&mut open).await?;
            Ok::<_, Error>((open, done))
        };
        match session.runtime.block_on(async { timeout(most, attempt).await }) {
            Ok(Ok((open, done))) => {
                session.open = Some(open);
                self.idle().push(session);
                Ok(done)
            }
            Ok(Err(error)) => {
                session.close();
                Err(trouble_of(&error))
            }
            Err(_) => {
                session.close();
                Err(Trouble::Passing("no answer in time".to_owned()))
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the log: without user and password.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options.get_socket() {
            Some(path) => write!(f, "mysql {} {}", path.display(), self.name),
            None => write!(
                f,
                "mysql {}:{} {}",
                self.options.get_host(),
                self.options.get_port(),
                self.name
            ),
        }
    }
}

impl Session {
    fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, open: None })
    }

    fn close(mut self) {
        let open = self.open.take();
        {
            // Its socket belongs to this runtime.
            let _in_runtime = self.runtime.enter();
            drop(open);
        }
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// What an error means for the rows in hand: whether the same is tried again, or which of the messages is to blame is sought.
fn trouble_of(error: &Error) -> Trouble {
    let why = error.to_string().replace(['\r', '\n'], " ");
    match Meaning::of(error) {
        Meaning::Lost | Meaning::Busy => Trouble::Passing(why),
        Meaning::Full => Trouble::Refused { why, full: true },
        Meaning::Refused | Meaning::Row | Meaning::TooBig => Trouble::Refused { why, full: false },
    }
}

/// Known before it is sent.
fn too_big(size: usize, largest: usize) -> Trouble {
    let why = format!("a row of {size} bytes is more than the database takes ({largest})");
    Trouble::Refused { why, full: false }
}

/// The rows of all messages, cut into what one statement takes.
fn statements<'r>(records: &[&'r Record], most: usize) -> Vec<Vec<(&'r Record, &'r str)>> {
    let mut statements: Vec<Vec<_>> = vec![Vec::new()];
    let mut bytes = 0;
    for record in records {
        let of_row = record.row_size();
        for recipient in &record.recipients {
            let rows = statements.last().map_or(0, Vec::len);
            if rows > 0 && (rows == MOST_ROWS || bytes + of_row > most) {
                statements.push(Vec::new());
                bytes = 0;
            }
            bytes += of_row;
            if let Some(last) = statements.last_mut() {
                last.push((*record, recipient.as_str()));
            }
        }
    }
    statements.retain(|rows| !rows.is_empty());
    statements
}

/// In the order in which they are bound.
const COLUMNS: &str = "`date`, `to`, `from`, `subject`, `body`, `charset`, `mail`, `spam_score`, `hash`, \
    `content_type`, `recipient`, `has_attach`, `ip_addr`, `return_path`, `is_tls`";
const VALUES: &str = "(NOW(), ?, ?, ?, ?, 'UTF-8', ?, 0, ?, '', ?, 0, ?, ?, ?)";
/// Of one statement; MySQL takes 65,535 values, and packets of 16 MiB (MariaDB) unless the operator says otherwise.
const MOST_ROWS: usize = 500;
const MOST_BYTES: usize = 768 << 10;
/// A connection that is dead without knowing it is given up after so long.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);
