//! Appends messages to one file, as many with one `fsync` as are waiting.
//!
//! A record is `MAIL id length`, a line feed, and the message. A record that a crash has cut short was never
//! acknowledged; it is cut off at the next start, so that what follows can be read.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use guerrilla_plugin_api::{Batch, BatchPlugin, Batched, Host, Reply, Verdict, export_plugin};

mod journal;

use journal::Journal;

#[derive(serde::Deserialize)]
struct Config {
    journal_file: PathBuf,
}

struct JournalStore {
    host: Host,
    path: PathBuf,
    /// Absent before `start`.
    journal: Mutex<Option<Journal>>,
}

impl BatchPlugin for JournalStore {
    const NAME: &'static str = "Journal";
    const DESCRIPTION: &'static str = "Appends messages to one file";
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["journal_file"],
        "properties": {
            "journal_file": { "type": "string", "description": "absolute path of the file" }
        }
    }"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let path = config.journal_file;
        if !path.is_absolute() {
            return Err(format!("journal_file: {path:?} must begin with a slash"));
        }
        Ok(Self { host, path, journal: Mutex::default() })
    }

    fn start(&self) -> Result<(), String> {
        let (journal, cut_off) = Journal::open(&self.path).map_err(|error| self.about(&error))?;
        if cut_off > 0 {
            let path = self.path.display();
            self.host.warn(format_args!("{path}: cut off {cut_off} bytes of an unfinished record"));
        }
        *self.journal() = Some(journal);
        Ok(())
    }

    fn save_batch(&self, mut batch: Batch) {
        let mut journal = self.journal();
        let Some(journal) = journal.as_mut() else { return };
        match journal.append(batch.transactions()) {
            Ok(()) => batch.complete(|| Verdict::CONTINUE),
            Err(error) => {
                self.host.error(format_args!("{}", self.about(&error)));
                let later = || Reply::new(452, "4.3.1", "Not enough room, try again later");
                batch.complete(|| Verdict::defer(later()));
            }
        }
    }

    fn stop(&self) {
        *self.journal() = None;
    }
}

impl JournalStore {
    fn about(&self, error: &std::io::Error) -> String {
        format!("journal_file {}: {error}", Path::display(&self.path))
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

export_plugin!(Batched<JournalStore>);

#[cfg(test)]
mod tests;
