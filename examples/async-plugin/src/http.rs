//! As much of HTTP/1.0 (RFC 1945) as a question needs.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Asks for an item of a collection; the status code.
pub(crate) async fn get(service: &str, collection: &str, item: &str) -> io::Result<u16> {
    let path = format!("/{collection}/{}", encoded(item));
    let mut connection = TcpStream::connect(service).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {service}\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(connection.take(LONGEST_LINE)).read_line(&mut line).await?;
    let rest = line.strip_prefix("HTTP/1.");
    let status = rest.and_then(|rest| rest.split(' ').nth(1)?.trim_end().parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "does not speak HTTP"))
}

/// Percent-encoded (RFC 3986 section 2.1): an address is the client's text and must not become anything else.
fn encoded(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len() * 3);
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Longest status line that is read.
const LONGEST_LINE: u64 = 1024;
