//! Who has got which mail already, for an hour.
//!
//! Over SMTP one reply stands for all recipients. When the store has delivered to some and not to others, the client is told to come
//! again with all of them; those who have the mail are not to get it twice.
//!
//! Limits: 10,000 mails, the oldest are forgotten first; not across restarts, nor between daemons.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The memory.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    delivered: HashMap<String, Vec<String>>,
    order: VecDeque<(String, Instant)>,
}

impl Remembered {
    /// Whether this recipient has that mail.
    pub(crate) fn has(&self, mail: &str, recipient: &str) -> bool {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.delivered.get(mail).is_some_and(|all| all.iter().any(|one| one == recipient))
    }

    /// They have it.
    pub(crate) fn add(&self, mail: &str, recipients: impl IntoIterator<Item = String>) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some((oldest, since)) = memory.order.front() {
            if memory.order.len() < MOST && now.duration_since(*since) < LONGEST {
                break;
            }
            let oldest = oldest.clone();
            memory.delivered.remove(&oldest);
            memory.order.pop_front();
        }
        if !memory.delivered.contains_key(mail) {
            memory.order.push_back((mail.to_owned(), now));
        }
        memory.delivered.entry(mail.to_owned()).or_default().extend(recipients);
    }
}

const MOST: usize = 10_000;
const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first() {
        let remembered = Remembered::default();
        for number in 0..=MOST {
            remembered.add(&number.to_string(), ["a".to_owned()]);
        }
        remembered.add("5", ["b".to_owned()]);
        assert!(!remembered.has("0", "a"));
        assert!(remembered.has(&MOST.to_string(), "a") && !remembered.has(&MOST.to_string(), "b"));
        assert!(remembered.has("5", "b"));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_remembered_for_long() {
        let remembered = Remembered::default();
        remembered.add("1", ["a".to_owned()]);
        tokio::time::advance(LONGEST - Duration::from_secs(1)).await;
        remembered.add("2", ["a".to_owned()]);
        assert!(remembered.has("1", "a"));
        tokio::time::advance(Duration::from_secs(2)).await;
        remembered.add("3", ["a".to_owned()]);
        assert!(!remembered.has("1", "a") && remembered.has("2", "a"));
    }
}
