//! One dialogue on one connection.

use std::io;

use guerrilla_stream_pool::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dialogue::{Dialogue, Step};
use crate::envelope::Offer;
use crate::message::Message;
use crate::reply::{Malformed, Replies, Reply};
use crate::tls::Tls;

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
    #[error("offers no STARTTLS, and nothing is to go in the clear (lmtp_tls)")]
    NoTls,
    /// Somebody in between has put it there, to have it taken for what the store says under TLS.
    #[error("something came in the clear behind the reply to STARTTLS")]
    Injected,
    /// What the store has said instead of serving us (RFC 5321 section 3.8: 421).
    #[error("the store says {0} {1}")]
    Refused(u16, String),
}

/// Greets the store on a new connection and hears what it offers. Where TLS is wanted, nothing else is said before it is there.
pub(crate) async fn greet(
    io: Box<dyn Stream>,
    name: &str,
    tls: Option<&Tls>,
) -> Result<Connection, Lost> {
    let mut io = match tls {
        Some(tls) if tls.is_implicit() => tls.over(io).await?,
        _ => io,
    };
    let mut replies = Replies::default();
    expect_positive(next(&mut io, &mut replies).await?)?;
    let mut offer = hello(&mut io, &mut replies, name).await?;
    if let Some(tls) = tls.filter(|tls| !tls.is_implicit()) {
        if !offer.start_tls {
            return Err(Lost::NoTls);
        }
        say(&mut io, b"STARTTLS\r\n").await?;
        expect_positive(next(&mut io, &mut replies).await?)?;
        if !replies.is_empty() {
            return Err(Lost::Injected);
        }
        io = tls.over(io).await?;
        // RFC 3207 section 4.2: what was said in the clear counts no more.
        offer = hello(&mut io, &mut replies, name).await?;
    }
    Ok(Connection { io, replies, offer })
}

async fn hello(io: &mut Box<dyn Stream>, replies: &mut Replies, name: &str) -> Result<Offer, Lost> {
    say(io, format!("LHLO {name}\r\n").as_bytes()).await?;
    Ok(Offer::read(&expect_positive(next(io, replies).await?)?))
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
        say(&mut connection.io, &out).await?;
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

/// TLS keeps what does not go out at once.
async fn say(io: &mut Box<dyn Stream>, octets: &[u8]) -> io::Result<()> {
    io.write_all(octets).await?;
    io.flush().await
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
    say(io, &buffer).await
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

#[cfg(test)]
mod tests;
