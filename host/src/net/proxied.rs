//! The PROXY header: who a proxy in front of us speaks for, before anything else is said.
//!
//! *Trust*: taken once, as the first bytes of a connection, from `trusted_proxies` only; a fork of go-guerrilla took it as a
//! command at any time, so that anybody could be anybody (GHSA-c2c3-pqw5-5p7c).
//! *Standards*: HAProxy's PROXY protocol, versions 1 and 2.
//! *Limits*: TCP only. What TLVs say is left in notes of the session: `proxy.alpn`, `proxy.authority`,
//! `proxy.ssl_version`, `proxy.ssl_cipher`, `proxy.ssl_cn`, `proxy.unique_id`.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::ProxyProtocol;

pub(super) mod fuzzing;
mod header;

use header::Header;
pub(super) use header::{Introduction, Malformed};

/// Why a connection from a proxy is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoIntroduction {
    /// A header is required and did not come, or has begun and did not end.
    #[error(
        "no PROXY header within {0:?}: is the proxy set to send one (HAProxy: send-proxy-v2; nginx: proxy_protocol on)? An AWS network load balancer sends it only after the client's first bytes, which in SMTP never come: set proxy_protocol_v2.client_to_server.header_placement=on_first_ack on its target group"
    )]
    Silence(Duration),
    /// The first bytes are something else, or half a header.
    #[error("{Malformed}")]
    Malformed(#[from] Malformed),
    /// A header is required, and this peer's is not believed.
    #[error("proxy_protocol is \"require\" and this peer is not in trusted_proxies")]
    NotTrusted,
    /// The peer has gone.
    #[error("{0}")]
    Failed(#[from] io::Error),
}

/// Reads the header of a trusted peer, not a byte more. `None` in mode `accept`, when there is none.
pub(super) async fn introduction(
    stream: &TcpStream,
    mode: ProxyProtocol,
) -> Result<Option<Introduction>, NoIntroduction> {
    let patience = match mode {
        ProxyProtocol::Off => return Ok(None),
        ProxyProtocol::Accept => ACCEPT_PATIENCE,
        ProxyProtocol::Require => REQUIRE_PATIENCE,
    };
    let mut header = Header::default();
    let mut read = timeout(patience, read(stream, &mut header)).await;
    let begun = !header.bytes().is_empty();
    if read.is_err() && begun && mode == ProxyProtocol::Accept {
        // There is one: taken for a client's own words, its second half would come before those of the client.
        read = timeout(REQUIRE_PATIENCE, self::read(stream, &mut header)).await;
    }
    match (read, mode) {
        (Ok(Ok(true)), _) => Ok(Some(header.read()?)),
        (Ok(Ok(false)), ProxyProtocol::Accept) => Ok(None),
        (Ok(Ok(false)), _) => Err(Malformed.into()),
        (Ok(Err(error)), _) => Err(error),
        // A client that connects directly waits for our greeting.
        (Err(_), ProxyProtocol::Accept) if !begun => Ok(None),
        (Err(_), _) => Err(NoIntroduction::Silence(REQUIRE_PATIENCE)),
    }
}

/// Reads on; false when the connection begins with something else, which is left in the socket.
async fn read(stream: &TcpStream, header: &mut Header) -> Result<bool, NoIntroduction> {
    let mut seen = [0; 512];
    loop {
        let there = stream.peek(&mut seen).await?;
        if there == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let Some((ours, ends)) = header.part_of(&seen[..there]) else { return Ok(false) };
        let read = match stream.try_read(&mut seen[..ours]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            read => read?,
        };
        header.push(&seen[..read])?;
        if ends && read == ours {
            return Ok(true);
        }
    }
}

/// How long a required header may take: it is the first thing a proxy sends.
const REQUIRE_PATIENCE: Duration = Duration::from_secs(10);

/// How long to look for an optional one before the greeting.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Sends the bytes piece by piece and reads the header; then what is left in the socket.
    async fn exchange(
        pieces: Vec<Vec<u8>>,
        mode: ProxyProtocol,
    ) -> (Result<Option<Introduction>, NoIntroduction>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sender = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                stream.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (stream, _) = listener.accept().await.unwrap();
        let result = introduction(&stream, mode).await;
        sender.await.unwrap();
        let mut left = Vec::new();
        let mut buffer = [0; 64];
        while let Ok(()) = stream.readable().await {
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => left.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        (result, left)
    }

    fn version_2_header() -> Vec<u8> {
        use proxy_header::{ProxiedAddress, ProxyHeader, Tlv};
        let addresses = ProxiedAddress::stream(
            "[2001:db8::1]:1234".parse().unwrap(),
            "[2001:db8::2]:25".parse().unwrap(),
        );
        let mut bytes = Vec::new();
        ProxyHeader::with_tlvs(Some(addresses), [Tlv::Authority("mx.example".into())])
            .encode_v2(&mut bytes)
            .unwrap();
        bytes
    }

    #[tokio::test]
    async fn not_a_byte_more_than_the_header_is_read() {
        let version_1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n".to_vec();
        for header in [version_1, version_2_header()] {
            for split in 0..header.len() {
                let mut second = header[split..].to_vec();
                second.extend_from_slice(b"EHLO x\r\n");
                let pieces = vec![header[..split].to_vec(), second];
                let (result, left) = exchange(pieces, ProxyProtocol::Require).await;
                let introduction = result.unwrap().unwrap();
                assert_eq!(introduction.addresses.unwrap().0.port(), 1234, "{split}");
                assert_eq!(left, b"EHLO x\r\n", "{split}");
            }
        }
    }

    #[tokio::test]
    async fn what_the_proxy_knows_is_noted() {
        let (result, _) = exchange(vec![version_2_header()], ProxyProtocol::Accept).await;
        let introduction = result.unwrap().unwrap();
        assert_eq!(introduction.notes.get("proxy.authority"), Some(&b"mx.example"[..]));
    }

    #[tokio::test]
    async fn something_else_is_an_error_or_left_alone() {
        let ehlo = || vec![b"EHLO x\r\n".to_vec()];
        let (result, _) = exchange(ehlo(), ProxyProtocol::Require).await;
        assert!(matches!(result, Err(NoIntroduction::Malformed(_))));
        let (result, left) = exchange(ehlo(), ProxyProtocol::Accept).await;
        assert!(result.unwrap().is_none());
        assert_eq!(left, b"EHLO x\r\n");
        for bad in [
            &b"PROXY TCP4 1.2.3.4\r\n"[..],
            b"PROXY\n",
            &[b'P'; 5000],
            b"\r\nEHLO x",
            b"\r\n\r\n\0\r\nQUIT\r\nEHLO client.example\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        ] {
            let (result, _) = exchange(vec![bad.to_vec()], ProxyProtocol::Require).await;
            assert!(matches!(result, Err(NoIntroduction::Malformed(_))), "{}", bad.escape_ascii());
        }
    }
}
