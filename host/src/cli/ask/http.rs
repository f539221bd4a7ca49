//! As much HTTP as it takes to ask our own admin interface: version 1.0, so that an answer ends with the connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::admin::FIELD;
use crate::config::Listen;

/// An answer; its body is still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Box<dyn BufRead>,
}

impl Answer {
    /// The whole body.
    pub(super) fn text(self) -> io::Result<String> {
        let mut text = String::new();
        self.body.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Asks; `method` is GET or POST. Waits so long for each piece of the answer, or for ever.
///
/// # Errors
/// One line that names the address.
pub(super) fn ask(
    listen: &Listen,
    method: &str,
    path: &str,
    patience: Option<Duration>,
) -> Result<Answer, String> {
    try_ask(listen, method, path, patience).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("admin_listen {listen}: nobody is there ({error}); is the daemon running?")
        }
        io::ErrorKind::PermissionDenied => {
            format!("admin_listen {listen}: {error}; it is for the daemon's user alone")
        }
        _ => format!("admin_listen {listen}: {error}"),
    })
}

fn try_ask(
    listen: &Listen,
    method: &str,
    path: &str,
    patience: Option<Duration>,
) -> io::Result<Answer> {
    let request = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{FIELD}: 1\r\n\r\n");
    match listen {
        Listen::Tcp { address, .. } => {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(patience)?;
            stream.write_all(request.as_bytes())?;
            read(stream)
        }
        Listen::Unix { path, .. } => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(patience)?;
            stream.write_all(request.as_bytes())?;
            read(stream)
        }
    }
}

fn read(stream: impl Read + 'static) -> io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let no_http = || io::Error::new(io::ErrorKind::InvalidData, "that is no admin interface");
    let first = line(&mut reader)?;
    let status =
        first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(no_http)?;
    for _ in 0..MOST_FIELDS {
        if line(&mut reader)?.is_empty() {
            return Ok(Answer { status, body: Box::new(reader) });
        }
    }
    Err(no_http())
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended in the middle"));
    }
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

/// Bytes of a body that is read as a whole.
const LONGEST: u64 = 64 << 20;
const LONGEST_LINE: u64 = 8192;
const MOST_FIELDS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_fields_and_body() {
        let answer = read(&b"HTTP/1.0 409 Conflict\r\nA: b\r\n\r\nwhy\r\n"[..]).unwrap();
        assert_eq!((answer.status, answer.text().unwrap().as_str()), (409, "why\r\n"));
        for wrong in [&b"220 mail.example\r\n"[..], b"", b"HTTP/1.0 200 OK\r\nA: b\r\n"] {
            assert!(read(wrong).is_err());
        }
    }
}
