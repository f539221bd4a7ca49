//! The shell round the protocol: sockets, time and buffers.
//!
//! - [`listener`]: from an address to bound sockets.
//! - [`mod@steer`]: which threads new connections go to.
//! - [`passed`]: listening sockets that were there before the daemon.
//! - [`server`]: what the connections of one listener share.
//! - [`mod@accept`]: taking connections in, and surviving when that fails.
//! - [`admission`]: how many are let in at a time.
//! - [`arrival`]: letting a client in.
//! - [`connection`]: one connection, from greeting to close.
//! - [`dialogue`]: what the session asks, answered by policy and pipeline.
//! - [`account`]: the lines the log has about messages and connections.
//! - [`decided`]: from a decision to a reply.
//! - [`policy`]: what transactions go by.
//! - [`ended`]: why a connection has ended.
//! - [`stop`]: the end of a server, told to all that it does.
//! - [`tally`]: what a server has done, in numbers.
//! - [`panics`]: a fault of ours ends one session.
//! - [`recent`]: the last messages.
//! - [`shown`]: both, for the whole daemon.
//! - [`trace`]: showing an operator what is said.
//! - [`patience`]: how long a client may take.
//! - [`proxied`]: the PROXY header.
//! - [`tls`]: certificates, handshakes, encrypted connections.
//! - [`wire`]: TCP and Unix sockets, plain or encrypted, behind one face.
//! - [`buffers`]: borrowed while there is data, so that an idle connection holds none.
//!
//! Each core has a thread with a runtime of its own; a connection is served where it was accepted, by the first of these
//! threads as long as they keep up.

mod accept;
mod account;
mod admission;
mod arrival;
mod buffers;
mod connection;
mod decided;
mod dialogue;
mod ended;
pub(crate) mod listener;
mod panics;
pub(crate) mod passed;
mod patience;
mod policy;
mod proxied;
pub(crate) mod recent;
mod server;
pub(crate) mod shown;
mod steer;
mod stop;
mod tally;
pub(crate) mod tls;
pub(crate) mod trace;
mod wire;

pub(crate) use accept::{Listening, accept};
pub use listener::BindError;
pub(crate) use listener::{Sockets, bind};
pub(crate) use passed::{Claimed, Passed};
pub(crate) use policy::Policy;
pub(crate) use proxied::fuzzing::proxy_header as fuzz_proxy_header;
pub(crate) use server::Server;
pub(crate) use steer::steer;
pub(crate) use tally::Totals;
pub use tls::TlsError;
