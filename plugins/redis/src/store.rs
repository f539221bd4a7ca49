//! From messages in hand to verdicts: attempts, their deadlines, and what failed ones mean.
//!
//! SETEX may be repeated without harm, so a message is tried again as long as nobody waits in vain for its answer. An entry in the
//! stream cannot be taken back: one whose answer was lost is written again, and its consumers know it by its key.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use guerrilla_plugin_api::{Batch, Host};
use guerrilla_redis_client::redis::{Cmd, Value};
use guerrilla_redis_client::{Backoff, RedisPool, Trouble};

use crate::commands;
use crate::config::Config;
use crate::waiting::Waiting;

/// Writes messages to Redis and answers for each.
pub(crate) struct Store {
    host: Host,
    config: Config,
    pool: RedisPool,
    /// Since when Redis has been away.
    away: Mutex<Option<Instant>>,
}

impl Store {
    pub(crate) fn new(host: Host, config: Config, pool: RedisPool) -> Self {
        Self { host, config, pool, away: Mutex::default() }
    }

    pub(crate) fn pool(&self) -> &RedisPool {
        &self.pool
    }

    /// Stores every message of a batch, or defers it when its time is up.
    pub(crate) fn save(&self, batch: Batch) {
        let now = Instant::now();
        let mut waiting: Vec<Waiting> =
            batch.into_iter().map(|held| Waiting::new(held, now)).collect();
        let mut backoff = Backoff::default();
        let mut trouble = Trouble::Passing("it came too late".to_owned());
        loop {
            waiting = self.defer_due(waiting, &trouble);
            let Some(earliest) = waiting.iter().map(Waiting::due).min() else { return };
            // One that takes the connection down with it each time is not to take the others along.
            let alone = backoff.attempts() > 1;
            match self.attempt(&mut waiting, alone) {
                Ok(()) => self.is_back(),
                Err(why) => {
                    self.is_away(&why);
                    self.host.count("retried", 1);
                    trouble = why;
                    let pause = backoff.failed();
                    thread::sleep(pause.min(earliest.saturating_duration_since(Instant::now())));
                }
            }
        }
    }

    /// Defers those that nobody can wait for any more.
    fn defer_due(&self, waiting: Vec<Waiting>, why: &Trouble) -> Vec<Waiting> {
        let now = Instant::now();
        let (due, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| one.due() <= now);
        self.defer(due, why);
        rest
    }

    fn defer(&self, messages: Vec<Waiting>, why: &Trouble) {
        self.host.count("deferred", messages.len() as u64);
        messages.into_iter().for_each(|one| one.deferred(&self.pool, why));
    }

    /// Sends what waits, group by group, until all is answered for. An error leaves the rest in `waiting`, those it befell last.
    fn attempt(&self, waiting: &mut Vec<Waiting>, alone: bool) -> Result<(), Trouble> {
        while !waiting.is_empty() {
            let group: Vec<Waiting> = waiting.drain(..group_size(waiting, alone)).collect();
            let begun = Instant::now();
            let (left, trouble) = self.write(group);
            self.host.observe("write_seconds", begun.elapsed().as_secs_f64());
            waiting.extend(left);
            if let Some(trouble) = trouble {
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// Writes a group: the messages first, and when they are there, the entries of the stream. Answers for what is decided;
    /// what is left may be tried again.
    fn write(&self, group: Vec<Waiting>) -> (Vec<Waiting>, Option<Trouble>) {
        let (mut with_key, without): (Vec<_>, Vec<_>) =
            group.into_iter().partition(Waiting::has_key);
        let set = |one: &mut Waiting| {
            let key = one.key().to_owned();
            commands::set(&one.transaction(), &key, &self.pool)
        };
        let (written, mut left, mut trouble) = self.send(without, set);
        with_key.extend(written.into_iter().map(Waiting::with_key));
        let stored = match &self.config.redis_stream {
            None => with_key,
            Some(stream) => {
                let announce = |one: &mut Waiting| {
                    let (key, size) = (one.key().to_owned(), one.size());
                    commands::announce(&one.transaction(), &key, size, stream, &self.config)
                };
                let (stored, not_announced, why) = self.send(with_key, announce);
                left.extend(not_announced);
                trouble = trouble.or(why);
                stored
            }
        };
        self.host.count("stored", stored.len() as u64);
        stored.into_iter().for_each(Waiting::stored);
        (left, trouble)
    }

    /// Sends one command for each message: those that were carried out, those to be tried again, and why. The others
    /// are deferred.
    fn send(
        &self,
        mut group: Vec<Waiting>,
        command: impl Fn(&mut Waiting) -> Cmd,
    ) -> (Vec<Waiting>, Vec<Waiting>, Option<Trouble>) {
        let Some(until) = group.iter().map(Waiting::due).min() else {
            return (group, Vec::new(), None);
        };
        let mut all: Vec<Cmd> = group.iter_mut().map(command).collect();
        let replicas = self.config.redis_wait_replicas;
        if replicas > 0 {
            let left = until.saturating_duration_since(Instant::now());
            // The answer has to come back in time, too.
            all.push(commands::wait(replicas, left.as_millis().min(1000) / 2));
        }
        let sent = self.pool.send(all, until).and_then(|answers| check_replicas(answers, replicas));
        let answers = match sent {
            Ok(answers) => answers,
            Err(trouble) if trouble.is_passing() => return (Vec::new(), group, Some(trouble)),
            Err(trouble) => {
                self.defer(group, &trouble);
                return (Vec::new(), Vec::new(), None);
            }
        };
        let (mut done, mut again, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut passing = None;
        let mut refusal = None;
        for (one, answer) in group.into_iter().zip(answers) {
            match answer {
                Ok(_) => done.push(one),
                Err(trouble) if trouble.is_passing() => {
                    again.push(one);
                    passing = Some(trouble);
                }
                Err(trouble) => {
                    refused.push(one);
                    refusal = Some(trouble);
                }
            }
        }
        if let Some(why) = refusal {
            self.host.count("refused", refused.len() as u64);
            self.defer(refused, &why);
        }
        (done, again, passing)
    }

    fn is_away(&self, why: &Trouble) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_none() {
            *away = Some(Instant::now());
            self.host.error(format_args!("{}: {why}; trying again", self.pool));
        }
    }

    fn is_back(&self) {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = away {
            let seconds = since.elapsed().as_secs_f32();
            self.host.info(format_args!("{}: back after {seconds:.1} s", self.pool));
        }
    }
}

/// Takes the answer to WAIT off the others. With fewer replicas than wanted nothing is as stored as promised.
fn check_replicas(
    mut answers: Vec<Result<Value, Trouble>>,
    wanted: u8,
) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
    if wanted == 0 {
        return Ok(answers);
    }
    let reached = answers.pop().unwrap_or(Ok(Value::Nil))?;
    let reached = commands::replicas(&reached);
    if reached < wanted.into() {
        let why = format!("{reached} of {wanted} replicas have it");
        // A refusal of the server itself says more.
        let refusal =
            answers.into_iter().find_map(|answer| answer.err().filter(|e| !e.is_passing()));
        return Err(refusal.unwrap_or(Trouble::Passing(why)));
    }
    Ok(answers)
}

/// How many messages from the front go together.
fn group_size(waiting: &[Waiting], alone: bool) -> usize {
    if alone {
        return 1;
    }
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|one| {
        bytes += one.size();
        bytes <= MOST_BYTES
    });
    fits.count().max(1)
}

/// Of one round trip: enough to make the way there and back cheap, little enough to be in memory twice.
const MOST_BYTES: usize = 8 << 20;
