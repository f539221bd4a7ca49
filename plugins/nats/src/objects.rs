//! Large messages: in a bucket of the object store, under the id of the message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_nats::jetstream::object_store::{InfoErrorKind, ObjectMetadata, ObjectStore};
use tokio::io::{AsyncRead, ReadBuf};

use crate::outgoing::Outgoing;
use crate::trouble::Trouble;

/// Stores the message, unless it is there already. An object appears when all of it is stored, and its name is made of the message,
/// so one of that name is this message: an attempt before this one has stored it, or another daemon that the client was at.
pub(crate) async fn put(bucket: &ObjectStore, mail: &Outgoing<'_>) -> Result<(), Trouble> {
    match bucket.info(&mail.id).await {
        Ok(info) if !info.deleted => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == InfoErrorKind::NotFound => {}
        Err(error) => return Err(Trouble::of_any(&error)),
    }
    let meta = ObjectMetadata { name: mail.id.clone(), ..ObjectMetadata::default() };
    let mut pieces = Pieces::new(&mail.pieces);
    let stored = bucket.put(meta, &mut pieces).await.map_err(|error| Trouble::of_any(&error))?;
    if stored.size != mail.size {
        return Err(Trouble::Passing(format!("{} of {} octets stored", stored.size, mail.size)));
    }
    Ok(())
}

/// Reads pieces one after the other.
struct Pieces<'t> {
    rest: &'t [&'t [u8]],
    /// Octets of the first one that are read.
    at: usize,
}

impl<'t> Pieces<'t> {
    fn new(pieces: &'t [&'t [u8]]) -> Self {
        Self { rest: pieces, at: 0 }
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some((first, rest)) = self.rest.split_first() {
            let left = &first[self.at..];
            if left.is_empty() {
                self.rest = rest;
                self.at = 0;
                continue;
            }
            if buffer.remaining() == 0 {
                break;
            }
            let count = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..count]);
            self.at += count;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn pieces_are_read_whole_by_whatever_buffer() {
        let pieces: [&[u8]; 5] = [b"", b"ab", b"", b"cdefg", b""];
        for size in 1..8 {
            let (mut reader, mut all) = (Pieces::new(&pieces), Vec::new());
            loop {
                let mut buffer = vec![0; size];
                let count = reader.read(&mut buffer).await.unwrap();
                if count == 0 {
                    break;
                }
                all.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(all, b"abcdefg", "{size}");
        }
    }
}
