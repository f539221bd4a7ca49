//! Where a session stands, and what it has to remember there.

use crate::data::DotDecoder;
use crate::question::{CloseReason, HelloVerb};
use crate::reply::Reply;

/// What the session is doing. Each state owns what only it may use.
#[derive(Debug)]
pub(super) enum State {
    /// A question is open.
    Asked(Pending),
    /// Inside a chunk of BDAT.
    Chunk(ChunkBody),
    Closed(CloseReason),
    Commands,
    /// Inside the data of a message.
    Data(DataBody),
    /// [`Step::StartTls`](crate::Step::StartTls) has been given.
    Handshake,
    /// Before the first question.
    Opening,
    /// Inside a line that is too long.
    SkipLine {
        skipped: usize,
    },
}

/// The open question and what its answer will need.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    Chunk { size: u64, last: bool },
    Connect,
    Data,
    Helo(HelloVerb),
    Mail { binary: bool, prdr: bool, smtputf8: bool },
    Message,
    Rcpt,
    Xclient,
    Xforward,
}

/// What the session remembers from MAIL to the end of the message.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// BODY=BINARYMIME: DATA cannot carry it.
    pub(super) binary: bool,
    /// A first chunk of BDAT has been accepted.
    pub(super) chunked: bool,
    pub(super) prdr: bool,
    /// Accepted recipients.
    pub(super) recipients: u32,
    /// Some recipient was refused.
    pub(super) refusals: bool,
    /// Octets in earlier chunks.
    pub(super) size: u64,
    pub(super) smtputf8: bool,
}

/// A chunk of BDAT (RFC 3030) of which not all has come.
#[derive(Debug)]
pub(super) struct ChunkBody {
    /// Octets still to come.
    pub(super) left: u64,
    pub(super) last: bool,
    /// The chunk is being skipped; this is the answer at its end.
    pub(super) refusal: Option<Reply<'static>>,
}

/// The data of DATA, up to the dot.
#[derive(Debug)]
pub(super) struct DataBody {
    pub(super) decoder: DotDecoder,
    /// Octets so far.
    pub(super) size: u64,
    /// The data is being skipped; this is the answer at its end.
    pub(super) refusal: Option<Reply<'static>>,
}
