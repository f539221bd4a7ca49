//! Cutting command lines out of the stream.
//!
//! **Never** takes anything but CRLF for the end of a line (RFC 5321 2.3.8): what one side takes for
//! a line end and the other does not is how commands are smuggled.

use memchr::memchr;

/// What stands at the head of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A whole line without its CRLF.
    Complete(&'a [u8]),
    /// Not yet a whole line.
    Partial,
    /// No CRLF within the limit.
    TooLong,
}

/// The first line of `input`; `limit` counts its CRLF.
pub(crate) fn next_line(input: &[u8], limit: usize) -> Line<'_> {
    let window = &input[..input.len().min(limit)];
    match find_crlf(window) {
        Some(end) => Line::Complete(&window[..end]),
        None if input.len() >= limit => Line::TooLong,
        None => Line::Partial,
    }
}

/// How much of `input` belongs to a line that is being skipped, and whether it ends there. A CR at
/// the very end is left, so that nothing has to be remembered.
pub(crate) fn skip_line(input: &[u8]) -> (usize, bool) {
    match find_crlf(input) {
        Some(end) => (end + 2, true),
        None if input.last() == Some(&b'\r') => (input.len() - 1, false),
        None => (input.len(), false),
    }
}

/// Where the first CRLF starts.
fn find_crlf(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr(b'\n', &bytes[from..]) {
        let at = from + at;
        if at > 0 && bytes[at - 1] == b'\r' {
            return Some(at - 1);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(next_line(b"NOOP\r\nQUIT\r\n", 512), Line::Complete(b"NOOP"));
        assert_eq!(next_line(b"a\nb\rc\r\r\n", 512), Line::Complete(b"a\nb\rc\r"));
        for partial in [&b""[..], b"NOOP", b"NOOP\r", b"NOOP\n", b"\n\r"] {
            assert_eq!(next_line(partial, 512), Line::Partial);
        }
    }

    #[test]
    fn the_limit_counts_crlf() {
        assert_eq!(next_line(b"12345678\r\n", 10), Line::Complete(b"12345678"));
        assert_eq!(next_line(b"123456789\r\n", 10), Line::TooLong);
        assert_eq!(next_line(b"123456789\r", 10), Line::TooLong);
    }

    #[test]
    fn skipping_leaves_a_final_cr() {
        assert_eq!(skip_line(b"abc\r"), (3, false));
        assert_eq!(skip_line(b"\r\nNOOP"), (2, true));
        assert_eq!(skip_line(b"\rx\n"), (3, false));
    }
}
