//! The decoder of message data: finds the end, takes stuffed dots off, looks out for bare line ends.
//!
//! It works on the raw stream and nothing that it has rewritten is ever looked at again.
//!
//! ```text
//!             CR LF                 '.'             CR            LF
//!   Text ──────────────▶ LineStart ─────▶ Dot ──────────▶ DotCr ──────▶ end
//!    ▲                                     │ anything else  │ anything else
//!    └─────────────────────────────────────┴────────────────┘
//! ```
//!
//! **Never** ends on anything but `CRLF.CRLF`. The CRLF of the DATA command counts as the first, so
//! `.CRLF` at once is an empty message (RFC 5321 4.1.1.4). A bare CR or LF starts no line: no dot is
//! unstuffed behind it. No byte changes the mode of the decoder for the bytes that follow.
//!
//! **Standards:** RFC 5321 2.3.8, 4.1.1.4, 4.5.2. NUL passes as it is: RFC 5321 4.1.1.4 allows every
//! octet and to drop one would break signatures.
//!
//! **Limits:** lines may be longer than the 1000 octets of RFC 5321 4.5.3.1.6; the size of the
//! message bounds them. Many programs write such lines, and nothing here holds a line in memory.

use std::ops::Range;

use memchr::memchr2;

use crate::settings::BareNewline;

/// Decodes one message sent by DATA. A new one stands behind the CRLF of the command.
#[derive(Clone, Copy, Debug)]
pub struct DotDecoder {
    state: State,
    bare_newline: BareNewline,
}

impl DotDecoder {
    /// A decoder for the bytes behind `DATA CRLF`.
    #[must_use]
    pub const fn new(bare_newline: BareNewline) -> Self {
        Self { state: State::LineStart, bare_newline }
    }

    /// Takes bytes off the head of `input`: returns how many, and what they mean. To be called again
    /// with the rest until it says [`NeedInput`](Decoded::NeedInput) (with all bytes taken) or
    /// [`End`](Decoded::End).
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> (usize, Decoded<'a>) {
        let (used, piece) = self.next_piece(input);
        let decoded = match piece {
            Piece::Bare => match self.bare_newline {
                BareNewline::Normalize => Decoded::Bytes(b"\r\n"),
                BareNewline::Reject => Decoded::BareNewline,
            },
            Piece::Bytes(range) => Decoded::Bytes(&input[range]),
            Piece::Crlf => Decoded::Bytes(b"\r\n"),
            Piece::End => Decoded::End,
            Piece::None => Decoded::NeedInput,
        };
        (used, decoded)
    }

    fn next_piece(&mut self, input: &[u8]) -> (usize, Piece) {
        let mut used = 0;
        loop {
            let Some(&byte) = input.get(used) else { return (used, Piece::None) };
            match (self.state, byte) {
                (State::LineStart, b'.') => self.state = State::Dot,
                (State::Dot, b'\r') => self.state = State::DotCr,
                (State::DotCr, b'\n') => {
                    self.state = State::LineStart;
                    return (used + 1, Piece::End);
                }
                // The CR behind the dot was bare; this byte has yet to be looked at.
                (State::DotCr, _) => {
                    self.state = State::Text;
                    return (used, Piece::Bare);
                }
                (State::Cr, b'\n') => {
                    self.state = State::LineStart;
                    return (used + 1, self.held_crlf(used));
                }
                (State::Cr, _) => {
                    self.state = State::Text;
                    return (used, Piece::Bare);
                }
                (State::LineStart | State::Dot | State::Text, _) => {
                    self.state = State::Text;
                    return self.text(input, used);
                }
            }
            used += 1;
        }
    }

    /// The CR was the last byte of an earlier input. When bare line ends are normalised it was held
    /// back, otherwise it has been handed out.
    fn held_crlf(&self, at: usize) -> Piece {
        match self.bare_newline {
            BareNewline::Normalize => Piece::Crlf,
            BareNewline::Reject => Piece::Bytes(at..at + 1),
        }
    }

    /// The fast path: runs over whole lines, stops where the output is not the input.
    fn text(&mut self, input: &[u8], start: usize) -> (usize, Piece) {
        let mut at = start;
        loop {
            at = skip_plain(input, at);
            let Some(found) = memchr2(b'\r', b'\n', &input[at..]) else {
                return (input.len(), Piece::Bytes(start..input.len()));
            };
            let end = at + found;
            match (input[end], input.get(end + 1)) {
                (b'\r', Some(b'\n')) => match input.get(end + 2) {
                    Some(b'.') | None => {
                        self.state = State::LineStart;
                        return (end + 2, Piece::Bytes(start..end + 2));
                    }
                    Some(_) => at = end + 2,
                },
                (b'\r', None) => {
                    self.state = State::Cr;
                    let keep = match self.bare_newline {
                        BareNewline::Normalize => end,
                        BareNewline::Reject => end + 1,
                    };
                    let piece = if keep == start { Piece::None } else { Piece::Bytes(start..keep) };
                    return (end + 1, piece);
                }
                // A bare CR or LF: first what stands before it, then, alone, itself.
                _ if end > start => return (end, Piece::Bytes(start..end)),
                _ => return (end + 1, Piece::Bare),
            }
        }
    }
}

