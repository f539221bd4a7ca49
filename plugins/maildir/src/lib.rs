//! MailDir: delivers each message into the maildirs of its recipients.
//!
//! A maildir needs no locks: a file is written under `tmp`, synced, and moved into `new` under a name that no
//! other delivery has. This processor spreads the two halves over the chain. `save_batch` writes and syncs the files
//! (they are *prepared*); `settled_batch`, which the client's reply waits for, moves them when the whole chain has
//! accepted the message and removes them when it has not. So a message refused by a later stage leaves
//! nothing behind, and a 250 means that every copy is in `new` and would survive a power cut. Both take the messages that
//! wait together, and answer each for itself.
//!
//! A reader of the code may go from `maildirs` (who gets a copy, and where) over `delivery` (prepare, commit,
//! undo) to `directory` (how directories are opened, and which are refused).
//!
//! Never: no file below `new` that is incomplete; no success before the directory is synced; no directory
//! reached through a symbolic link that a user could have set.
//!
//! Trust: recipients are the client's text. They become path components only after `mailbox_name` has let them
//! pass, and every component that depends on them is opened from the handle of its parent.
#![forbid(unsafe_code)]

mod block_writer;
mod config;
mod delivery;
mod directory;
mod folder;
mod group;
mod leftovers;
mod line_ending;
mod mailbox;
mod mailbox_name;
mod maildirs;
mod maildirsize;
mod making;
mod opened;
mod ownership;
mod path_template;
mod processor;
mod quota;
mod replies;
mod reservations;
mod stale;
mod sync_once;
#[cfg(test)]
mod testing;
mod unique_name;
mod user_file;
mod user_map;
mod users;

pub use config::{Config, OverQuota};
pub use line_ending::LineEnding;
pub use processor::MailDir;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Batched<MailDir>);
