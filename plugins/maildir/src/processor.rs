//! The processor as the daemon sees it: questions in, verdicts out.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use guerrilla_plugin_api::{
    Batch, BatchPlugin, Blocking, Event, Held, Host, Phase, Recipient, Scope, Transaction, Verdict,
};

use crate::config::{Config, OverQuota};
use crate::delivery::{CommitError, GROUP, Moved, Prepared, Written};
use crate::directory::StorageError;
use crate::group::{Group, needs, small_first};
use crate::mailbox::Mailbox;
use crate::maildirs::{Maildirs, Unknown};
use crate::opened::Opened;
use crate::ownership::Identity;
use crate::replies::{full, refusal, storage_trouble};
use crate::reservations::is_known_to_be_full;
use crate::sync_once::SyncOnce;

/// Delivers into the recipients' maildirs.
pub struct MailDir {
    host: Host,
    maildirs: Maildirs,
    over_quota: OverQuota,
    writers: usize,
    /// What `save_batch` has written and `settled_batch` has not decided, by the number in the transaction's note.
    prepared: Mutex<HashMap<u64, Prepared>>,
    next: AtomicU64,
    /// Key of that note; other instances have others.
    note: String,
}

impl BatchPlugin for MailDir {
    const NAME: &'static str = "MailDir";
    const DESCRIPTION: &'static str = "delivers into the recipients' maildirs";
    const PHASES: &'static [Phase] = &[Phase::Rcpt, Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    const SETTLES_BATCHES: bool = true;
    /// At RCPT it looks into a table in memory; at most a stat of the user file and the few lines of a `maildirsize`.
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let report = Box::new(move |what: Result<&str, &str>| match what {
            Ok(done) => host.info(format_args!("{done}")),
            Err(failed) => host.error(format_args!("{failed}")),
        });
        let maildirs = Maildirs::new(&config, report).map_err(|e| e.to_string())?;
        let note = format!("maildir.{}", host.instance());
        Ok(Self {
            host,
            maildirs,
            over_quota: config.maildir_over_quota,
            writers: config
                .save_workers_size
                .map_or(WRITERS, NonZeroU16::get)
                .min(MOST_WRITERS)
                .into(),
            prepared: Mutex::default(),
            next: AtomicU64::new(1),
            note,
        })
    }

    fn start(&self) -> Result<(), String> {
        let removed = self.maildirs.start(&Identity::current()).map_err(|e| e.to_string())?;
        if removed > 0 {
            self.host.info(format_args!("removed {removed} files that a crash had left in tmp"));
        }
        Ok(())
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        let Some(recipient) = txn.recipients().next_back() else { return Verdict::CONTINUE };
        match self.find(recipient) {
            Ok(mailbox) if is_known_to_be_full(&mailbox, declared_size(&txn)) => {
                self.host.count("over_quota", 1);
                full(self.over_quota)
            }
            Ok(_) => Verdict::CONTINUE,
            Err(unknown) => refusal(unknown),
        }
    }

    fn max_batch(&self) -> usize {
        GROUP
    }

    fn writers(&self) -> usize {
        self.writers
    }

    fn save_batch(&self, batch: Batch) {
        let (mut group, mut opened) = (Group::default(), Opened::default());
        for mut held in small_first(batch) {
            let (files, bytes) = needs(&held.transaction());
            if group.is_full_for(files, bytes) {
                self.sync_written(mem::take(&mut group));
            }
            match self.write(&mut held.transaction(), &mut opened) {
                Ok(written) => group.push(written.open_files(), bytes, held, written),
                Err(verdict) => held.complete(verdict),
            }
        }
        self.sync_written(group);
    }

    fn settled_batch(&self, batch: Batch) {
        let mut group = Group::default();
        for mut held in batch {
            let (maildirs, _) = needs(&held.transaction());
            if group.is_full_for(maildirs, 0) {
                self.sync_moved(mem::take(&mut group));
            }
            match self.settle(held.transaction()) {
                Ok(moved) => group.push(moved.open_maildirs(), 0, held, moved),
                Err(verdict) => held.complete(verdict),
            }
        }
        self.sync_moved(group);
    }

    fn stop(&self) {
        // Nobody will settle these any more, so nobody has acknowledged them.
        for (_, prepared) in self.open().drain() {
            self.undo(prepared);
        }
        self.maildirs.sweep();
    }
}

impl MailDir {
    /// Writes the copies of a message; or what the client hears.
    fn write(&self, txn: &mut Transaction<'_>, opened: &mut Opened) -> Result<Written, Verdict> {
        if txn.note(Scope::Mail, &self.note).is_some() {
            self.host.error(format_args!("the chain names this processor twice; name it once"));
            return Err(Verdict::DEFER);
        }
        let mailboxes = self.mailboxes(txn)?;
        if is_for_nobody(txn) {
            return Err(Verdict::CONTINUE);
        }
        if txn.answers_each() {
            self.prepare_each(txn, mailboxes, opened)
        } else {
            self.prepare_all(txn, mailboxes, opened)
        }
    }

