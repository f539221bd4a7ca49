//! Entry point for fuzzers: bytes in, a panic where a rule is broken.

use std::net::SocketAddr;

use proxy_header::{ProxiedAddress, ProxyHeader};

use super::header::{Header, Introduction, Malformed};

/// Reads a header that comes in pieces; the first byte chooses how large they are. However it is cut, the same bytes are
/// the header's and say the same; addresses written anew are understood the same.
pub(crate) fn proxy_header(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    let whole = outcome(stream, stream.len().max(1));
    let pieces = outcome(stream, usize::from(cut) % 61 + 1);
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "{}", stream.escape_ascii());
    let Outcome::Header(length, Ok(told)) = whole else { return };
    let header = &stream[..length];
    assert!(header.starts_with(b"PROXY ") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    assert!(header.len() <= 107 || header[0] == b'\r', "{}", header.escape_ascii());
    if let Some((source, destination)) = told.addresses {
        assert_eq!(source.is_ipv4(), destination.is_ipv4());
        anew(source, destination);
    }
}

#[derive(Debug)]
enum Outcome {
    /// The connection begins with something else.
    None,
    /// Not all of it has come.
    Partial,
    Malformed,
    /// So many bytes, and what they say.
    Header(usize, Result<Introduction, Malformed>),
}

/// As `super::header` reads a socket, of which at most so many bytes are to be seen at a time.
fn outcome(stream: &[u8], most: usize) -> Outcome {
    let mut header = Header::default();
    let mut rest = stream;
    while !rest.is_empty() {
        let Some((ours, ends)) = header.part_of(&rest[..rest.len().min(most)]) else {
            assert!(header.bytes().is_empty());
            return Outcome::None;
        };
        assert!(ours > 0 && ours <= most, "it would wait for ever, or take what it has not seen");
        if header.push(&rest[..ours]).is_err() {
            return Outcome::Malformed;
        }
        rest = &rest[ours..];
        if ends {
            return Outcome::Header(header.bytes().len(), header.read());
        }
    }
    Outcome::Partial
}

fn anew(source: SocketAddr, destination: SocketAddr) {
    let header = ProxyHeader::with_address(ProxiedAddress::stream(source, destination));
    let (mut version_1, mut version_2) = (Vec::new(), Vec::new());
    assert!(header.encode_v1(&mut version_1).is_ok() && header.encode_v2(&mut version_2).is_ok());
    for bytes in [version_1, version_2] {
        let Outcome::Header(length, Ok(told)) = outcome(&bytes, bytes.len()) else {
            panic!("not understood: {}", bytes.escape_ascii());
        };
        assert_eq!((length, told.addresses), (bytes.len(), Some((source, destination))));
    }
}
