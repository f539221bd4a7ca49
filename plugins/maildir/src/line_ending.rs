//! Line ends on the way into a file.
//!
//! Mail arrives with CRLF. Readers on Unix expect LF in a maildir, so that is the default. Only the pair CRLF
//! changes; a CR by itself is a part of the message and stays.

use memchr::memchr_iter;
use serde::Deserialize;

/// How lines end in stored files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum LineEnding {
    /// LF, as Unix mail readers expect.
    #[default]
    Lf,
    /// CRLF, as received.
    Crlf,
}

/// Converts a message that comes in pieces. A piece may end between CR and LF.
#[derive(Debug)]
pub(crate) struct Converter {
    ending: LineEnding,
    /// The last piece ended in a CR that is not yet emitted.
    held_cr: bool,
}

impl Converter {
    pub(crate) fn new(ending: LineEnding) -> Self {
        Self { ending, held_cr: false }
    }

    /// Emits a piece as it is to be stored: slices of the piece itself, one for each line.
    pub(crate) fn feed<E>(
        &mut self,
        piece: &[u8],
        mut emit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.ending == LineEnding::Crlf {
            return emit(piece);
        }
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else { return Ok(()) };
        if self.held_cr && *first != b'\n' {
            emit(b"\r")?;
        }
        self.held_cr = *last == b'\r';
        let piece = if self.held_cr { &piece[..piece.len() - 1] } else { piece };
        let mut start = 0;
        for cr in memchr_iter(b'\r', piece) {
            if piece.get(cr + 1) == Some(&b'\n') {
                emit(&piece[start..cr])?;
                start = cr + 1;
            }
        }
        emit(&piece[start..])
    }

    /// Emits what is held back at the end of the message.
    pub(crate) fn finish<E>(self, mut emit: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.held_cr { emit(b"\r") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn convert<'a>(ending: LineEnding, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut converter = Converter::new(ending);
        let mut emit = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok::<(), Infallible>(())
        };
        for piece in pieces {
            let Ok(()) = converter.feed(piece, &mut emit);
        }
        let Ok(()) = converter.finish(&mut emit);
        out
    }

    /// The obvious way, a byte at a time.
    fn model(whole: &[u8]) -> Vec<u8> {
        let next = |i: usize| whole.get(i + 1).copied();
        let keep = |&(i, byte): &(usize, &u8)| *byte != b'\r' || next(i) != Some(b'\n');
        whole.iter().enumerate().filter(keep).map(|(_, byte)| *byte).collect()
    }

    #[test]
    fn pairs_change_and_single_crs_stay() {
        assert_eq!(convert(LineEnding::Lf, [&b"a\r\n\r\nb\rc\r\r\n"[..]]), b"a\n\nb\rc\r\n");
        assert_eq!(convert(LineEnding::Lf, [&b"a\r"[..], b"", b"\nb\r", b"c\r"]), b"a\nb\rc\r");
        assert_eq!(convert(LineEnding::Lf, [&b"\r"[..], b"\r", b"\r\n"]), b"\r\r\n");
        assert_eq!(convert(LineEnding::Crlf, [&b"a\r"[..], b"\nb"]), b"a\r\nb");
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same(
            pieces in prop::collection::vec(
                prop::collection::vec(prop::sample::select(&b"\r\n.a"[..]), 0..12), 0..8)
        ) {
            let whole = pieces.concat();
            let slices = || pieces.iter().map(Vec::as_slice);
            prop_assert_eq!(convert(LineEnding::Lf, slices()), model(&whole));
            prop_assert_eq!(convert(LineEnding::Crlf, slices()), whole);
        }
    }
}
