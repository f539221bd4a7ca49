//! The message and the connection that brings it, as everything above the protocol sees them.
//!
//! One [`Transaction`] moves by ownership from the connection through the chain and back; nobody clones the body.

mod body;
mod client;
mod envelope;
mod headers;
mod id;
mod mapped;
mod notes;
mod reply;
mod rooms;
mod slot;
mod spool;
mod storage;
mod timings;
mod transaction;

pub use body::{Body, BodyError};
pub use client::{Client, TlsFacts};
pub use envelope::{Envelope, Mailbox, Recipient};
pub use headers::{HeaderField, HeaderIndex};
pub use id::SessionId;
pub use notes::{MAX_MAIL_NOTE, MAX_SESSION_NOTE, NoteRefused, Notes};
pub use reply::{ChosenReply, EnhancedCode, ReplyRefused};
pub use slot::Slot;
pub use storage::{Budget, Storage};
pub use timings::Timings;
pub use transaction::Transaction;
