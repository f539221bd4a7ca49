//! Large messages: in a bucket of the object store.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_nats::jetstream::object_store::{InfoErrorKind, ObjectMetadata, ObjectStore};
use guerrilla_plugin_api::Host;
use tokio::io::{AsyncRead, ReadBuf};

use crate::outgoing::Outgoing;
use crate::trouble::Trouble;

/// Stores the message, unless it is there already, and returns the name of its object. An object appears when all of it is stored.
///
/// The first name is the id, which is made of the message, so an object of that name is this message: an attempt before this one has
/// stored it, or another daemon that the client was at. Where a consumer has deleted that one, its message was filed, and the stream
/// may or may not take this copy; then the object gets the name `own`, which no other transaction has, so that whoever put
/// it can tell what becomes of it.
pub(crate) async fn put<'n>(
    bucket: &ObjectStore,
    mail: &'n Outgoing<'_>,
    own: &'n str,
) -> Result<&'n str, Trouble> {
    let (name, found) = match look(bucket, &mail.id).await? {
        Found::Deleted => (own, look(bucket, own).await?),
        found => (mail.id.as_str(), found),
    };
    if found != Found::Whole {
        put_as(bucket, mail, name).await?;
    }
    Ok(name)
}

/// What there is of a name.
#[derive(PartialEq, Eq)]
enum Found {
    Whole,
    /// There was one.
    Deleted,
    Nothing,
}

async fn look(bucket: &ObjectStore, name: &str) -> Result<Found, Trouble> {
    match bucket.info(name).await {
        Ok(info) if info.deleted => Ok(Found::Deleted),
        Ok(_) => Ok(Found::Whole),
        Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(Trouble::of_any(&error)),
    }
}

async fn put_as(bucket: &ObjectStore, mail: &Outgoing<'_>, name: &str) -> Result<(), Trouble> {
    let meta = ObjectMetadata { name: name.to_owned(), ..ObjectMetadata::default() };
    let mut pieces = Pieces::new(&mail.pieces);
    let stored = bucket.put(meta, &mut pieces).await.map_err(|error| Trouble::of_any(&error))?;
    if stored.size != mail.size {
        return Err(Trouble::Passing(format!("{} of {} octets stored", stored.size, mail.size)));
    }
    Ok(())
}

/// Deletes an object that no message names, behind the caller's back: nobody waits for it, and what stays is lost room only.
pub(crate) fn clear(bucket: &ObjectStore, name: &str, host: Host) {
    let (bucket, name) = (bucket.clone(), name.to_owned());
    tokio::spawn(async move {
        if let Err(error) = bucket.delete(&name).await {
            let why = Trouble::of_any(&error);
            host.warn(format_args!("{name}: an object that no message names stays: {why}"));
        }
    });
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