    /// Waits for what was written. Each message is answered for itself, and all when the last is there: so they come back to
    /// be moved together.
    fn sync_written(&self, group: Group<Written>) {
        let sync = |(mut held, written): (Held, Written)| {
            let mut txn = held.transaction();
            let verdict = match written.sync() {
                Ok(prepared) => self.keep(&mut txn, prepared),
                Err(e) => self.failed(&txn, &e),
            };
            (held, verdict)
        };
        group.mails.iter().skip(1).for_each(|(_, written)| written.begin_to_store());
        let answered: Vec<_> = group.mails.into_iter().map(sync).collect();
        answered.into_iter().for_each(|(held, verdict)| held.complete(verdict));
    }

    /// Moves the copies of an accepted message and takes back those of another; or what the host hears.
    fn settle(&self, mut txn: Transaction<'_>) -> Result<Moved, Verdict> {
        match (self.take(&mut txn), txn.is_accepted()) {
            (Some(mut prepared), true) => {
                self.leave_out_refused(&txn, &mut prepared);
                if txn.answers_each() {
                    return Err(self.commit_each(&mut txn, prepared));
                }
                prepared.move_to_new().map_err(|e| self.not_moved(&txn, &e))
            }
            (Some(prepared), false) => {
                self.undo(prepared);
                Err(Verdict::CONTINUE)
            }
            // What nobody is to have was not written.
            (None, true) if is_for_nobody(&txn) => Err(Verdict::CONTINUE),
            (None, true) => {
                self.host.error(format_args!(
                    "{}: accepted, but nothing was prepared: not acknowledged",
                    txn.queued_id()
                ));
                Err(Verdict::DEFER)
            }
            (None, false) => Err(Verdict::CONTINUE),
        }
    }

    /// Syncs what was moved, each directory once; each message is answered for itself.
    fn sync_moved(&self, group: Group<Moved>) {
        let mut once = SyncOnce::default();
        for (mut held, moved) in group.mails {
            let verdict = match moved.sync(&mut once) {
                Ok(delivered) => {
                    self.host.count("delivered", delivered);
                    Verdict::CONTINUE
                }
                Err(e) => self.not_moved(&held.transaction(), &e),
            };
            held.complete(verdict);
        }
    }

    fn find(&self, recipient: Recipient<'_>) -> Result<Mailbox, Unknown> {
        self.maildirs.find(recipient.local_part(), recipient.domain())
    }

    /// The maildirs of all recipients. Those that have none hear it where the protocol can tell each recipient (LMTP,
    /// RFC 2033); where one reply stands for all, the message is refused: mail is never dropped in silence.
    fn mailboxes(&self, txn: &mut Transaction<'_>) -> Result<Vec<(usize, Mailbox)>, Verdict> {
        let mut mailboxes = Vec::with_capacity(txn.recipients().len());
        let mut unknown = Vec::new();
        // What an earlier stage has refused is answered for.
        for recipient in txn.recipients().filter(|recipient| !recipient.is_refused()) {
            match self.find(recipient) {
                Ok(mailbox) => mailboxes.push((recipient.index(), mailbox)),
                Err(why) => unknown.push((recipient.index(), why)),
            }
        }
        let Some(&(_, first)) = unknown.first() else { return Ok(mailboxes) };
        self.host.count("refused", unknown.len() as u64);
        if !txn.answers_each() {
            return Err(refusal(first));
        }
        for (index, why) in unknown {
            refuse(txn, &[index], &refusal(why))?;
        }
        Ok(mailboxes)
    }

    /// A message with one reply for all recipients is kept for all of them or for none.
    fn prepare_all(
        &self,
        txn: &Transaction<'_>,
        mailboxes: Vec<(usize, Mailbox)>,
        opened: &mut Opened,
    ) -> Result<Written, Verdict> {
        let several = mailboxes.len() > 1;
        self.maildirs.prepare(opened, mailboxes, || txn.message()).map_err(|e| {
            let verdict = self.failed(txn, &e);
            // One full mailbox is no reason to refuse the others for good: at the next try RCPT tells them apart.
            if several && e.is_over_quota() { full(OverQuota::Defer) } else { verdict }
        })
    }

