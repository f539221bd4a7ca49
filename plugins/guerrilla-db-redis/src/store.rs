//! From messages in hand to verdicts: Redis first, then the rows.
//!
//! Redis is a place to read from quickly: when it cannot take a message, the rows carry it, as in go-guerrilla. The table is
//! what a 250 rests on. It is tried again as long as nobody waits in vain for an answer.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use guerrilla_plugin_api::{Batch, Host};
use guerrilla_redis_client::redis::Cmd;
use guerrilla_redis_client::{Backoff, RedisPool, Trouble};

use crate::config::Config;
use crate::record::Record;
use crate::table::Table;

/// Writes messages and answers for each.
pub(crate) struct Store {
    host: Host,
    config: Config,
    redis: RedisPool,
    table: Table,
    /// Until when Redis is left alone after it has failed.
    redis_rests: Mutex<Option<Instant>>,
    /// Since when the table has been away.
    away: Mutex<Option<Instant>>,
}

impl Store {
    pub(crate) fn new(host: Host, config: Config, redis: RedisPool, table: Table) -> Self {
        Self { host, config, redis, table, redis_rests: Mutex::default(), away: Mutex::default() }
    }

    pub(crate) fn redis(&self) -> &RedisPool {
        &self.redis
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Stores every message of a batch, or defers it when its time is up.
    pub(crate) fn save(&self, batch: Batch) {
        let now = Instant::now();
        let host = self.config.primary_mail_host.as_deref();
        // One that is dropped is deferred; compressing into memory does not fail.
        let records = batch.into_iter().filter_map(|held| Record::new(held, host, now).ok());
        let mut records: Vec<Record> = records.collect();
        self.put_into_redis(&mut records);
        for group in groups(records) {
            self.insert(group, Backoff::default());
        }
    }

    /// SETEX for all, in groups. Those that Redis does not take keep their value for the rows.
    fn put_into_redis(&self, records: &mut [Record]) {
        let mut rest = &mut records[..];
        while !rest.is_empty() && !self.redis_rests() {
            let group;
            (group, rest) = rest.split_at_mut(group_size(rest.iter().map(|r| r.value.len())));
            let commands = group.iter().map(|record| self.setex(record)).collect();
            // The rows need time as well.
            let due = group.iter().map(|record| record.due).min().unwrap_or_else(Instant::now);
            let until = Instant::now() + due.saturating_duration_since(Instant::now()) / 2;
            let answers = match self.redis.send(commands, until) {
                Ok(answers) => answers,
                Err(trouble) => return self.let_redis_rest(&trouble),
            };
            for (record, answer) in group.iter_mut().zip(answers) {
                match answer {
                    Ok(_) => record.is_in_redis = true,
                    Err(trouble) => self.let_redis_rest(&trouble),
                }
            }
        }
        let without = records.iter().filter(|record| !record.is_in_redis).count();
        self.host.count("without_redis", without as u64);
    }

    fn setex(&self, record: &Record) -> Cmd {
        let mut command = self.redis.setex(&record.hash);
        command.arg(&record.value);
        command
    }

    /// Writes the rows of a group, with as many attempts as there is time for.
    fn insert(&self, mut group: Vec<Record>, mut backoff: Backoff) {
        loop {
            let Some(due) = group.iter().map(|record| record.due).min() else { return };
            match self.table.insert(&group, backoff.attempts() > 0, due) {
                Ok(()) => {
                    self.is_back();
                    self.host.count("stored", group.len() as u64);
                    return group.into_iter().for_each(Record::stored);
                }
                Err(trouble) if trouble.is_passing() => {
                    self.is_away(&trouble);
                    self.host.count("retried", 1);
                    let pause = backoff.failed();
                    thread::sleep(pause.min(due.saturating_duration_since(Instant::now())));
                    group = self.defer_due(group, &trouble);
                    if backoff.attempts() > TOGETHER && group.len() > 1 {
                        return self.insert_apart(group, &trouble);
                    }
                }
                Err(trouble) => return self.insert_each(group, &trouble, backoff.attempts() > 0),
            }
        }
    }

    /// A message that takes the connection down each time is not to take others along. It is most likely the largest, which
    /// comes last.
    fn insert_apart(&self, mut group: Vec<Record>, trouble: &Trouble) {
        group.sort_by_key(Record::row_bytes);
        for record in group {
            let mut backoff = Backoff::default();
            backoff.failed();
            let alone = self.defer_due(vec![record], trouble);
            self.insert(alone, backoff);
        }
    }

    /// One that the table does not want is not to be the trouble of the others.
    fn insert_each(&self, group: Vec<Record>, trouble: &Trouble, again: bool) {
        if group.len() == 1 {
            return self.defer(group, trouble);
        }
        for record in group {
            // Those before it have used its time, too.
            let Some(record) = self.defer_due(vec![record], trouble).pop() else { continue };
            let alone = [record];
            let answer = self.table.insert(&alone, again, alone[0].due);
            let [record] = alone;
            match answer {
                Ok(()) => {
                    self.host.count("stored", 1);
                    record.stored();
                }
                Err(trouble) if trouble.is_passing() => self.insert_apart(vec![record], &trouble),
                Err(trouble) => self.defer(vec![record], &trouble),
            }
        }
    }

    /// Defers those for which there is no time to try once more.
    fn defer_due(&self, group: Vec<Record>, why: &Trouble) -> Vec<Record> {
        let latest = Instant::now() + LEAST;
        let (due, rest): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|record| record.due <= latest);
        self.defer(due, why);
        rest
    }

    fn defer(&self, records: Vec<Record>, why: &Trouble) {
        self.host.count("deferred", records.len() as u64);
        records.into_iter().for_each(|record| record.deferred(&self.table, why));
    }

    fn redis_rests(&self) -> bool {
        let mut rests = self.redis_rests.lock().unwrap_or_else(PoisonError::into_inner);
        let still = rests.is_some_and(|until| until > Instant::now());
        if !still {
            *rests = None;
        }
        still
    }

    /// A Redis that hangs would cost every batch its timeout.
    fn let_redis_rest(&self, why: &Trouble) {
        let mut rests = self.redis_rests.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.is_none() {
            self.host.error(format_args!("{}: {why}; the rows carry the messages", self.redis));
        }
        *rests = Some(Instant::now() + REST);
    }

    fn is_away(&self, why: &Trouble) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_none() {
            *away = Some(Instant::now());
            self.host.error(format_args!("{}: {why}; trying again", self.table));
        }
    }

    fn is_back(&self) {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = away {
            let seconds = since.elapsed().as_secs_f32();
            self.host.info(format_args!("{}: back after {seconds:.1} s", self.table));
        }
    }
}

/// What goes together into one transaction.
fn groups(mut records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut groups = Vec::new();
    while !records.is_empty() {
        let rest = records.split_off(group_size(records.iter().map(Record::row_bytes)));
        groups.push(std::mem::replace(&mut records, rest));
    }
    groups
}

/// How many from the front go together.
fn group_size(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = sizes.take_while(|size| {
        bytes += size;
        bytes <= MOST_BYTES
    });
    fits.count().max(1)
}

/// Of one transaction, and of one round trip to Redis.
const MOST_BYTES: usize = 8 << 20;
/// Attempts before the messages of a group are tried apart.
const TOGETHER: u32 = 5;
/// Time that an attempt has at the least. One that is cut off sooner may have come as far as its COMMIT: the rows are there, and
/// the client, told otherwise, sends the message again.
const LEAST: Duration = Duration::from_millis(100);
/// After a failure of Redis.
const REST: Duration = Duration::from_secs(2);
