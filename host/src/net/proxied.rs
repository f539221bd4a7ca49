//! The PROXY header: who a proxy in front of us speaks for, before anything else is said.
//!
//! *Trust*: taken once, as the first bytes of a connection, from `trusted_proxies` only; a fork of go-guerrilla took it as a
//! command at any time, so that anybody could be anybody (GHSA-c2c3-pqw5-5p7c).
//! *Standards*: HAProxy's PROXY protocol, versions 1 and 2.
//! *Limits*: TCP only. What TLVs say is left in notes of the session: `proxy.alpn`, `proxy.authority`,
//! `proxy.ssl_version`, `proxy.ssl_cipher`, `proxy.ssl_cn`, `proxy.unique_id`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::net::TcpStream;

use crate::config::ProxyProtocol;
use crate::mail::{MAX_SESSION_NOTE, Notes};

/// What a proxy has said.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    /// The client and the address it connected to; none when the proxy speaks for itself (a health check).
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// For the session.
    pub(super) notes: Notes,
}

/// Why a connection from a proxy is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoIntroduction {
    /// A header is required and did not come.
    #[error(
        "no PROXY header within {0:?}: is the proxy set to send one (HAProxy: send-proxy-v2; nginx: proxy_protocol on)? An AWS network load balancer sends it only after the client's first bytes, which in SMTP never come: set proxy_protocol_v2.client_to_server.header_placement=on_first_ack on its target group"
    )]
    Silence(Duration),
    /// The first bytes are something else, or half a header.
    #[error(
        "no PROXY header: the first bytes are something else; send one, or set proxy_protocol to \"accept\""
    )]
    Malformed,
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
    match (tokio::time::timeout(patience, header(stream)).await, mode) {
        (Ok(Ok(Some(bytes))), _) => read(&bytes).map(Some),
        (Ok(Ok(None)), ProxyProtocol::Accept) => Ok(None),
        (Ok(Ok(None)), _) => Err(NoIntroduction::Malformed),
        (Ok(Err(error)), _) => Err(error),
        // A client that connects directly waits for our greeting.
        (Err(_), ProxyProtocol::Accept) => Ok(None),
        (Err(_), _) => Err(NoIntroduction::Silence(patience)),
    }
}

/// The bytes of the header; `None` when the connection begins with something else, which is left in the socket.
async fn header(stream: &TcpStream) -> Result<Option<Vec<u8>>, NoIntroduction> {
    let mut header = Vec::new();
    let mut seen = [0; 512];
    loop {
        let there = stream.peek(&mut seen).await?;
        if there == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let (take, complete) = match header.first().unwrap_or(&seen[0]) {
            b'P' => version_1(&seen[..there]),
            b'\r' => version_2(&header, &seen[..there]),
            _ => return Ok(None),
        };
        if header.len() + take > LONGEST {
            return Err(NoIntroduction::Malformed);
        }
        let start = header.len();
        header.resize(start + take, 0);
        let read = match stream.try_read(&mut header[start..]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            read => read?,
        };
        header.truncate(start + read);
        if is_hopeless(&header) {
            return Err(NoIntroduction::Malformed);
        }
        if complete && read == take {
            return Ok(Some(header));
        }
    }
}

/// How many of these bytes belong to a version 1 header, and whether it ends with them.
fn version_1(seen: &[u8]) -> (usize, bool) {
    match memchr::memchr(b'\n', seen) {
        Some(end) => (end + 1, true),
        None => (seen.len(), false),
    }
}

/// The same for version 2: 16 bytes, of which the last two tell how many follow.
fn version_2(header: &[u8], seen: &[u8]) -> (usize, bool) {
    let at = |index: usize| header.get(index).or_else(|| seen.get(index - header.len()));
    let missing = match (at(14), at(15)) {
        (Some(high), Some(low)) => {
            16 + usize::from(u16::from_be_bytes([*high, *low])) - header.len()
        }
        _ => 16 - header.len(),
    };
    let whole = at(15).is_some() && missing <= seen.len();
    (missing.min(seen.len()), whole)
}

/// Whether this begins like version 2 and can never be a header: another signature, or a length beyond all reason.
fn is_hopeless(header: &[u8]) -> bool {
    let signature = header.len().min(SIGNATURE.len());
    let announced = header.get(14..16).map(|length| u16::from_be_bytes([length[0], length[1]]));
    header.starts_with(b"\r")
        && (header[..signature] != SIGNATURE[..signature]
            || announced.is_some_and(|length| usize::from(length) + 16 > LONGEST))
}

fn read(bytes: &[u8]) -> Result<Introduction, NoIntroduction> {
    let (header, _) =
        ProxyHeader::parse(bytes, ParseConfig::default()).map_err(|_| NoIntroduction::Malformed)?;
    if header.tlvs().any(|tlv| tlv.is_err()) {
        return Err(NoIntroduction::Malformed);
    }
    let mut notes = Notes::default();
    let mut keep = |key: &str, value: Option<&[u8]>| {
        // A value beyond the limit of notes is left out: nobody is let in or kept out by it.
        let _ = notes.set(key, value.unwrap_or_default(), MAX_SESSION_NOTE);
    };
    keep("proxy.alpn", header.alpn());
    keep("proxy.authority", header.authority().map(str::as_bytes));
    keep("proxy.unique_id", header.unique_id());
    if let Some(ssl) = header.ssl() {
        keep("proxy.ssl_version", ssl.version().map(str::as_bytes));
        keep("proxy.ssl_cipher", ssl.cipher().map(str::as_bytes));
        // The name means something only when the proxy has verified the certificate.
        let verified = ssl.client_cert_sess() && ssl.verify() == 0;
        keep("proxy.ssl_cn", ssl.cn().filter(|_| verified).map(str::as_bytes));
    }
    let addresses = header.proxied_address().map(|a| (a.source, a.destination));
    Ok(Introduction { addresses, notes })
}

/// What a version 2 header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// How long a required header may take: it is the first thing a proxy sends.
const REQUIRE_PATIENCE: Duration = Duration::from_secs(10);

/// How long to look for an optional one before the greeting.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(1);

/// Longest header: TLVs of a few kilobytes at most; version 1 has 107 bytes.
const LONGEST: usize = 4096;

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
        use proxy_header::{ProxiedAddress, Tlv};
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
        assert!(matches!(result, Err(NoIntroduction::Malformed)));
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
            assert!(matches!(result, Err(NoIntroduction::Malformed)), "{}", bad.escape_ascii());
        }
    }
}
