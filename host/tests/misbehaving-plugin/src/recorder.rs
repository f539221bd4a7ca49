//! Writes down what it is asked and told: one JSON object a line.
//!
//! It is awaited, so a record of `settled` is in the file before the client has its reply. For what happens behind
//! the reply's back a line in the daemon's log says that the file has grown.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use guerrilla_plugin_api::{
    Blocking, Event, Host, Phase, Plugin, Recipient, Scope, Transaction, Verdict,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where to write.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    misbehaving_record: PathBuf,
    misbehaving_seal_file: Option<PathBuf>,
}

/// Appends to its file.
pub(crate) struct Recorder {
    host: Host,
    path: PathBuf,
    /// What a file held when the instance was made; part of every record.
    seal: Option<String>,
    file: Mutex<Option<File>>,
}

impl Plugin for Recorder {
    const NAME: &'static str = "Recorder";
    const ALIASES: &'static [&'static str] = &["Notary"];
    const PHASES: &'static [Phase] = &[Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Opened, Event::Closed, Event::Settled];
    const AWAITS_SETTLED: bool = true;
    const BLOCKING: Blocking = Blocking::Short;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["misbehaving_record"],
        "properties": {
            "misbehaving_record": { "type": "string", "description": "the file to append to" },
            "misbehaving_seal_file": { "type": "string", "format": "file", "description": "what records are sealed with" }
        }
    }"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let seal = config.misbehaving_seal_file.map(fs::read_to_string).transpose();
        let seal = seal.map_err(|error| format!("misbehaving_seal_file: {error}"))?;
        Ok(Self { host, path: config.misbehaving_record, seal, file: Mutex::default() })
    }

    fn start(&self) -> Result<(), String> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(|error| format!("misbehaving_record {}: {error}", self.path.display()))?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        self.write("save", txn.queued_id(), json!({}));
        Verdict::CONTINUE
    }

    fn opened(&self, txn: Transaction<'_>) {
        self.write("opened", txn.session_id(), json!({}));
    }

    fn closed(&self, txn: Transaction<'_>) {
        self.write("closed", txn.session_id(), json!({}));
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        let recipients: Vec<&str> = txn.recipients().map(Recipient::address).collect();
        let details = json!({
            "accepted": txn.is_accepted(),
            "from": txn.sender(),
            "rcpt": recipients,
            "subject": txn.subject(),
            "hashes": txn.hashes().collect::<Vec<_>>(),
            "zlib": txn.note(Scope::Mail, "zlib-compressor"),
            "zstd": txn.note(Scope::Mail, "zstd-compressor"),
            "body": txn.body().escape_ascii().to_string(),
            "remote_ip": txn.remote_ip(),
            "remote_port": txn.remote_port(),
            "local_ip": txn.local_ip(),
            "local_port": txn.local_port(),
            "remote_name": txn.remote_name(),
            "helo": txn.helo(),
            "notes": notes(&txn, "proxy", &PROXY_NOTES),
            "xforward": notes(&txn, "xforward", &XFORWARD_NOTES),
        });
        self.write("settled", txn.queued_id(), details);
        Verdict::CONTINUE
    }
}

impl Recorder {
    fn write(&self, what: &str, id: &str, mut record: Value) {
        record["what"] = what.into();
        record["id"] = id.into();
        if let Some(seal) = &self.seal {
            record["seal"] = seal.as_str().into();
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut() else { return };
        // One write, so that a reader sees whole lines.
        if let Err(error) = file.write_all(format!("{record}\n").as_bytes()) {
            self.host.error(format_args!("misbehaving_record {}: {error}", self.path.display()));
        }
        self.host.info(format_args!("recorded {what} {id}"));
    }
}

/// What the daemon has noted of what a proxy said, by PROXY header or by XFORWARD.
fn notes(txn: &Transaction<'_>, scope: &str, keys: &[&str]) -> Value {
    let note = |key: &&str| {
        let value = txn.note(Scope::Session, &format!("{scope}.{key}"))?;
        Some(((*key).to_owned(), String::from_utf8_lossy(value).into()))
    };
    Value::Object(keys.iter().filter_map(note).collect())
}

const PROXY_NOTES: [&str; 6] =
    ["alpn", "authority", "ssl_version", "ssl_cipher", "ssl_cn", "unique_id"];
const XFORWARD_NOTES: [&str; 6] = ["addr", "port", "name", "helo", "proto", "ident"];