/// Where the blocks end, seen from `start`, in which nothing but text and whole line ends stands: every CR has its LF
/// and every LF its CR, and no line begins with a dot. Lines are short, and to look for the end of each costs as much
/// again as to copy it; here each byte is compared with the one behind it, many at a time, whatever the lines are.
fn skip_plain(input: &[u8], start: usize) -> usize {
    // A CR before this byte has not been seen here: whoever looks for line ends says what it means.
    if input[start] == b'\n' {
        return start;
    }
    let (bytes, behind) = (&input[start..], &input[start + 1..]);
    let mut blocks = bytes.chunks_exact(BLOCK).zip(behind.chunks_exact(BLOCK));
    let plain = blocks.by_ref().take_while(|(bytes, behind)| is_plain(bytes, behind)).count();
    let end = start + plain * BLOCK;
    // The LF of this CR is in the next block.
    if plain > 0 && input[end - 1] == b'\r' { end - 1 } else { end }
}

/// No early end and no branch for a byte, so that the compiler takes them many at a time.
fn is_plain(bytes: &[u8], behind: &[u8]) -> bool {
    let special = bytes.iter().zip(behind).fold(0_u8, |special, (&byte, &next)| {
        let bare = (byte == b'\r') ^ (next == b'\n');
        let dot = (byte == b'\n') & (next == b'.');
        special | u8::from(bare | dot)
    });
    special == 0
}

/// Octets that are looked at together: a line or so.
const BLOCK: usize = 64;

/// What a stretch of input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A bare CR or LF (only with [`BareNewline::Reject`]): the message is spoilt, its end is still
    /// to come.
    BareNewline,
    /// Bytes of the message; never empty.
    Bytes(&'a [u8]),
    /// The message is complete; what follows are commands.
    End,
    /// All of the input is taken.
    NeedInput,
}

