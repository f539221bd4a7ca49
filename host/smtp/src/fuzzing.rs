//! Entry points for fuzzers: bytes in, a panic where a rule is broken.
//!
//! They run in the ordinary tests as well, on random input. Not part of the interface.

use std::sync::Arc;

use crate::question::{Answer, Question, Step};
use crate::reply::Reply;
use crate::settings::{BareNewline, PeerTraits, Protocol, Settings};
use crate::{Decoded, DotDecoder, LONGEST_LINE, Session, replies};

/// Drives a whole session: the first bytes choose the settings and how the rest is cut, whole and
/// cut the same replies must come. Returns them.
pub fn session(data: &[u8]) -> Vec<u8> {
    let (head, stream) = data.split_at(data.len().min(3));
    let choice = |at: usize| head.get(at).copied().unwrap_or_default();
    let whole = run(choice(0), choice(1), stream, stream.len().max(1));
    let cut = run(choice(0), choice(1), stream, usize::from(choice(2)) % 13 + 1);
    assert_eq!(whole.escape_ascii().to_string(), cut.escape_ascii().to_string());
    for line in whole.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.ends_with(b"\r\n") && line.len() <= 512 && line.is_ascii());
    }
    whole
}

/// Compares the decoder, fed in pieces, with [`decode_by_model`].
pub fn data(data: &[u8]) {
    let Some((&cut, input)) = data.split_first() else { return };
    for bare in [BareNewline::Normalize, BareNewline::Reject] {
        let mut decoder = DotDecoder::new(bare);
        let (mut body, mut spoilt, mut taken, mut ended) = (Vec::new(), false, 0, false);
        'input: for piece in input.chunks(usize::from(cut) % 7 + 1) {
            let mut rest = piece;
            loop {
                let (used, decoded) = decoder.decode(rest);
                rest = &rest[used..];
                taken += used;
                match decoded {
                    Decoded::BareNewline => spoilt = true,
                    Decoded::Bytes(bytes) => body.extend_from_slice(bytes),
                    Decoded::End => {
                        ended = true;
                        break 'input;
                    }
                    Decoded::NeedInput => break,
                }
            }
            assert!(rest.is_empty(), "bytes left without an end");
        }
        let model = decode_by_model(input);
        assert_eq!(ended, model.is_some(), "{}", input.escape_ascii());
        if let Some((normal, length, bad)) = model {
            assert_eq!(taken, length, "{}", input.escape_ascii());
            assert_eq!(spoilt, bad && bare == BareNewline::Reject, "{}", input.escape_ascii());
            assert!(spoilt || body == normal, "{}", input.escape_ascii());
        }
    }
}

/// What RFC 5321 4.1.1.4 and 4.5.2 say, as plainly as it can be written: the body with bare line
/// ends normalised, how many octets it took with its end, and whether there were bare line ends.
#[must_use]
pub fn decode_by_model(input: &[u8]) -> Option<(Vec<u8>, usize, bool)> {
    let stream = [b"\r\n", input].concat();
    let end = memchr::memmem::find(&stream, b"\r\n.\r\n")?;
    let (mut body, mut spoilt, mut rest) = (Vec::new(), false, &stream[2..end + 2]);
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        let line = &rest[..at];
        let line = line.strip_prefix(b".").unwrap_or(line);
        for &byte in line {
            if matches!(byte, b'\r' | b'\n') {
                spoilt = true;
                body.extend_from_slice(b"\r\n");
            } else {
                body.push(byte);
            }
        }
        body.extend_from_slice(b"\r\n");
        rest = &rest[at + 2..];
    }
    Some((body, end + 3, spoilt))
}

fn run(switches: u8, more: u8, stream: &[u8], piece: usize) -> Vec<u8> {
    let on = |bit: u8| switches & 1 << bit != 0;
    let settings = Settings {
        protocol: if on(0) { Protocol::Lmtp } else { Protocol::Smtp },
        max_size: if on(1) { 0 } else { 40 },
        bare_newline: if on(2) { BareNewline::Normalize } else { BareNewline::Reject },
        require_helo: on(3),
        chunking: !on(4),
        dsn: on(5),
        xclient: on(6),
        prdr: on(7),
        max_rcpt: 3,
        max_errors: u32::from(more % 8),
        max_unrecognised: 0,
        xforward: more & 8 != 0,
        smtputf8: more & 16 != 0,
        tls_required: more & 32 != 0,
        max_messages: u32::from(more >> 6),
        ..Settings::default()
    };
    let peer = PeerTraits { tls: false, trusted_proxy: true };
    let mut session = Session::new(Arc::new(settings), peer);
    let (mut out, mut buffer, mut asked) = (Vec::new(), Vec::new(), 0);
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        let mut taken = 0;
        loop {
            let (used, step) = session.receive(&buffer[taken..], &mut out);
            taken += used;
            match step {
                Step::Ask(question) => {
                    asked += 1;
                    answer(&mut session, asked, &question, &mut out);
                }
                Step::Body(bytes) => assert!(!bytes.is_empty() && session.in_transaction()),
                Step::Close(_) => return out,
                Step::NeedInput => break,
                Step::Flush | Step::Pause(_) | Step::Reset | Step::Spoilt(_) => {}
                Step::StartTls => session.tls_done(),
            }
        }
        buffer.drain(..taken);
        assert!(buffer.len() <= LONGEST_LINE, "the session leaves too much to its driver");
    }
    out
}

/// Yes most times, no now and then, by the number of the question only.
fn answer(session: &mut Session, asked: u32, question: &Question<'_>, out: &mut Vec<u8>) {
    let no: &Reply<'_> = &replies::LOCAL_TROUBLE;
    let each = [replies::OK.clone(), no.clone()];
    let answer = match question {
        Question::Message if asked.is_multiple_of(2) => Answer::Each(&each),
        Question::Connect | Question::Helo { .. } => Answer::Accept,
        _ if asked.is_multiple_of(7) => Answer::Reply(no),
        _ => Answer::Accept,
    };
    session.answer(answer, out);
}