    /// One recipient's broken maildir is no trouble of the others where each has a reply of its own; nor is what is wrong with
    /// the last of them a verdict on the message, which would be told to those whom another stage has given theirs.
    fn prepare_each(
        &self,
        txn: &mut Transaction<'_>,
        mailboxes: Vec<(usize, Mailbox)>,
        opened: &mut Opened,
    ) -> Result<Written, Verdict> {
        let mut groups: Vec<Vec<(usize, Mailbox)>> = Vec::new();
        for (index, mailbox) in mailboxes {
            let place = mailbox.place();
            match groups.iter_mut().find(|group| group[0].1.place() == place) {
                Some(group) => group.push((index, mailbox)),
                None => groups.push(vec![(index, mailbox)]),
            }
        }
        let mut all: Option<Prepared> = None;
        for group in groups {
            let recipients: Vec<usize> = group.iter().map(|(index, _)| *index).collect();
            match self.maildirs.prepare(opened, group, || txn.message()).and_then(Written::sync) {
                Ok(prepared) => match &mut all {
                    Some(all) => all.absorb(prepared),
                    None => all = Some(prepared),
                },
                Err(e) => {
                    let verdict = self.failed(txn, &e);
                    refuse(txn, &recipients, &verdict)?;
                }
            }
        }
        all.map(Written::from).ok_or(Verdict::CONTINUE)
    }

    fn failed(&self, txn: &Transaction<'_>, e: &StorageError) -> Verdict {
        if e.is_over_quota() {
            self.host.count("over_quota", 1);
            self.host.info(format_args!("{}: {e}", txn.queued_id()));
            return full(self.over_quota);
        }
        self.host.count("failed", 1);
        self.host.error(format_args!("{}: {e}", txn.queued_id()));
        storage_trouble(e)
    }

    /// Those whose copy cannot be moved hear it; the others have theirs.
    fn commit_each(&self, txn: &mut Transaction<'_>, prepared: Prepared) -> Verdict {
        let (delivered, refused) = prepared.commit_each();
        self.host.count("delivered", delivered);
        for (recipients, e) in refused {
            let trouble = self.not_moved(txn, &e);
            if let Err(verdict) = refuse(txn, &recipients, &trouble) {
                // Duplicates for the others are better than a loss for this one.
                return verdict;
            }
        }
        Verdict::CONTINUE
    }

    fn not_moved(&self, txn: &Transaction<'_>, e: &CommitError) -> Verdict {
        self.host.count("failed", 1);
        self.host.error(format_args!("{}: {e}", txn.queued_id()));
        storage_trouble(&e.cause)
    }

    /// A stage behind this one may have refused recipients while the others get the message.
    fn leave_out_refused(&self, txn: &Transaction<'_>, prepared: &mut Prepared) {
        let refused: HashSet<usize> =
            txn.recipients().filter(|to| to.is_refused()).map(Recipient::index).collect();
        if !refused.is_empty() {
            self.report_left(&prepared.keep_only(|index| !refused.contains(&index)));
        }
    }

    fn keep(&self, txn: &mut Transaction<'_>, prepared: Prepared) -> Verdict {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if let Err(e) = txn.set_note(Scope::Mail, &self.note, &number.to_le_bytes()) {
            self.host.error(format_args!("{}: no note can be left: {e}", txn.queued_id()));
            self.undo(prepared);
            return Verdict::DEFER;
        }
        self.open().insert(number, prepared);
        Verdict::CONTINUE
    }

    fn take(&self, txn: &mut Transaction<'_>) -> Option<Prepared> {
        let number = txn.note(Scope::Mail, &self.note)?.try_into().ok()?;
        let prepared = self.open().remove(&u64::from_le_bytes(number));
        // A note that stays behind does no harm: its number will not come again.
        let _ = txn.set_note(Scope::Mail, &self.note, &[]);
        prepared
    }

    fn undo(&self, mut prepared: Prepared) {
        self.report_left(&prepared.undo());
    }

    fn report_left(&self, left: &[StorageError]) {
        for e in left {
            self.host.warn(format_args!("a file stays where it is for now: {e}"));
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Prepared>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives recipients a verdict of their own; or the message one where the daemon does not take it.
fn refuse(txn: &mut Transaction<'_>, recipients: &[usize], why: &Verdict) -> Result<(), Verdict> {
    let refused = recipients.iter().try_for_each(|index| txn.set_recipient(*index, why));
    refused.map_err(|_| Verdict::UNSTORED)
}

/// Whether every recipient has been refused, here or by other stages.
fn is_for_nobody(txn: &Transaction<'_>) -> bool {
    let mut recipients = txn.recipients();
    recipients.len() > 0 && recipients.all(Recipient::is_refused)
}

/// What the client has announced with MAIL (RFC 1870); 0 when it has not.
fn declared_size(txn: &Transaction<'_>) -> u64 {
    let mut parameters = txn.sender_parameters();
    let size = parameters.find(|(name, _)| name.eq_ignore_ascii_case("SIZE"));
    size.and_then(|(_, value)| value?.parse().ok()).unwrap_or(0)
}

/// Threads that write, and as many that move, when nobody has said. More make more batches of fewer messages.
const WRITERS: u16 = 8;

/// More than that many were never found to gain anything.
const MOST_WRITERS: u16 = 64;

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
