//! Bytes from a server to reply lines, wherever they are cut.
//!
//! Limits: a line of more than [`LONGEST`] bytes is an error; so is one that does not begin with a code.

/// One line of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// 200 to 599.
    pub code: u16,
    /// Whether the reply ends here (`250 ` and not `250-`).
    pub last: bool,
    /// What stands behind the code.
    pub text: &'a [u8],
}

/// What is not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAReply;

/// Keeps what has come of a line that is not whole yet.
#[derive(Debug, Default)]
pub struct ReplyLines {
    partial: Vec<u8>,
}

impl ReplyLines {
    /// Calls `each` for every line that `input` completes, until one of them answers `false`.
    pub fn feed(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(ReplyLine<'_>) -> bool,
    ) -> Result<(), NotAReply> {
        while let Some(end) = memchr::memchr(b'\n', input) {
            let (line, rest) = input.split_at(end + 1);
            let go_on = if self.partial.is_empty() {
                each(parse(line)?)
            } else {
                self.partial.extend_from_slice(line);
                let go_on = each(parse(&self.partial)?);
                self.partial.clear();
                go_on
            };
            input = rest;
            if !go_on {
                return Ok(());
            }
        }
        self.partial.extend_from_slice(input);
        if self.partial.len() > LONGEST { Err(NotAReply) } else { Ok(()) }
    }
}

fn parse(line: &[u8]) -> Result<ReplyLine<'_>, NotAReply> {
    let line = line.trim_ascii_end();
    let (code, rest) = line.split_at_checked(3).ok_or(NotAReply)?;
    if !code.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&code[0]) {
        return Err(NotAReply);
    }
    let code = code.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Ok(ReplyLine { code, last: true, text: b"" }),
        Some((b' ', text)) => Ok(ReplyLine { code, last: true, text }),
        Some((b'-', text)) => Ok(ReplyLine { code, last: false, text }),
        Some(_) => Err(NotAReply),
    }
}

/// Generous: RFC 5321 section 4.5.3.1.5 allows 512.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<(u16, bool, String)>, NotAReply> {
        let (mut lines, mut found) = (ReplyLines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, |line| {
                let text = String::from_utf8_lossy(line.text).into_owned();
                found.push((line.code, line.last, text));
                true
            })?;
        }
        Ok(found)
    }

    #[test]
    fn lines_are_the_same_wherever_they_are_cut() {
        let text: &[u8] = b"220 hi\r\n250-a b\r\n250 2.0.0 OK\r\n354\r\n";
        let whole = all(&[text]).unwrap();
        assert_eq!(whole.len(), 4);
        assert_eq!(whole[1], (250, false, "a b".to_owned()));
        assert_eq!(whole[3], (354, true, String::new()));
        for cut in 0..text.len() {
            assert_eq!(all(&[&text[..cut], &text[cut..]]).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for line in [&b"hello\r\n"[..], b"25\r\n", b"250x\r\n", b"999 no\r\n", b"\r\n"] {
            assert_eq!(all(&[line]), Err(NotAReply), "{line:?}");
        }
        assert_eq!(all(&[&[b'2'; LONGEST + 1]]), Err(NotAReply));
    }

    #[test]
    fn a_caller_may_stop_between_lines() {
        let (mut lines, mut count) = (ReplyLines::default(), 0);
        let fed = lines.feed(b"220 go\r\n250 not read\r\n", |_| {
            count += 1;
            false
        });
        assert_eq!((fed, count), (Ok(()), 1));
    }
}
