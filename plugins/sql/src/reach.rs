//! How the database is reached: connections, what is run on the first of them, and since when there have been none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guerrilla_plugin_api::Host;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use crate::failed::Failed;
use crate::session::Session;
use crate::target::Target;

/// The way to the database.
pub(crate) struct Reach {
    host: Host,
    target: Target,
    /// What is run before anything else.
    first: Vec<String>,
    /// The INSERT for one row.
    insert: Arc<str>,
    /// Set when that was run and the database has looked at the INSERT.
    is_ready: OnceCell<()>,
    /// Since when nobody could connect.
    down_since: Mutex<Option<Instant>>,
}

impl Reach {
    pub(crate) fn new(host: Host, target: Target, first: Vec<String>, insert: Arc<str>) -> Self {
        let (is_ready, down_since) = (OnceCell::new(), Mutex::default());
        Self { host, target, first, insert, is_ready, down_since }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// At the start. `Ok(None)`: the database is away, or others are in its way, which will pass; the log says so.
    pub(crate) async fn open(&self) -> Result<Option<Session>, String> {
        match self.try_connect().await {
            Err(failed) if !failed.is_worth_another() => Err(format!("{}: {failed}", self.target)),
            connected => {
                self.note(&connected);
                Ok(connected.ok())
            }
        }
    }

    /// A connection that is ready for messages.
    pub(crate) async fn connect(&self) -> Result<Session, Failed> {
        let connected = self.try_connect().await;
        self.note(&connected);
        connected
    }

    /// Whether it has been away for so long that clients had better not wait.
    pub(crate) fn is_long_down(&self) -> bool {
        self.down_since().is_some_and(|since| since.elapsed() > PATIENCE)
    }

    async fn try_connect(&self) -> Result<Session, Failed> {
        let mut session = match timeout(CONNECTING, Session::connect(&self.target)).await {
            Ok(connected) => connected.map_err(|error| Failed::at("cannot connect", &error))?,
            Err(_) => return Err(Failed::late(false)),
        };
        self.is_ready.get_or_try_init(async || self.prepare(&mut session).await).await?;
        Ok(session)
    }

    /// Runs what is to be run first, and lets the database look at the INSERT.
    async fn prepare(&self, session: &mut Session) -> Result<(), Failed> {
        for sql in &self.first {
            let made = session.execute(sql.as_str().into()).await;
            made.map_err(|error| Failed::at("sql_create_table", &error))?;
        }
        match session.check(Arc::clone(&self.insert)).await {
            Ok(None) => {}
            Ok(Some(count)) => {
                let why = format!("sql_values: the database finds {count} markers in it");
                return Err(Failed::unusable(why));
            }
            Err(error) => return Err(Failed::at(UNUSABLE, &error)),
        }
        self.host.info(format_args!("stores in {}", self.target));
        Ok(())
    }

    /// One line when it goes, and one when it is back.
    fn note(&self, connected: &Result<Session, Failed>) {
        let mut down_since = self.down_since();
        match (connected, *down_since) {
            (Ok(_), since) => {
                self.host.count("connections", 1);
                if let Some(since) = since {
                    let seconds = since.elapsed().as_secs_f32();
                    self.host.info(format_args!("{}: back after {seconds:.1} s", self.target));
                }
                *down_since = None;
            }
            (Err(failed), None) => {
                let target = &self.target;
                self.host
                    .error(format_args!("{target}: {failed}; mail is deferred until it is there"));
                *down_since = Some(Instant::now());
            }
            (Err(_), Some(_)) => {}
        }
    }

    fn down_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.down_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const UNUSABLE: &str = "mail_table, sql_insert, sql_values: the INSERT cannot be used";
/// How long one attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// An outage that lasts longer makes messages be deferred after one attempt.
const PATIENCE: Duration = Duration::from_secs(10);