/// The same as ranges of the input, before the policy on bare line ends is applied.
enum Piece {
    Bare,
    Bytes(Range<usize>),
    Crlf,
    End,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind a CR that was the last byte of the input.
    Cr,
    /// Behind `CRLF.`
    Dot,
    /// Behind `CRLF.CR`
    DotCr,
    /// Behind CRLF.
    LineStart,
    /// Anywhere else.
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` handed over in two parts; `None` where it does not end.
    fn decode(bare: BareNewline, input: &[u8], split: usize) -> Option<(Vec<u8>, usize, bool)> {
        let mut decoder = DotDecoder::new(bare);
        let (mut body, mut spoilt, mut taken) = (Vec::new(), false, 0);
        for limit in [split, input.len()] {
            loop {
                let (used, decoded) = decoder.decode(&input[taken..limit]);
                taken += used;
                match decoded {
                    Decoded::BareNewline => spoilt = true,
                    Decoded::Bytes(bytes) => {
                        assert!(!bytes.is_empty());
                        body.extend_from_slice(bytes);
                    }
                    Decoded::End => return Some((body, taken, spoilt)),
                    Decoded::NeedInput => break,
                }
            }
            assert_eq!(taken, limit, "everything is taken before more is asked for");
        }
        None
    }

    /// Input; body when normalised, or `None` where the data does not end; whether it is spoilt.
    struct Row(&'static [u8], Option<&'static [u8]>, bool);

    const TERMINATORS: &[Row] = &[
        Row(b".\r\n", Some(b""), false),
        Row(b"..\r\n.\r\n", Some(b".\r\n"), false),
        Row(b"..x\r\n.\r\n", Some(b".x\r\n"), false),
        Row(b".x\r\n.\r\n", Some(b"x\r\n"), false),
        Row(b"a\r\n.\r\n", Some(b"a\r\n"), false),
        Row(b"a\r\n..\r\n.\r\n", Some(b"a\r\n.\r\n"), false),
        Row(b"\r\n.\r\n", Some(b"\r\n"), false),
        Row(b"a.\r\n.\r\n", Some(b"a.\r\n"), false),
        Row(b"\0\r\n.\r\n", Some(b"\0\r\n"), false),
        // The end in every false form.
        Row(b"a\n.\n", None, true),
        Row(b"a\n.\r\n", None, true),
        Row(b"a\r\n.\n", None, true),
        Row(b"a\r.\r", None, true),
        Row(b"a\r.\r\n", None, true),
        Row(b"a\r\n.\r", None, false),
        Row(b"a\r\n.\r\r\n", None, true),
        Row(b"a\r\r\n.\r\r\n", None, true),
        Row(b"a\r\n\r.\r\n", None, true),
        Row(b"a\r\n.\0\r\n", None, false),
        Row(b"a\r\n\0.\r\n", None, false),
        Row(b"a\r\0\n.\r\0\n", None, true),
        Row(b".\n", None, true),
        Row(b".\r", None, false),
        Row(b"\n.\r\n", None, true),
        Row(b"a\r\n. \r\n", None, false),
        Row(b"a\r\n ..\r\n", None, false),
        Row(b"a\x0b.\x0b", None, false),
        Row(b"a\x85.\x85", None, false),
        Row(b"a\xe2\x80\xa8.\xe2\x80\xa8", None, false),
        // Bare line ends and a true end behind them.
        Row(b"a\n.\n\r\n.\r\n", Some(b"a\r\n.\r\n\r\n"), true),
        Row(b"a\n..b\r\n.\r\n", Some(b"a\r\n..b\r\n"), true),
        Row(b"a\rb\r\n.\r\n", Some(b"a\r\nb\r\n"), true),
        Row(b"a\r\r\n.\r\n", Some(b"a\r\n\r\n"), true),
        Row(b"a\r\n.\rb\r\n.\r\n", Some(b"a\r\n\r\nb\r\n"), true),
        Row(b"a\n\r\n.\r\n", Some(b"a\r\n\r\n"), true),
        Row(b".\r\r\n.\r\n", Some(b"\r\n\r\n"), true),
        Row(b".\n.\r\n\r\n.\r\n", Some(b"\r\n.\r\n\r\n"), true),
    ];

    #[test]
    fn terminators_at_every_split() {
        for &Row(input, body, spoilt) in TERMINATORS {
            for split in 0..=input.len() {
                let name = format!("{} at {split}", input.escape_ascii());
                let tail = [input, b"NOOP\r\n"].concat();
                // With the tail a pending CR or dot is settled, so that every verdict shows.
                let normal = decode(BareNewline::Normalize, &tail, split);
                let strict = decode(BareNewline::Reject, &tail, split);
                match body {
                    Some(body) => {
                        assert_eq!(normal, Some((body.to_vec(), input.len(), false)), "{name}");
                        let (strict, end, seen) = strict.expect(&name);
                        assert_eq!((end, seen), (input.len(), spoilt), "{name}");
                        assert!(spoilt || strict == body, "{name}");
                    }
                    None => assert_eq!((normal, strict), (None, None), "{name}"),
                }
            }
        }
    }

    /// Blocks are an optimisation only: wherever in a text a row stands, its meaning is that of its bytes one by one.
    #[test]
    fn blocks_change_nothing() {
        let line = |length: usize| [vec![b'x'; length], b"\r\n".to_vec()].concat();
        for &Row(special, ..) in TERMINATORS {
            for before in 0..=2 * BLOCK + 2 {
                let text = [&line(before)[..], &line(7)[..], special, &line(100)[..], b".\r\n"];
                let text = text.concat();
                for bare in [BareNewline::Normalize, BareNewline::Reject] {
                    let (whole, single) = (pieces(bare, &text, text.len()), pieces(bare, &text, 1));
                    assert_eq!(whole, single, "{} behind {before}", special.escape_ascii());
                }
            }
        }
    }

    /// The body (nothing if it is spoilt: nobody looks at it), whether it is spoilt and whether it has ended, of an input
    /// that comes in steps.
    fn pieces(bare: BareNewline, input: &[u8], step: usize) -> (Vec<u8>, bool, bool) {
        let mut decoder = DotDecoder::new(bare);
        let (mut body, mut spoilt) = (Vec::new(), false);
        for mut chunk in input.chunks(step) {
            loop {
                let (used, decoded) = decoder.decode(chunk);
                chunk = &chunk[used..];
                match decoded {
                    Decoded::BareNewline => spoilt = true,
                    Decoded::Bytes(bytes) => body.extend_from_slice(bytes),
                    Decoded::End if spoilt => return (Vec::new(), true, true),
                    Decoded::End => return (body, false, true),
                    Decoded::NeedInput => break,
                }
            }
        }
        (body, spoilt, false)
    }
}
