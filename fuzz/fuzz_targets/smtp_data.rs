//! The decoder of message data, cut anywhere, against the model, and against a client that stuffs dots.
#![no_main]

use guerrilla_fuzz::input::{Input, pieces};
use guerrilla_smtp::fuzzing::decode_by_model;
use guerrilla_smtp::{BareNewline, Decoded, DotDecoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let cuts = input.cuts();
    // Whatever comes first, it ends here.
    let stream = [input.rest, b"\r\n.\r\n"].concat();
    let (normal, length, bare) = decode_by_model(&stream).expect("it ends");
    for policy in [BareNewline::Normalize, BareNewline::Reject] {
        let (body, taken, spoilt) = decode(policy, cuts, &stream);
        assert_eq!(taken, length, "{policy:?}");
        assert_eq!(spoilt, bare && policy == BareNewline::Reject, "{policy:?}");
        assert!(spoilt || body == normal, "{policy:?} {}", body.escape_ascii());
    }
    // What a client sends arrives.
    let (body, taken, spoilt) = decode(BareNewline::Reject, cuts, &stuffed(&normal));
    assert!(!spoilt && body == normal && taken == stuffed(&normal).len());
});

/// The body, how much of the stream it took, and whether it was spoilt.
fn decode(policy: BareNewline, cuts: &[u8], stream: &[u8]) -> (Vec<u8>, usize, bool) {
    let mut decoder = DotDecoder::new(policy);
    let (mut body, mut taken, mut spoilt) = (Vec::new(), 0, false);
    for mut piece in pieces(cuts, stream) {
        loop {
            let (used, decoded) = decoder.decode(piece);
            assert!(used > 0 || piece.is_empty() || !matches!(decoded, Decoded::NeedInput));
            piece = &piece[used..];
            taken += used;
            match decoded {
                Decoded::BareNewline => spoilt = true,
                Decoded::Bytes(bytes) => {
                    assert!(!bytes.is_empty());
                    body.extend_from_slice(bytes);
                }
                Decoded::End => return (body, taken, spoilt),
                Decoded::NeedInput => break,
            }
        }
        assert!(piece.is_empty(), "bytes left without an end");
    }
    panic!("no end");
}

/// RFC 5321 4.5.2, the sender's side. The body ends with CRLF or is empty.
fn stuffed(body: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut line_start = true;
    for (at, byte) in body.iter().enumerate() {
        stream.extend((line_start && *byte == b'.').then_some(b'.'));
        stream.push(*byte);
        line_start = body[..=at].ends_with(b"\r\n");
    }
    stream.extend_from_slice(b".\r\n");
    stream
}
