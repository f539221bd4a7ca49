//! From messages that wait to rows that are committed: attempts, back-off, and which message is to blame.
//!
//! A group of messages is one transaction. When the database does not take a row of it, the group is halved until the
//! message is alone that is to blame; all others are stored. A connection that is lost before COMMIT has stored nothing, so
//! the transaction is tried again within the messages' time. One that is lost in COMMIT may have stored everything:
//! the messages are deferred, and when the clients send them again there may be two of each. That is the price of never
//! losing one.
//!
//! Messages of a group have come at different times. One whose time ends is deferred alone: before COMMIT the others are tried
//! again without it, and once COMMIT is sent each of them waits for the answer for as long as it can.
//!
//! *Limits*: nobody waits beyond the deadline of its message; [`MOST_ROWS`] rows and about [`STATEMENT`] bytes for a statement.

use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guerrilla_plugin_api::{Batch, Host, Transaction};
use guerrilla_sql_client::Trouble;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::failed::Failed;
use crate::lanes::{Lanes, Open};
use crate::reach::Reach;
use crate::record::{Record, Row};
use crate::session::Session;
use crate::statement::Insert;
use crate::waiting::{Waiting, earliest};

/// The database, and how to write to it.
pub(crate) struct Store {
    host: Host,
    reach: Reach,
    insert: Insert,
    /// The INSERT for one row, two, and so on, once it was needed.
    statements: Mutex<Vec<Option<Arc<str>>>>,
    lanes: Lanes,
    /// Host of generated message ids.
    mail_host: String,
}

impl Store {
    pub(crate) fn new(
        host: Host,
        reach: Reach,
        insert: Insert,
        lanes: Lanes,
        mail_host: String,
    ) -> Self {
        let statements = Mutex::new(vec![None; MOST_ROWS + 1]);
        Self { host, reach, insert, statements, lanes, mail_host }
    }

    /// Connects, so that what cannot be used is known at the start. A database that is away is waited for: which of the two starts
    /// first does not matter.
    pub(crate) fn open(&self) -> Result<(), String> {
        let mut lane = self.lanes.take().map_err(|e| format!("no runtime: {e}"))?;
        let opened = lane.runtime.block_on(self.reach.open())?;
        lane.open = opened.map(Open::new);
        self.lanes.put_back(lane);
        Ok(())
    }

    /// Stores messages and completes each.
    pub(crate) fn save(&self, batch: Batch) {
        let now = Instant::now();
        // What is dropped is deferred.
        let mut lane = match self.lanes.take() {
            Ok(lane) => lane,
            Err(e) => return self.host.error(format_args!("no runtime: {e}")),
        };
        let mails = batch.into_iter().map(|held| Waiting::new(held, now)).collect();
        lane.runtime.block_on(self.save_groups(&mut lane.open, mails));
        self.lanes.put_back(lane);
    }

    pub(crate) fn close(&self) {
        self.lanes.close();
    }

    async fn save_groups(&self, open: &mut Option<Open>, mails: Vec<Waiting>) {
        let mut groups = vec![mails];
        while let Some(group) = groups.pop() {
            let Some((mut left, failed)) = self.store(open, group).await else { continue };
            if failed.trouble.is_of_one_message() && left.len() > 1 {
                let second = left.split_off(left.len() / 2);
                groups.extend([second, left]);
            } else {
                self.give_up(left, &failed);
            }
        }
    }

