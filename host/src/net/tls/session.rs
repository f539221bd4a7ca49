//! An encrypted connection, behind the same face as a plain socket.
//!
//! *Limits*: rustls keeps what it has decrypted and what the socket does not take; both are bounded, by what is read at a
//! time and by 64 KiB. A connection that waits holds neither.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{HandshakeKind, ServerConfig, ServerConnection};

use super::facts::facts;
use super::inlet::{Inlet, RECORD};
use crate::mail::TlsFacts;
use crate::net::wire::Socket;

/// What rustls knows of a connection; the socket belongs to the wire.
pub(crate) struct TlsSession {
    rustls: ServerConnection,
    /// Bytes of the caller's that are encrypted already though [`TlsSession::write_now`] has not counted them as
    /// written: the caller will hand them in again.
    encrypted: usize,
    /// Bytes of records that have come to nothing that is read, since [`TlsSession::take_idle_bytes`].
    idle_bytes: usize,
}

impl TlsSession {
    /// Does the handshake, and tells the client in an alert why it has failed.
    pub(crate) async fn handshake(
        socket: &mut Socket,
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(config);
        let rustls = match socket {
            Socket::Tcp(stream) => acceptor.accept(stream).await?.into_inner().1,
            Socket::Unix(stream) => acceptor.accept(stream).await?.into_inner().1,
        };
        Ok(Self { rustls, encrypted: 0, idle_bytes: 0 })
    }

    /// What the handshake has agreed on.
    pub(crate) fn facts(&self, verified: bool) -> TlsFacts {
        facts(&self.rustls, verified)
    }

    /// For the log, beside the facts: the key exchange, and whether an earlier session was resumed.
    pub(crate) fn details(&self) -> String {
        let group = self.rustls.negotiated_key_exchange_group();
        // Resumed sessions of TLS 1.2 do without a key exchange.
        let group = group.and_then(|group| group.name().as_str()).unwrap_or("-");
        let resumed = self.rustls.handshake_kind() == Some(HandshakeKind::Resumed);
        format!("group={group} resumed={resumed}")
    }

    /// Ready when [`TlsSession::try_read`] may have something to say. What the socket did not take of earlier replies goes
    /// out meanwhile.
    pub(crate) fn poll_readable(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_input() {
            return Poll::Ready(Ok(()));
        }
        while self.rustls.wants_write() {
            match socket.poll_writable(cx) {
                Poll::Pending => break,
                Poll::Ready(room) => room.and_then(|()| self.push(socket))?,
            }
        }
        socket.poll_readable(cx)
    }

    /// Reads what is there; 0 at the end, be it announced (`close_notify`) or not: the session below minds that no message
    /// is cut short.
    pub(crate) fn try_read(&mut self, socket: &Socket, room: &mut [u8]) -> io::Result<usize> {
        Inlet::lend(socket, |inlet| {
            let read = self.read(inlet, room);
            let filled = read.as_ref().copied().unwrap_or(0);
            self.idle_bytes += inlet.taken().saturating_sub(filled);
            read
        })
    }

    /// Bytes that were work and nothing to read. A client may send nothing but changes of keys, each a hundred times the work of
    /// a byte of a mail.
    pub(crate) fn take_idle_bytes(&mut self) -> usize {
        std::mem::take(&mut self.idle_bytes)
    }

