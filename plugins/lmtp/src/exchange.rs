//! One dialogue on one connection.

use std::io;

use guerrilla_stream_pool::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dialogue::{Dialogue, Step};
use crate::envelope::Offer;
use crate::message::Message;
use crate::reply::{Malformed, Replies, Reply};

/// One that has been greeted.
pub(crate) struct Connection {
    io: Box<dyn Stream>,
    replies: Replies,
    pub(crate) offer: Offer,
}

/// The connection did not serve to the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("closed by the store")]
    Closed,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// What the store has said instead of serving us (RFC 5321 section 3.8: 421).
    #[error("the store says {0} {1}")]
    Refused(u16, String),
}

/// Greets the store on a new connection and hears what it offers.
pub(crate) async fn greet(mut io: Box<dyn Stream>, name: &str) -> Result<Connection, Lost> {
    let mut replies = Replies::default();
    expect_positive(next(&mut io, &mut replies).await?)?;
    io.write_all(format!("LHLO {name}\r\n").as_bytes()).await?;
    let offer = Offer::read(&expect_positive(next(&mut io, &mut replies).await?)?);
    Ok(Connection { io, replies, offer })
}

/// Plays a dialogue to its end.
pub(crate) async fn play(
    connection: &mut Connection,
    dialogue: &mut Dialogue<'_>,
    message: Option<&Message<'_>>,
) -> Result<(), Lost> {
    let mut out = Vec::new();
    loop {
        out.clear();
        let step = dialogue.step(&mut out);
        connection.io.write_all(&out).await?;
        match (step, message) {
            (Step::Finished, _) => return Ok(()),
            (Step::SendMessage, Some(message)) => send(&mut connection.io, message).await?,
            // A dialogue about recipients alone never comes to the data.
            (Step::SendMessage, None) => return Err(Lost::Closed),
            (Step::Read, _) => {}
        }
        let reply = next(&mut connection.io, &mut connection.replies).await?;
        // The store closes the connection behind it; it is no answer about a recipient.
        if reply.code == 421 {
            return Err(Lost::Refused(421, reply.lines.concat()));
        }
        dialogue.receive(reply)?;
    }
}

/// Whether something came that was not asked for.
pub(crate) fn is_quiet(connection: &Connection) -> bool {
    connection.replies.is_empty()
}

/// Small slices are put together, for a message of many short lines would be as many calls.
async fn send(io: &mut Box<dyn Stream>, message: &Message<'_>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER);
    for slice in message.on_the_wire() {
        if buffer.len() + slice.len() > BUFFER {
            io.write_all(&buffer).await?;
            buffer.clear();
        }
        if slice.len() > BUFFER {
            io.write_all(slice).await?;
        } else {
            buffer.extend_from_slice(slice);
        }
    }
    io.write_all(&buffer).await?;
    io.flush().await
}

async fn next(io: &mut Box<dyn Stream>, replies: &mut Replies) -> Result<Reply, Lost> {
    let mut octets = [0; 2048];
    loop {
        if let Some(reply) = replies.next()? {
            return Ok(reply);
        }
        match io.read(&mut octets).await? {
            0 => return Err(Lost::Closed),
            count => replies.receive(&octets[..count]),
        }
    }
}

fn expect_positive(reply: Reply) -> Result<Reply, Lost> {
    if reply.is_positive() {
        Ok(reply)
    } else {
        Err(Lost::Refused(reply.code, reply.lines.concat()))
    }
}

const BUFFER: usize = 64 * 1024;
