//! `Compressor`: leaves the message as it is to be stored, compressed, for the stores behind it.
//!
//! A note of the mail holds it: delivery header, added fields and body, as zlib data (RFC 1950) at the fastest level under
//! go-guerrilla's key `zlib-compressor`, or with `"compressor": "zstd"` as a Zstandard frame (RFC 8878) with size and checksum under
//! `zstd-compressor`. Stores that know only the one must be given that: hence zlib is the default.
//!
//! go-guerrilla's consumed the message when it was read, so that it worked once; this one can stand
//! in a chain any number of times, with either format, and be read by any number of stores. It must come behind the stages that
//! change the header: what they change later is not in it.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use guerrilla_plugin_api::{Blocking, Host, Phase, Plugin, Scope, Transaction, Verdict};

use super::settings::Settings;

/// The processor.
pub(super) struct Compressor {
    host: Host,
    format: Format,
}

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Zlib,
    Zstd,
}

impl Plugin for Compressor {
    const NAME: &'static str = "Compressor";
    const DESCRIPTION: &'static str = "Compresses the message for the stores behind it";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Short;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {
            "compressor": {
                "type": "string",
                "pattern": "^([Zz][Ll][Ii][Bb]|[Zz][Ss][Tt][Dd])$",
                "examples": ["zlib", "zstd"],
                "default": "zlib",
                "description": "Format of the compressed message: zlib, which go-guerrilla's readers know, or zstd"
            }
        }
    }"#;
    type Config = Settings;

    fn create(host: Host, config: Settings) -> Result<Self, String> {
        Ok(Self { host, format: Format::read(&config)? })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let compressed = self.format.compress(txn.message());
        let set = compressed.map_err(|e| e.to_string()).and_then(|data| {
            let refused = |why| format!("{why} ({} bytes)", data.len());
            txn.set_note(Scope::Mail, self.format.note(), &data).map_err(refused)
        });
        if let Err(why) = set {
            self.host.error(format_args!("{} not compressed: {why}", txn.session_id()));
            return Verdict::DEFER;
        }
        Verdict::CONTINUE
    }
}

impl Format {
    fn read(config: &Settings) -> Result<Self, String> {
        match config.text("compressor")? {
            None => Ok(Self::Zlib),
            Some(name) if name.eq_ignore_ascii_case("zlib") => Ok(Self::Zlib),
            Some(name) if name.eq_ignore_ascii_case("zstd") => Ok(Self::Zstd),
            Some(_) => Err("compressor: expected \"zlib\" or \"zstd\"".to_owned()),
        }
    }

    /// Key of the note.
    fn note(self) -> &'static str {
        match self {
            Self::Zlib => "zlib-compressor",
            Self::Zstd => "zstd-compressor",
        }
    }

    /// Compresses pieces as one stream, without putting them together first.
    fn compress<'a>(self, pieces: impl ExactSizeIterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
        let pieces: Vec<&[u8]> = pieces.collect();
        match self {
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                pieces.iter().try_for_each(|piece| encoder.write_all(piece))?;
                encoder.finish()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                // Readers can allocate once, and notice damage.
                let size = pieces.iter().map(|piece| piece.len() as u64).sum();
                encoder.set_pledged_src_size(Some(size))?;
                encoder.include_checksum(true)?;
                pieces.iter().try_for_each(|piece| encoder.write_all(piece))?;
                encoder.finish()
            }
        }
    }
}

/// The fastest of the ordinary levels.
const ZSTD_LEVEL: i32 = 1;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;
    use serde_json::json;

    use super::*;

    const FORMATS: [Format; 2] = [Format::Zlib, Format::Zstd];

    fn compress(format: Format, pieces: &[&[u8]]) -> Vec<u8> {
        format.compress(pieces.iter().copied()).unwrap()
    }

    fn round_trip(format: Format, pieces: &[&[u8]]) -> Vec<u8> {
        let compressed = compress(format, pieces);
        if format == Format::Zstd {
            assert_eq!(compressed[..4], [0x28, 0xb5, 0x2f, 0xfd], "RFC 8878 section 3.1.1");
            let size: usize = pieces.iter().map(|piece| piece.len()).sum();
            // Fails when the frame is longer than it says.
            return zstd::bulk::decompress(&compressed, size).unwrap();
        }
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
        for format in FORMATS {
            assert_eq!(round_trip(format, &[]), b"");
            assert_eq!(round_trip(format, &[b"", b"", b""]), b"");
            assert_eq!(
                round_trip(format, &[b"A: b\r\n", b"", b"C: d\r\n\r\n", b"body\r\n"]),
                b"A: b\r\nC: d\r\n\r\nbody\r\n"
            );
        }
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
        let text = b"the same line again and again\r\n".repeat(100_000);
        for format in FORMATS {
            assert_eq!(round_trip(format, &[head, b"", tail]), noise);
            assert_eq!(round_trip(format, &[&text]), text);
            assert!(compress(format, &[&text]).len() < text.len() / 50);
        }
    }

    #[test]
    fn the_same_every_time() {
        let message: [&[u8]; 2] = [b"Received: x\r\n", b"Subject: y\r\n\r\nz\r\n"];
        for format in FORMATS {
            assert_eq!(compress(format, &message), compress(format, &message));
        }
    }

    #[test]
    fn damage_of_a_frame_is_noticed() {
        let mut frame = compress(Format::Zstd, &[b"Subject: y\r\n\r\nz\r\n"]);
        let last = frame.len() - 5;
        frame[last] ^= 1;
        zstd::bulk::decompress(&frame, 100).unwrap_err();
    }

    #[test]
    fn format_by_name() {
        let read = |value| Format::read(&Settings::of(value));
        assert_eq!(read(json!({})), Ok(Format::Zlib));
        assert_eq!(read(json!({"compressor": "ZSTD"})), Ok(Format::Zstd));
        assert_eq!(read(json!({"compressor": "zlib"})), Ok(Format::Zlib));
        let wrong = "compressor: expected \"zlib\" or \"zstd\"".to_owned();
        assert_eq!(read(json!({"compressor": "gzip"})), Err(wrong));
        let wrong = "compressor: expected a string, found 9".to_owned();
        assert_eq!(read(json!({"compressor": 9})), Err(wrong));
    }
}
