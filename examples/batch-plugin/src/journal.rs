//! The file: whole records, each on stable storage before anybody hears of it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use guerrilla_plugin_api::Transaction;

/// An open journal.
pub(crate) struct Journal {
    file: File,
    /// Length up to which every record is whole and on stable storage.
    synced: u64,
}

impl Journal {
    /// Opens or makes the file; also how many bytes of an unfinished record were cut off.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        // Without this a crash may forget the name of a new file.
        File::open(path.parent().unwrap_or(path))?.sync_all()?;
        let synced = whole_records(&file)?;
        let cut_off = file.metadata()?.len() - synced;
        let mut journal = Self { file, synced };
        journal.cut_off()?;
        Ok((journal, cut_off))
    }

    /// Appends all or nothing.
    pub(crate) fn append<'a>(
        &mut self,
        mails: impl Iterator<Item = Transaction<'a>>,
    ) -> io::Result<()> {
        // A failed attempt may have left something behind.
        self.cut_off()?;
        match self.write(mails) {
            Ok(length) => {
                self.synced += length;
                Ok(())
            }
            Err(error) => {
                // If this fails too, the next attempt begins with it.
                let _ = self.cut_off();
                Err(error)
            }
        }
    }

    fn write<'a>(&self, mails: impl Iterator<Item = Transaction<'a>>) -> io::Result<u64> {
        let mut out = BufWriter::with_capacity(256 * 1024, &self.file);
        let mut written = 0;
        for mail in mails {
            let length: usize = mail.message().map(<[u8]>::len).sum();
            let head = format!("MAIL {} {length}\n", mail.queued_id());
            out.write_all(head.as_bytes())?;
            mail.message().try_for_each(|piece| out.write_all(piece))?;
            written += (head.len() + length) as u64;
        }
        out.flush()?;
        drop(out);
        self.file.sync_data()?;
        Ok(written)
    }

    fn cut_off(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.synced {
            self.file.set_len(self.synced)?;
            self.file.sync_data()?;
        }
        Ok(())
    }
}

/// Length of the whole records that the file begins with. Anything else before its end is an error: it is not ours.
fn whole_records(file: &File) -> io::Result<u64> {
    let end = file.metadata()?.len();
    let mut input = BufReader::new(file);
    let mut whole = 0;
    let mut head = String::new();
    while whole < end {
        head.clear();
        input.read_line(&mut head)?;
        if !head.ends_with('\n') {
            break;
        }
        let length = head.strip_prefix("MAIL ").and_then(|rest| rest.trim_end().split_once(' '));
        let length = length.and_then(|(_, length)| length.parse::<u32>().ok());
        let Some(length) = length else {
            let text = format!("no record at byte {whole}; is this a journal?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        let next = whole + head.len() as u64 + u64::from(length);
        if next > end {
            break;
        }
        input.seek_relative(length.into())?;
        whole = next;
    }
    (&mut &*file).seek(SeekFrom::End(0))?;
    Ok(whole)
}
