//! From messages that wait to rows that are committed: attempts, back-off, and which message is to blame.
//!
//! A group of messages is one transaction. When the database does not take a row of it, the group is halved until the
//! message is alone that is to blame; all others are stored. A connection that is lost before COMMIT has stored nothing, so
//! the transaction is tried again within the messages' time. One that is lost in COMMIT may have stored everything:
//! the messages are deferred, and when the clients send them again there may be two of each. That is the price of never
//! losing one.
//!
//! *Limits*: no call outlives the deadline of the messages; [`MOST_ROWS`] rows and about [`STATEMENT`] bytes for a statement.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guerrilla_plugin_api::{Held, Host, Transaction, Verdict};
use guerrilla_sql_client::Trouble;
use tokio::time::{Instant, sleep, timeout_at};

use crate::failed::{Failed, one_line};
use crate::lanes::{Lanes, Open};
use crate::record::{Record, Row};
use crate::session::Session;
use crate::statement::Insert;
use crate::target::Target;

/// The database, and how to write to it.
pub(crate) struct Store {
    host: Host,
    target: Target,
    insert: Insert,
    /// The INSERT for one row, two, and so on, once it was needed.
    statements: Mutex<Vec<Option<Arc<str>>>>,
    lanes: Lanes,
    /// Host of generated message ids.
    mail_host: String,
    /// Since when nobody could connect.
    down_since: Mutex<Option<Instant>>,
}

impl Store {
    pub(crate) fn new(
        host: Host,
        target: Target,
        insert: Insert,
        lanes: Lanes,
        mail_host: String,
    ) -> Self {
        let statements = Mutex::new(vec![None; MOST_ROWS + 1]);
        Self { host, target, insert, statements, lanes, mail_host, down_since: Mutex::default() }
    }

    /// Connects, runs what is to be run first, and lets the database look at the INSERT.
    pub(crate) fn open(&self, first: &[String]) -> Result<(), String> {
        let mut lane = self.lanes.take().map_err(|e| format!("no runtime: {e}"))?;
        let opened = async {
            let mut session = self
                .connect_patiently()
                .await
                .map_err(|e| format!("sql_dsn: cannot connect: {e}"))?;
            for sql in first {
                let made = session.execute(sql.as_str().into()).await;
                made.map_err(|e| format!("sql_create_table: {}", one_line(&e)))?;
            }
            match session.check(self.statement(1)).await {
                Ok(None) => Ok(session),
                Ok(Some(count)) => {
                    Err(format!("sql_values: the database finds {count} markers in it"))
                }
                Err(e) => Err(format!(
                    "mail_table, sql_insert, sql_values: the INSERT cannot be used: {}",
                    one_line(&e)
                )),
            }
        };
        let session = lane.runtime.block_on(opened)?;
        lane.open = Some(Open { session, since: std::time::Instant::now() });
        self.lanes.put_back(lane);
        Ok(())
    }

    /// Stores messages and completes each.
    pub(crate) fn save(&self, mails: Vec<Held>) {
        // What is dropped is deferred.
        let mut lane = match self.lanes.take() {
            Ok(lane) => lane,
            Err(e) => return self.host.error(format_args!("no runtime: {e}")),
        };
        lane.runtime.block_on(self.save_groups(&mut lane.open, mails));
        self.lanes.put_back(lane);
    }

    pub(crate) fn close(&self) {
        self.lanes.close();
    }

    async fn save_groups(&self, open: &mut Option<Open>, mails: Vec<Held>) {
        let mut groups = vec![mails];
        while let Some(mut group) = groups.pop() {
            let failed = match self.store(open, &mut group).await {
                Ok(()) => {
                    group.into_iter().for_each(|held| held.complete(Verdict::CONTINUE));
                    continue;
                }
                Err(failed) => failed,
            };
            if failed.trouble.is_of_one_message() && group.len() > 1 {
                let second = group.split_off(group.len() / 2);
                groups.extend([second, group]);
                continue;
            }
            self.report(&failed, &mut group);
            group.into_iter().for_each(|held| held.complete(failed.verdict()));
        }
    }

