//! Load for servers that receive mail, and the floor they are measured against.
//!
//! ```text
//!   options ──▶ Plan ──▶ Script (rendered once)          each thread: Worker
//!                           │                              epoll ─▶ Connection
//!                           ▼                                         ├─ Transport    bytes, TLS
//!                        letters                                      ├─ ReplyLines   bytes to replies
//!                                                                     ├─ Conversation replies to commands
//!   report ◀── Tally (merged) ◀────────────────────────────────────── └─ Outbox       what is still to be sent
//! ```
//!
//! What is sent is rendered before the clock starts; while it runs nothing is allocated for a message. The floor
//! (`floor`) is the least that a server can do: it finds ends of lines and of data and answers.

pub mod conversation;
pub mod disk;
pub mod floor;
pub mod letters;
pub mod load;
pub mod options;
pub mod outbox;
pub mod pace;
pub mod progress;
pub mod replies;
pub mod report;
pub mod script;
pub mod tally;
pub mod tls;
pub mod transport;
pub mod worker;
