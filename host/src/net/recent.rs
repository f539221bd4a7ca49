//! The last messages, for operators: the envelope and what became of it; the content only if `admin_show_bodies` says so.
//!
//! Each thread that serves connections keeps those it has seen in a ring of its own, so that none waits for another; a
//! reader takes one ring after the other and holds none longer than it takes to copy some pointers. Nothing is kept, and
//! nothing is spent, while there is no admin interface.
//!
//! *Limits*: so many messages for each thread ([`KEPT`]), of each so many recipients and bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::mail::Transaction;
use crate::observe::cells::PerThread;

/// The last messages of all servers.
#[derive(Debug)]
pub(crate) struct Recent {
    keep: AtomicU8,
    rings: PerThread<Mutex<VecDeque<Arc<Message>>>>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// There is nobody to be told.
    Nothing = 0,
    /// Envelopes and outcomes.
    Envelopes = 1,
    /// The beginning of the content, too (`admin_show_bodies`).
    Bodies = 2,
}

/// One of them. All text is a stranger's.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    /// When it had its answer, in seconds since 1970.
    at: f64,
    id: String,
    listener: String,
    remote: String,
    helo: String,
    tls: String,
    sender: String,
    /// The first of them.
    recipients: Vec<String>,
    /// How many there were.
    rcpts: usize,
    size: usize,
    verdict: &'static str,
    /// Seconds from its end to the answer.
    took: f64,
    /// The beginning of the content, where it is kept.
    content: Option<String>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { keep: AtomicU8::new(Keep::Nothing as u8), rings: PerThread::default() }
    }
}

impl Recent {
    /// Keeps so much from now on, and forgets what is more than that.
    pub(crate) fn keep(&self, keep: Keep) {
        let before = self.keep.swap(keep as u8, Ordering::Relaxed);
        if before > keep as u8 {
            for ring in self.rings.iter() {
                lock(ring).clear();
            }
        }
    }

    /// A message of so many bytes has its answer. After a time-out the transaction is a spare without the content.
    pub(super) fn note(
        &self,
        verdict: &'static str,
        txn: &Transaction,
        size: usize,
        took: Duration,
    ) {
        let keep = self.keep.load(Ordering::Relaxed);
        if keep == Keep::Nothing as u8 {
            return;
        }
        let (client, envelope) = (&txn.client, &txn.envelope);
        let recipients = envelope.recipients().iter().take(MOST_RECIPIENTS);
        let sender = envelope.sender().map(|sender| envelope.address(sender));
        let message = Arc::new(Message {
            at: crate::admin::since_1970().as_secs_f64(),
            id: envelope.queued_id().to_owned(),
            listener: client.listener.to_string(),
            remote: client.remote_ip.clone(),
            helo: client.helo.clone().unwrap_or_default(),
            tls: client.tls.as_ref().map(|tls| tls.version.clone()).unwrap_or_default(),
            sender: sender.unwrap_or_default().to_owned(),
            recipients: recipients
                .map(|recipient| envelope.address(recipient.mailbox()).to_owned())
                .collect(),
            rcpts: envelope.recipients().len(),
            size,
            verdict,
            took: took.as_secs_f64(),
            content: (keep == Keep::Bodies as u8).then(|| beginning(envelope.body.as_slice())),
        });
        let mut ring = lock(self.rings.mine());
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(message);
    }

    /// So many of those in which the text occurs anywhere, in any case; the newest first.
    pub(crate) fn search(&self, text: &str, most: usize) -> Vec<Arc<Message>> {
        let text = text.to_lowercase();
        let rings =
            self.rings.iter().flat_map(|ring| lock(ring).iter().cloned().collect::<Vec<_>>());
        let mut found: Vec<_> = rings.filter(|message| message.has(&text)).collect();
        found.sort_by(|a, b| b.at.total_cmp(&a.at));
        found.truncate(most);
        found
    }
}

impl Message {
    fn has(&self, text: &str) -> bool {
        let fields = [&self.id, &self.remote, &self.helo, &self.tls, &self.sender];
        let fields = fields.into_iter().chain(&self.recipients).map(String::as_str);
        let mut fields = fields.chain([&*self.listener, self.verdict]);
        text.is_empty() || fields.any(|field| field.to_lowercase().contains(text))
    }
}

fn beginning(content: &[u8]) -> String {
    String::from_utf8_lossy(&content[..content.len().min(MOST_CONTENT)]).into_owned()
}

fn lock<T>(ring: &Mutex<T>) -> MutexGuard<'_, T> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages that each thread keeps.
const KEPT: usize = 256;

/// Recipients of each that are named.
const MOST_RECIPIENTS: usize = 5;

/// Bytes of each that are shown.
const MOST_CONTENT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Client;

    fn take(recent: &Recent, sender: &str) {
        let remote = Some("192.0.2.1:25".parse().unwrap());
        let client = Client::new("127.0.0.1:25".into(), "mail.example".into(), remote, None);
        let mut txn = Transaction::new(client);
        txn.envelope.begin(sender, sender, "example.com", "");
        recent.note("accepted", &txn, 7, Duration::from_millis(2));
    }

    fn senders(recent: &Recent, text: &str) -> Vec<String> {
        recent.search(text, 3).iter().map(|message| message.sender.clone()).collect()
    }

    #[test]
    fn the_newest_are_found_first_and_old_ones_go() {
        let recent = Recent::default();
        take(&recent, "nobody looks");
        assert!(senders(&recent, "").is_empty());
        recent.keep(Keep::Envelopes);
        for number in 0..KEPT + 10 {
            take(&recent, &format!("Sender-{number}@example.com"));
        }
        assert_eq!(senders(&recent, "").len(), 3);
        assert_eq!(senders(&recent, "sENDER-20@"), ["Sender-20@example.com"]);
        assert!(senders(&recent, "Sender-3@").is_empty(), "so many are not kept");
        assert_eq!(senders(&recent, "192.0.2.1").len(), 3);
        recent.keep(Keep::Nothing);
        assert!(senders(&recent, "").is_empty());
    }

    #[test]
    fn content_is_kept_only_if_asked_for() {
        let recent = Recent::default();
        recent.keep(Keep::Envelopes);
        take(&recent, "a@example.com");
        assert!(recent.search("", 1)[0].content.is_none());
        recent.keep(Keep::Bodies);
        take(&recent, "b@example.com");
        assert!(recent.search("b@", 1)[0].content.is_some());
        recent.keep(Keep::Envelopes);
        assert!(
            recent.search("", 1).is_empty(),
            "what was kept of them is more than may be shown now"
        );
    }
}