    /// Stores all or none of those that have time, trying again while that makes sense; those that have none any more are
    /// deferred. `None` when all are answered for.
    async fn store(
        &self,
        open: &mut Option<Open>,
        mut group: Vec<Waiting>,
    ) -> Option<(Vec<Waiting>, Failed)> {
        let (mut wait, mut pause) = (Duration::ZERO, FIRST_PAUSE);
        let mut last = Failed::untried();
        loop {
            group = self.defer_due(group, Instant::now() + wait + LEAST, &last);
            let until = earliest(&group)?;
            sleep(wait).await;
            match self.attempt(open, &mut group, until).await {
                Ok(()) => {
                    group.into_iter().for_each(Waiting::stored);
                    return None;
                }
                // Whoever finds the database gone for long makes one attempt: clients should not wait for nothing.
                Err(failed) if !failed.is_worth_another() || self.reach.is_long_down() => {
                    return Some((group, failed));
                }
                Err(failed) => last = failed,
            }
            wait = pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Defers those that have to be answered for by then.
    fn defer_due(&self, group: Vec<Waiting>, then: Instant, why: &Failed) -> Vec<Waiting> {
        let (due, rest): (Vec<_>, Vec<_>) = group.into_iter().partition(|one| one.due() <= then);
        self.give_up(due, why);
        rest
    }

    fn give_up(&self, group: Vec<Waiting>, why: &Failed) {
        self.host.count("failed", group.len() as u64);
        group.into_iter().for_each(|one| one.not_stored(self.reach.target(), why));
    }

    async fn attempt(
        &self,
        open: &mut Option<Open>,
        group: &mut Vec<Waiting>,
        until: Instant,
    ) -> Result<(), Failed> {
        let began = Instant::now();
        // A connection that is dropped half-way is not put back: it stands in the middle of something.
        let writing = timeout_at(until, self.write(open, group));
        let (mut held, written) = writing.await.unwrap_or_else(|_| Err(Failed::late(false)))?;
        if let Err(failed) = self.commit(&mut held.session, group).await {
            return Err(put_back(open, held, failed).await);
        }
        self.host.observe("transaction_seconds", began.elapsed().as_secs_f64());
        self.host.count("batches", 1);
        self.host.count("messages", written.messages as u64);
        self.host.count("rows", written.rows as u64);
        if written.bytes > STATEMENT {
            held.session.shrink();
        }
        *open = Some(held);
        Ok(())
    }

    /// All of a transaction but its COMMIT.
    async fn write(
        &self,
        open: &mut Option<Open>,
        group: &mut [Waiting],
    ) -> Result<(Open, Written), Failed> {
        let mut held = match open.take() {
            Some(held) => held,
            None => Open::new(self.reach.connect().await?),
        };
        let txns: Vec<Transaction<'_>> = group.iter_mut().map(Waiting::transaction).collect();
        let records: Vec<Record<'_>> =
            txns.iter().map(|txn| Record::of(txn, &self.mail_host)).collect();
        match self.insert(&mut held.session, &records).await {
            Ok(rows) => {
                let bytes = records.iter().map(|record| record.row_size).sum();
                Ok((held, Written { messages: records.len(), rows, bytes }))
            }
            Err(failed) => Err(put_back(open, held, failed).await),
        }
    }

    /// How many rows there were.
    async fn insert(&self, session: &mut Session, records: &[Record<'_>]) -> Result<usize, Failed> {
        session.begin().await?;
        let with_rows =
            records.iter().flat_map(|record| record.rows.iter().map(move |row| (record, row)));
        let all: Vec<(&Record<'_>, &Row)> = with_rows.collect();
        let mut rows = all.as_slice();
        while !rows.is_empty() {
            let (now, later) = rows.split_at(fitting(rows, session.largest())?);
            session.insert(self.statement(now.len()), now).await?;
            rows = later;
        }
        Ok(all.len())
    }

    /// Each message waits for the answer until its own time ends, so that those with time left hear what became of them.
    async fn commit(&self, session: &mut Session, group: &mut Vec<Waiting>) -> Result<(), Failed> {
        let unknown = || Failed::late(true);
        let mut answer = pin!(session.commit());
        while let Some(until) = earliest(group) {
            if let Ok(answered) = timeout_at(until, answer.as_mut()).await {
                return answered.map_err(Failed::in_commit);
            }
            *group = self.defer_due(mem::take(group), Instant::now(), &unknown());
        }
        Err(unknown())
    }

    fn statement(&self, rows: usize) -> Arc<str> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(statements[rows].get_or_insert_with(|| self.insert.text(rows).into()))
    }
}

/// What stands in a transaction.
struct Written {
    messages: usize,
    rows: usize,
    bytes: usize,
}

/// Keeps a connection whose transaction has failed, where it can be used again.
async fn put_back(open: &mut Option<Open>, mut held: Open, failed: Failed) -> Failed {
    let is_usable = !matches!(failed.trouble, Trouble::Lost | Trouble::Refused);
    if is_usable && matches!(timeout(UNDOING, held.session.rollback()).await, Ok(Ok(()))) {
        *open = Some(held);
    }
    failed
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

/// Most rows of one statement: 896 arguments, below the limits of every database.
const MOST_ROWS: usize = 64;
/// Bytes of a statement with several rows: beyond this a larger one gains nothing, and takes memory.
const STATEMENT: usize = 4 * 1024 * 1024;
/// Time that an attempt has at the least. One that is cut off sooner may have come as far as its COMMIT.
const LEAST: Duration = Duration::from_millis(100);
/// How long ROLLBACK may take.
const UNDOING: Duration = Duration::from_millis(500);
/// The first and the longest time between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
