//! Writes a message into several files at once, in large blocks.
//!
//! The message is converted once for all copies, through one block of memory: its size does not
//! depend on the message's.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};

use crate::line_ending::{Converter, LineEnding};

/// Writes the pieces of a message into each file and answers how many bytes each has got. An error comes with the
/// index of the file it befell.
pub(crate) fn write_message<'m>(
    files: &[&File],
    ending: LineEnding,
    pieces: impl Iterator<Item = &'m [u8]>,
) -> Result<u64, (usize, io::Error)> {
    let mut writer = BlockWriter { files, block: Vec::with_capacity(BLOCK), written: 0 };
    let mut converter = Converter::new(ending);
    for piece in pieces {
        converter.feed(piece, |bytes| writer.push(bytes))?;
    }
    converter.finish(|bytes| writer.push(bytes))?;
    writer.flush()?;
    Ok(writer.written)
}

/// How many bytes a file will get of a message.
pub(crate) fn stored_size<'m>(ending: LineEnding, pieces: impl Iterator<Item = &'m [u8]>) -> u64 {
    let mut size = 0;
    let mut count = |bytes: &[u8]| {
        size += bytes.len() as u64;
        Ok::<(), Infallible>(())
    };
    let mut converter = Converter::new(ending);
    for piece in pieces {
        let Ok(()) = converter.feed(piece, &mut count);
    }
    let Ok(()) = converter.finish(&mut count);
    size
}

struct BlockWriter<'f> {
    files: &'f [&'f File],
    block: Vec<u8>,
    written: u64,
}

impl BlockWriter<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.block.len() + bytes.len() > BLOCK {
            self.flush()?;
            if bytes.len() >= BLOCK {
                return self.write(bytes);
            }
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), (usize, io::Error)> {
        let block = std::mem::take(&mut self.block);
        let result = self.write(&block);
        self.block = block;
        self.block.clear();
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        for (index, mut file) in self.files.iter().copied().enumerate() {
            file.write_all(bytes).map_err(|e| (index, e))?;
        }
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Bytes of one write.
const BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    fn written(ending: LineEnding, pieces: &[&[u8]]) -> Vec<u8> {
        let mut files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let size = write_message(&files.each_ref(), ending, pieces.iter().copied()).unwrap();
        let [first, second] = files.each_mut().map(|file| {
            let mut content = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut content).unwrap();
            content
        });
        assert_eq!(first, second);
        assert_eq!(first.len() as u64, size);
        assert_eq!(stored_size(ending, pieces.iter().copied()), size);
        first
    }

    #[test]
    fn blocks_of_any_size_come_out_whole() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let piece: Vec<u8> = (0..size).map(|i| b'a' + (i % 26) as u8).collect();
            let pieces: [&[u8]; 3] = [b"Subject: x\r\n\r\n", &piece, b"\r\n"];
            let whole = pieces.concat();
            assert_eq!(written(LineEnding::Crlf, &pieces), whole);
            let unix = [&b"Subject: x\n\n"[..], &piece, b"\n"].concat();
            assert_eq!(written(LineEnding::Lf, &pieces), unix);
        }
    }

    #[test]
    fn many_lines_cross_the_blocks() {
        let line = format!("{}\r\n", "x".repeat(75));
        let body = line.repeat(5000);
        let out = written(LineEnding::Lf, &[body.as_bytes()]);
        assert_eq!(out, body.replace("\r\n", "\n").as_bytes());
    }

    #[test]
    fn an_error_names_the_file() {
        let good = tempfile::tempfile().unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let pieces: [&[u8]; 1] = [b"x"];
        let failed = write_message(&[&good, &full], LineEnding::Lf, pieces.into_iter());
        assert_eq!(failed.unwrap_err().0, 1);
    }
}
