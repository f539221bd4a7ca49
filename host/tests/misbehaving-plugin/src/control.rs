//! How a processor waits for the test: it connects to the test's Unix socket, says which hook it is in, and
//! goes on when the test closes the connection. And how a test has a mail pass that goes wrong otherwise.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use guerrilla_plugin_api::Transaction;
use serde::Deserialize;

/// What every processor that waits is configured with.
#[derive(Debug, Deserialize)]
pub(crate) struct Control {
    /// The test's listening socket.
    misbehaving_control: PathBuf,
}

impl Control {
    /// Says where we are and blocks until the test lets go.
    pub(crate) fn wait(&self, place: &str) -> Result<(), String> {
        let path = self.misbehaving_control.display();
        let failed = |error: std::io::Error| format!("misbehaving_control {path}: {error}");
        let mut test = UnixStream::connect(&self.misbehaving_control).map_err(failed)?;
        writeln!(test, "{place}").map_err(failed)?;
        // Ends when the test drops its side, also by a panic of its own.
        test.read_to_end(&mut Vec::new()).map_err(failed)?;
        Ok(())
    }
}

/// Whether the sender is `fine@...`: then nothing goes wrong, to show that the daemon lives on.
pub(crate) fn is_spared(txn: &Transaction<'_>) -> bool {
    txn.sender_local_part() == Some("fine")
}

/// The JSON Schema of [`Control`].
pub(crate) const SCHEMA: &str = r#"{
    "type": "object",
    "required": ["misbehaving_control"],
    "properties": {
        "misbehaving_control": { "type": "string", "description": "the test's listening Unix socket" }
    }
}"#;
