//! One request on one connection.
//!
//! It is read while it is written: a script may answer, or complain, before it has read everything.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use crate::answer::Answer;
use crate::connections::{Connection, Unheard};
use crate::form::{CHUNK, Form};
use crate::record::{self, Answering, End, Malformed};
use crate::request::Request;

/// Sends a request and reads its answer; also says whether the connection can carry another.
pub(crate) async fn exchange(
    connection: &mut Connection,
    request: &Request<'_>,
    keep: bool,
) -> Result<(Answer, bool), Lost> {
    let (reader, writer) = split(&mut connection.io);
    let mut sent = None;
    let (answering, end) = {
        let mut sending = std::pin::pin!(send(writer, request, keep));
        let mut receiving = std::pin::pin!(receive(reader, &mut connection.unheard));
        loop {
            tokio::select! {
                answered = &mut receiving => break answered,
                // Who does not read all may have answered all the same.
                result = &mut sending, if sent.is_none() => sent = Some(result.is_ok()),
            }
        }?
    };
    let sent_all = sent == Some(true);
    let reusable = keep && sent_all && !answering.has_excess();
    Ok((Answer { stdout: answering.stdout, stderr: answering.stderr, end, sent_all }, reusable))
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The connection broke and nothing had come: it may have been closed before the request was there.
    #[error("closed the connection before any answer: {0}")]
    BeforeAnswer(io::Error),
    /// It broke in the middle.
    #[error("closed the connection in the middle of an answer: {0}")]
    WithinAnswer(io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

async fn send(
    mut writer: impl AsyncWrite + Unpin,
    request: &Request<'_>,
    keep: bool,
) -> io::Result<()> {
    let mut out = Vec::with_capacity(2 * MOST);
    record::push_begin(&mut out, keep);
    for params in request.params.chunks(MOST) {
        record::push(&mut out, record::PARAMS, params);
    }
    record::push(&mut out, record::PARAMS, &[]);
    let mut content = Vec::with_capacity(MOST);
    for chunk in request.form.iter().flat_map(Form::chunks) {
        if content.len() + chunk.len() > MOST {
            record::push(&mut out, record::STDIN, &content);
            content.clear();
            writer.write_all(&out).await?;
            out.clear();
        }
        content.extend_from_slice(&chunk);
    }
    if !content.is_empty() {
        record::push(&mut out, record::STDIN, &content);
    }
    record::push(&mut out, record::STDIN, &[]);
    writer.write_all(&out).await?;
    writer.flush().await
}

async fn receive(
    mut reader: impl AsyncRead + Unpin,
    unheard: &mut Option<Unheard>,
) -> Result<(Answering, End), Lost> {
    let mut answering = Answering::default();
    let mut buffer = vec![0; 4096];
    let mut heard = false;
    loop {
        if let Some(end) = answering.ended() {
            return Ok((answering, end));
        }
        let error = match reader.read(&mut buffer).await {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(count) => {
                heard = true;
                unheard.take();
                answering.receive(&buffer[..count])?;
                continue;
            }
            Err(error) => error,
        };
        return Err(if heard { Lost::WithinAnswer(error) } else { Lost::BeforeAnswer(error) });
    }
}

/// Most octets in a record: a multiple of 8, so that full ones need no padding.
const MOST: usize = 32 * 1024;
const _: () = assert!(3 * CHUNK <= MOST, "a chunk fits into a record");
