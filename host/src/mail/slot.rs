//! Room for an envelope, taken while there is a message and given back when there is none.
//!
//! Most connections of a busy server are between two messages most of the time; what an envelope needs is then with
//! those that are not.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use super::Envelope;

/// An envelope that costs nothing until it is written to. Empty, it reads as an envelope without a message.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    envelope: Option<Box<Envelope>>,
}

impl Slot {
    /// Forgets the message. The room, if it is not too large, is kept for the next message of this thread, so that
    /// an ordinary message costs no allocation.
    pub fn clear(&mut self) {
        let Some(mut envelope) = self.envelope.take() else { return };
        envelope.clear();
        if envelope.room() <= MAX_KEPT {
            STORE.with_borrow_mut(|store| {
                if store.len() < KEPT {
                    store.push(envelope);
                }
            });
        }
    }
}

impl Deref for Slot {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        static EMPTY: Envelope = Envelope::new();
        self.envelope.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut Envelope {
        let stored = || STORE.with_borrow_mut(Vec::pop).unwrap_or_default();
        self.envelope.get_or_insert_with(stored)
    }
}

impl From<Envelope> for Slot {
    fn from(envelope: Envelope) -> Self {
        Self { envelope: Some(Box::new(envelope)) }
    }
}

thread_local! {
    /// Envelopes without a message. Boxed, as they go in and out of slots.
    #[allow(clippy::vec_box)] // see above: unboxed they would be copied and boxed again
    static STORE: RefCell<Vec<Box<Envelope>>> = const { RefCell::new(Vec::new()) };
}

/// Largest envelope to keep between messages, in bytes.
const MAX_KEPT: usize = 16 * 1024;

/// Envelopes that a thread keeps: as many as have clients in a transaction on a busy day. An ordinary one has 1 KiB.
const KEPT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn room(slot: &Slot) -> Option<usize> {
        slot.envelope.as_ref().map(|envelope| envelope.room())
    }

    #[test]
    fn reading_takes_no_room_and_writing_does() {
        let mut slot = Slot::default();
        assert!(
            slot.sender().is_none() && slot.body.is_empty() && slot.headers().fields().is_empty()
        );
        assert_eq!(room(&slot), None);
        slot.begin("a@example.com", "a", "example.com", "");
        assert!(room(&slot).is_some() && slot.sender().is_some());
        slot.clear();
        assert!(room(&slot).is_none() && slot.sender().is_none());
    }

    #[test]
    fn the_next_message_has_the_room_of_the_last_unless_it_was_large() {
        let mut slot = Slot::default();
        slot.begin("a@example.com", "a", "example.com", "");
        let small = room(&slot);
        slot.clear();
        slot.set_subject("no allocation of the envelope's own");
        assert_eq!(room(&slot), small);
        while room(&slot) <= Some(MAX_KEPT) {
            slot.push_recipient("b@example.org", "b", "example.org", "");
        }
        slot.clear();
        slot.set_subject("anew");
        assert!(room(&slot) <= Some(MAX_KEPT));
    }
}