    fn read(&mut self, inlet: &mut Inlet<'_>, room: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.rustls.reader().read(&mut room[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if inlet.is_exhausted() && filled == 0 => return Err(error),
                Err(_) if inlet.is_exhausted() => break,
                // There may be no end of it: others have their turn first.
                Err(error) if inlet.has_passed_on_all() && inlet.taken() >= AT_MOST => {
                    return if filled > 0 { Ok(filled) } else { Err(error) };
                }
                Err(_) => {
                    let left = room.len() - filled;
                    if filled > 0 && left <= RECORD && inlet.has_passed_on_all() {
                        break;
                    }
                    if inlet.fetch(left)? {
                        self.pull(inlet)?;
                    }
                }
            }
        }
        Ok(filled)
    }

    /// Writes what the socket takes without waiting; how much. Either all that is handed in is on its way, or the whole
    /// of it has to be handed in to [`TlsSession::write_all`]: a record that has been begun cannot be taken back.
    pub(crate) fn write_now(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        let encrypted = self.rustls.writer().write(bytes)?;
        self.push(socket)?;
        if self.rustls.wants_write() {
            self.encrypted = encrypted;
            return Ok(0);
        }
        Ok(encrypted)
    }

    /// Takes what there is room for, and hands the socket what that takes; how much was taken. It goes out with what is
    /// written next, or while the client is listened to.
    pub(crate) fn write_early(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.rustls.writer().write(bytes)?;
        self.push(socket)?;
        Ok(taken)
    }

    /// Writes all of it, waiting for a client that is slow to read.
    pub(crate) async fn write_all(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes.get(std::mem::take(&mut self.encrypted)..).unwrap_or_default();
        loop {
            self.push(socket)?;
            if self.rustls.wants_write() {
                socket.writable().await?;
            } else if rest.is_empty() {
                return Ok(());
            } else {
                let encrypted = self.rustls.writer().write(rest)?;
                rest = &rest[encrypted..];
            }
        }
    }

    /// Says `close_notify`, if the socket takes it.
    pub(crate) fn say_goodbye(&mut self, socket: &Socket) {
        self.rustls.send_close_notify();
        // Whoever is gone does not miss it.
        let _ = self.push(socket);
    }

    /// Whether there is plain text, or the end.
    fn has_input(&mut self) -> bool {
        match self.rustls.reader().into_first_chunk() {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// As much of what was fetched as rustls takes at a time, decrypted.
    fn pull(&mut self, inlet: &mut Inlet<'_>) -> io::Result<()> {
        self.rustls.read_tls(inlet)?;
        let processed = self.rustls.process_new_packets();
        // The answer to a change of keys, or the alert that says what was wrong.
        let answered = self.push(inlet.socket());
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        answered
    }

    /// Hands records to the socket, as many as there are with one system call.
    fn push(&mut self, socket: &Socket) -> io::Result<()> {
        while self.rustls.wants_write() {
            match self.rustls.write_tls(&mut Outlet(socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Bytes of records for one read of the session's.
const AT_MOST: usize = 64 * 1024;

/// The socket as rustls writes it.
struct Outlet<'a>(&'a Socket);

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, records: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match records {
            // Which is the cheaper call.
            [record] => self.0.try_write(record),
            _ => self.0.try_write_vectored(records),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::{TlsConnector, client};

    use super::super::server_config;
    use super::super::testing::{NAME, pair, trusting};
    use super::{Arc, RECORD};
    use crate::config::Tls;
    use crate::net::wire::Wire;

    /// Both ends of an encrypted connection.
    async fn connected() -> (Wire, client::TlsStream<UnixStream>) {
        let (dir, files, certificate) = pair();
        let config = server_config::build(&Tls::default(), &files).unwrap();
        drop(dir);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::from(ours);
        let connector = TlsConnector::from(Arc::new(trusting(certificate)));
        let name = ServerName::try_from(NAME).unwrap();
        let (client, server) =
            tokio::join!(connector.connect(name, theirs), wire.encrypt(config.into()));
        server.unwrap();
        (wire, client.unwrap())
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_written_later_and_once() {
        for (size, early) in
            [100, 10_000, 200_000].into_iter().flat_map(|s| [(s, false), (s, true)])
        {
            let (mut wire, mut client) = connected().await;
            let mut sent = Vec::new();
            loop {
                let mut replies = Vec::new();
                while replies.len() < size {
                    write!(replies, "{}\r\n", sent.len() + replies.len()).unwrap();
                }
                let mut written = if early { wire.write_early(&replies).unwrap() } else { 0 };
                if written < replies.len() {
                    written += wire.write_now(&replies[written..]).unwrap();
                }
                sent.extend_from_slice(&replies);
                if written < replies.len() {
                    let reader = tokio::spawn(async move {
                        let mut received = Vec::new();
                        client.read_to_end(&mut received).await.unwrap();
                        received
                    });
                    wire.write_all(&replies[written..]).await.unwrap();
                    drop(wire);
                    assert!(reader.await.unwrap() == sent, "replies of {size} bytes, {early}");
                    break;
                }
            }
        }
    }

    #[tokio::test]
    async fn all_that_was_fetched_comes_out_in_order_whatever_room_there_is() {
        let sent: Vec<u8> = (0..300_000u32).flat_map(u32::to_be_bytes).collect();
        for (room, records) in [(7, 16), (RECORD, 5000), (RECORD + 1, 1 << 14), (1 << 16, 1 << 14)]
        {
            let (mut wire, mut client) = connected().await;
            let sent = &sent[..if room < RECORD { 20_000 } else { sent.len() }];
            let write = async {
                for record in sent.chunks(records) {
                    client.write_all(record).await.unwrap();
                }
                client.shutdown().await.unwrap();
            };
            let read = async {
                let (mut heard, mut room) = (Vec::new(), vec![0; room]);
                loop {
                    wire.readable().await.unwrap();
                    match wire.try_read(&mut room) {
                        Ok(0) => break heard,
                        Ok(read) => heard.extend_from_slice(&room[..read]),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
            };
            let ((), heard) = tokio::join!(write, read);
            assert!(heard == sent, "room {room}, records of {records}: {} bytes", heard.len());
        }
    }

    #[tokio::test]
    async fn one_read_is_bounded_however_little_is_in_the_records() {
        let (mut wire, mut client) = connected().await;
        let (socket, tls) = client.get_mut();
        tls.set_buffer_limit(None);
        (0..9000).for_each(|_| tls.writer().write_all(b"x").unwrap());
        let mut records = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut records).unwrap();
        }
        socket.writable().await.unwrap();
        let sent = socket.try_write(&records).unwrap();
        assert!(sent > 150_000, "only {sent} of {} bytes are on their way", records.len());
        wire.readable().await.unwrap();
        wire.take_idle_bytes();
        let read = wire.try_read(&mut vec![0; 1 << 16]).unwrap();
        let idle = wire.take_idle_bytes();
        assert!(read > 100 && read + idle <= 100_000, "{read} and {idle} bytes in one read");
        assert!(idle > 20 * read, "{read} and {idle} bytes");
        assert_eq!(wire.take_idle_bytes(), 0);
    }

    #[tokio::test]
    async fn an_end_without_a_word_and_one_with_are_ends() {
        for said in [true, false] {
            let (mut wire, mut client) = connected().await;
            client.write_all(b"QUIT\r\n").await.unwrap();
            client.flush().await.unwrap();
            if said {
                client.shutdown().await.unwrap();
            } else {
                client.get_mut().0.shutdown().await.unwrap();
            }
            let mut room = [0; 4];
            let mut heard = Vec::new();
            loop {
                wire.readable().await.unwrap();
                match wire.try_read(&mut room) {
                    Ok(0) => break,
                    Ok(read) => heard.extend_from_slice(&room[..read]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(heard, b"QUIT\r\n");
        }
    }
}