    /// Stores all or none, trying again while that makes sense and there is time.
    async fn store(&self, open: &mut Option<Open>, mails: &mut [Held]) -> Result<(), Failed> {
        let mut txns: Vec<Transaction<'_>> = mails.iter_mut().map(Held::transaction).collect();
        let until = deadline(&txns);
        for txn in &mut txns {
            adopt_hash(txn);
        }
        let records: Vec<Record<'_>> =
            txns.iter().map(|txn| Record::of(txn, &self.mail_host)).collect();
        let committing = Cell::new(false);
        let mut pause = FIRST_PAUSE;
        loop {
            let failed = match timeout_at(until, self.attempt(open, &records, &committing)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failed)) => failed,
                Err(_) => return Err(Failed::late(committing.get())),
            };
            // Whoever finds the database gone for long makes one attempt: clients should not wait for nothing.
            if !failed.is_worth_another() || self.is_long_down() || Instant::now() + pause >= until
            {
                return Err(failed);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        open: &mut Option<Open>,
        records: &[Record<'_>],
        committing: &Cell<bool>,
    ) -> Result<(), Failed> {
        committing.set(false);
        let mut held = match open.take() {
            Some(held) => held,
            None => Open { session: self.connect().await?, since: std::time::Instant::now() },
        };
        let began = Instant::now();
        // One that is dropped half-way is not put back: it stands in the middle of something.
        let Err(failed) = self.transact(&mut held.session, records, committing).await else {
            self.host.observe("transaction_seconds", began.elapsed().as_secs_f64());
            self.count_stored(records);
            if records.iter().map(|record| record.row_size).sum::<usize>() > STATEMENT {
                held.session.shrink();
            }
            *open = Some(held);
            return Ok(());
        };
        let is_usable = !matches!(failed.trouble, Trouble::Lost | Trouble::Refused);
        if is_usable && held.session.rollback().await.is_ok() {
            *open = Some(held);
        }
        Err(failed)
    }

    async fn transact(
        &self,
        session: &mut Session,
        records: &[Record<'_>],
        committing: &Cell<bool>,
    ) -> Result<(), Failed> {
        session.begin().await?;
        let with_rows =
            records.iter().flat_map(|record| record.rows.iter().map(move |row| (record, row)));
        let rows: Vec<(&Record<'_>, &Row)> = with_rows.collect();
        let mut rows = rows.as_slice();
        while !rows.is_empty() {
            let (now, later) = rows.split_at(fitting(rows, session.largest())?);
            session.insert(self.statement(now.len()), now).await?;
            rows = later;
        }
        committing.set(true);
        session.commit().await.map_err(Failed::in_commit)
    }

    async fn connect(&self) -> Result<Session, Failed> {
        let connecting = tokio::time::timeout(CONNECTING, Session::connect(&self.target));
        let connected = match connecting.await {
            Ok(connected) => connected.map_err(Failed::from),
            Err(_) => Err(Failed::late(false)),
        };
        let mut down_since = self.down_since();
        match (&connected, *down_since) {
            (Ok(_), since) => {
                self.host.count("connections", 1);
                if let Some(since) = since {
                    let seconds = since.elapsed().as_secs_f32();
                    self.host
                        .info(format_args!("the database is there again after {seconds:.1} s"));
                }
                *down_since = None;
            }
            (Err(failed), None) => {
                self.host.error(format_args!("the database cannot be reached: {failed}"));
                *down_since = Some(Instant::now());
            }
            (Err(_), Some(_)) => {}
        }
        connected
    }

    /// At the start, the database may be starting too.
    async fn connect_patiently(&self) -> Result<Session, Failed> {
        let until = Instant::now() + START;
        loop {
            match self.connect().await {
                Err(failed) if failed.is_worth_another() && Instant::now() < until => {
                    sleep(LONGEST_PAUSE / 4).await
                }
                done => return done,
            }
        }
    }

    fn statement(&self, rows: usize) -> Arc<str> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(statements[rows].get_or_insert_with(|| self.insert.text(rows).into()))
    }

    fn is_long_down(&self) -> bool {
        self.down_since().is_some_and(|since| since.elapsed() > PATIENCE)
    }

    fn down_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.down_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_stored(&self, records: &[Record<'_>]) {
        self.host.count("batches", 1);
        self.host.count("messages", records.len() as u64);
        self.host.count("rows", records.iter().map(|record| record.rows.len() as u64).sum());
    }

    fn report(&self, failed: &Failed, mails: &mut [Held]) {
        self.host.count("failed", mails.len() as u64);
        let mut ids = String::new();
        for held in mails.iter_mut().take(MOST_NAMED) {
            ids.push_str(held.transaction().queued_id());
            ids.push(' ');
        }
        let more = mails.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!("and {more} more ") } else { String::new() };
        self.host.error(format_args!("{ids}{more}not stored: {failed}"));
    }
}

/// How many of the rows go into one statement; at least one.
fn fitting(rows: &[(&Record<'_>, &Row)], largest: usize) -> Result<usize, Failed> {
    let mut size = 0;
    for (count, (record, _)) in rows.iter().enumerate() {
        if record.row_size > largest {
            let why =
                format!("{} bytes are more than the database takes ({largest})", record.row_size);
            return Err(Failed::too_big(why));
        }
        size += record.row_size;
        if count == MOST_ROWS || (count > 0 && size > STATEMENT.min(largest)) {
            return Ok(count);
        }
    }
    Ok(rows.len())
}

/// When the first of them has to have its answer: somewhat before the host gives up on it.
fn deadline(txns: &[Transaction<'_>]) -> Instant {
    Instant::now() + txns.iter().map(Transaction::time_left).min().unwrap_or_default()
}

/// The first hash is the id that the client hears, as with go-guerrilla: so that a row can be found by it.
fn adopt_hash(txn: &mut Transaction<'_>) {
    let hash = txn.hashes().next().map(str::to_owned);
    if let Some(hash) = hash {
        // Without it the id stays what it was, which is one, too.
        let _ = txn.set_queued_id(&hash);
    }
}

/// Most rows of one statement: 896 arguments, below the limits of every database.
const MOST_ROWS: usize = 64;
/// Bytes of a statement with several rows: beyond this a larger one gains nothing, and takes memory.
const STATEMENT: usize = 4 * 1024 * 1024;
/// Ids in one log line.
const MOST_NAMED: usize = 20;
/// How long one attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long the start tries to connect.
const START: Duration = Duration::from_secs(5);
/// The first and the longest time between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// An outage that lasts longer makes messages be deferred after one attempt.
const PATIENCE: Duration = Duration::from_secs(10);
