//! `Compressor`: leaves the message as it is to be stored, compressed, for the stores behind it.
//!
//! The note [`NOTE`] of the mail holds zlib data (RFC 1950) at the fastest level, of delivery header, added fields
//! and body. go-guerrilla's consumed the message when it was read, so that it worked once; this one can stand
//! in a chain any number of times and be read by any number of stores. It must come behind the stages that
//! change the header: what they change later is not in it.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Scope, Transaction, Verdict};

/// The processor.
pub(super) struct Compressor {
    host: Host,
}

impl Plugin for Compressor {
    const NAME: &'static str = "Compressor";
    const DESCRIPTION: &'static str = "Compresses the message for the stores behind it";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Short;
    type Config = NoConfig;

    fn create(host: Host, _config: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let compressed = zlib(txn.message());
        let set = compressed.map_err(|e| e.to_string()).and_then(|data| {
            let refused = |why| format!("{why} ({} bytes)", data.len());
            txn.set_note(Scope::Mail, NOTE, &data).map_err(refused)
        });
        if let Err(why) = set {
            self.host.error(format_args!("{} not compressed: {why}", txn.session_id()));
            return Verdict::DEFER;
        }
        Verdict::CONTINUE
    }
}

/// Compresses pieces as one stream, without putting them together first.
fn zlib<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        encoder.write_all(piece)?;
    }
    encoder.finish()
}

/// Key of the note; go-guerrilla's.
const NOTE: &str = "zlib-compressor";

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn round_trip(pieces: &[&[u8]]) -> Vec<u8> {
        let compressed = zlib(pieces.iter().copied()).unwrap();
        assert_eq!(
            compressed[..2],
            [0x78, 0x01],
            "zlib at its fastest, as go-guerrilla's readers know it"
        );
        let mut plain = Vec::new();
        ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn pieces_become_one_message() {
        assert_eq!(round_trip(&[]), b"");
        assert_eq!(round_trip(&[b"", b"", b""]), b"");
        assert_eq!(
            round_trip(&[b"A: b\r\n", b"", b"C: d\r\n\r\n", b"body\r\n"]),
            b"A: b\r\nC: d\r\n\r\nbody\r\n"
        );
    }

    #[test]
    fn large_and_any_bytes() {
        // Hardly compressible: a linear congruential generator.
        let mut state = 1u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(3_000_000)
        .collect();
        let (head, tail) = noise.split_at(1_234_567);
        assert_eq!(round_trip(&[head, b"", tail]), noise);
        let text = b"the same line again and again\r\n".repeat(100_000);
        assert_eq!(round_trip(&[&text]), text);
        assert!(zlib([text.as_slice()].into_iter()).unwrap().len() < text.len() / 50);
    }

    #[test]
    fn the_same_every_time() {
        let message: [&[u8]; 2] = [b"Received: x\r\n", b"Subject: y\r\n\r\nz\r\n"];
        let first = zlib(message.into_iter()).unwrap();
        assert_eq!(zlib(message.into_iter()).unwrap(), first);
    }
}
