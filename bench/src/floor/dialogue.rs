//! The floor's side of a dialogue: lines by their first letter, data by its end.

use memchr::memmem;

/// Where a connection is.
#[derive(Debug)]
pub(super) struct Dialogue {
    state: State,
    line: Vec<u8>,
    starttls: bool,
    lmtp: bool,
    recipients: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Command,
    /// The last four octets, as the end may be cut.
    Data([u8; 4]),
    Chunk {
        left: u64,
        last: bool,
    },
}

/// What comes after the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    GoOn,
    StartTls,
    Close,
}

impl Dialogue {
    pub(super) fn new(starttls: bool) -> Self {
        Self { state: State::Command, line: Vec::new(), starttls, lmtp: false, recipients: 0 }
    }

    /// Hears what a client says; the replies go to `out`.
    pub(super) fn hear(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Turn {
        while !input.is_empty() {
            let taken = match self.state {
                State::Command => {
                    let Some(end) = memchr::memchr(b'\n', input) else {
                        self.line.extend_from_slice(input);
                        break;
                    };
                    let turn = self.line(&input[..=end], out);
                    if turn != Turn::GoOn {
                        return turn;
                    }
                    end + 1
                }
                State::Data(tail) => match end_of_data(tail, input) {
                    Ok(end) => {
                        self.taken(out);
                        end
                    }
                    Err(tail) => {
                        self.state = State::Data(tail);
                        input.len()
                    }
                },
                State::Chunk { left, last } => self.chunk(left, last, input.len(), out),
            };
            input = &input[taken..];
        }
        Turn::GoOn
    }

    fn line(&mut self, end: &[u8], out: &mut Vec<u8>) -> Turn {
        if self.line.is_empty() {
            return self.command(end, out);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(end);
        self.command(&line, out)
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Turn {
        match line[0].to_ascii_uppercase() {
            b'E' | b'L' => {
                self.lmtp = line[0].eq_ignore_ascii_case(&b'L');
                out.extend_from_slice(if self.starttls { HELLO_TLS } else { HELLO });
            }
            b'R' => {
                self.recipients += usize::from(
                    line.get(1).is_some_and(|letter| letter.eq_ignore_ascii_case(&b'C')),
                );
                out.extend_from_slice(OK);
            }
            b'D' => {
                out.extend_from_slice(GO_ON);
                self.state = State::Data(*b"\0\0\r\n");
            }
            b'B' => {
                let digits = line.iter().skip(5).take_while(|octet| octet.is_ascii_digit());
                let left = digits.fold(0u64, |sum, digit| {
                    sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
                });
                let last = line.trim_ascii_end().to_ascii_uppercase().ends_with(b"LAST");
                self.chunk(left, last, 0, out);
            }
            b'S' => {
                self.starttls = false;
                out.extend_from_slice(READY);
                return Turn::StartTls;
            }
            b'Q' => {
                out.extend_from_slice(BYE);
                return Turn::Close;
            }
            _ => out.extend_from_slice(OK),
        }
        Turn::GoOn
    }

    /// `here` octets of a chunk, or whatever belongs to it: how many it took.
    fn chunk(&mut self, left: u64, last: bool, here: usize, out: &mut Vec<u8>) -> usize {
        let taken = usize::try_from(left).map_or(here, |left| left.min(here));
        let left = left - taken as u64;
        self.state = State::Chunk { left, last };
        if left == 0 && last {
            self.taken(out);
        } else if left == 0 {
            self.state = State::Command;
            out.extend_from_slice(OK);
        }
        taken
    }

    fn taken(&mut self, out: &mut Vec<u8>) {
        self.state = State::Command;
        let replies = if self.lmtp { self.recipients } else { 1 };
        self.recipients = 0;
        for _ in 0..replies {
            out.extend_from_slice(OK);
        }
    }
}

/// How many octets of `input` the data still takes, or what its last four octets are when it does not end here.
fn end_of_data(tail: [u8; 4], input: &[u8]) -> Result<usize, [u8; 4]> {
    let mut junction = [0; 8];
    let head = input.len().min(4);
    junction[..4].copy_from_slice(&tail);
    junction[4..4 + head].copy_from_slice(&input[..head]);
    if let Some(begin) = memmem::find(&junction[..4 + head], END) {
        return Ok(begin + 1);
    }
    if let Some(begin) = memmem::find(input, END) {
        return Ok(begin + END.len());
    }
    let mut last = [0; 4];
    match input.last_chunk::<4>() {
        Some(chunk) => last = *chunk,
        None => last.copy_from_slice(&junction[head..head + 4]),
    }
    Err(last)
}

const END: &[u8] = b"\r\n.\r\n";
pub(super) const GREETING: &[u8] = b"220 floor ESMTP\r\n";
const HELLO: &[u8] = b"250-floor\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const HELLO_TLS: &[u8] = b"250-floor\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n";
const OK: &[u8] = b"250 2.0.0 OK\r\n";
const GO_ON: &[u8] = b"354 go on\r\n";
const READY: &[u8] = b"220 2.0.0 go on\r\n";
const BYE: &[u8] = b"221 2.0.0 bye\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(input: &[u8], cut: usize) -> (String, Turn) {
        let (mut dialogue, mut out) = (Dialogue::new(false), Vec::new());
        let mut turn = Turn::GoOn;
        for piece in [&input[..cut], &input[cut..]] {
            if turn == Turn::GoOn {
                turn = dialogue.hear(piece, &mut out);
            }
        }
        (String::from_utf8(out).unwrap(), turn)
    }

    #[test]
    fn replies_are_the_same_wherever_the_bytes_are_cut() {
        let input = b"EHLO me\r\nMAIL\r\nRCPT\r\nDATA\r\nhello\r\n..\r\n.\r\nMAIL\r\nDATA\r\n.\r\n\
            BDAT 5\r\nBDAT BDAT 3 LAST\r\nQ\r\nMAIL\r\nQUIT\r\n";
        let (whole, turn) = replies(input, input.len());
        assert_eq!(turn, Turn::Close);
        assert_eq!(whole.matches("250 2.0.0").count(), 8);
        assert_eq!(whole.matches("354 ").count(), 2);
        for cut in 0..input.len() {
            assert_eq!(replies(input, cut).0, whole, "cut at {cut}");
        }
    }

    #[test]
    fn lmtp_has_a_reply_for_each_recipient() {
        let input = b"LHLO me\r\nMAIL\r\nRCPT\r\nRCPT\r\nRSET\r\nDATA\r\n.\r\n";
        assert_eq!(replies(input, 3).0.matches("250 2.0.0").count(), 6);
    }
}
