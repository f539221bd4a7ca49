//! The other end of a plugin that waits for the test.

use std::io::{BufRead, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::PATIENCE;

/// Hears from plugins that wait.
pub(crate) struct Control {
    dir: TempDir,
    calls: Receiver<Waiting>,
}

/// A call that does not return before this is dropped.
pub(crate) struct Waiting {
    /// The hook it is in.
    pub(crate) place: String,
    _plugin: UnixStream,
}

impl Control {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(dir.path().join("control")).expect("a fresh socket");
        let (calls, receiver) = channel();
        // Ends with the test process; a listener that nobody connects to costs nothing.
        thread::spawn(move || {
            for plugin in listener.incoming().flatten() {
                let mut place = String::new();
                let read = BufReader::new(&plugin).read_line(&mut place);
                let place = place.trim_end().to_owned();
                if read.is_ok() && calls.send(Waiting { place, _plugin: plugin }).is_err() {
                    return;
                }
            }
        });
        Self { dir, calls: receiver }
    }

    pub(crate) fn path(&self) -> String {
        self.dir.path().join("control").to_str().expect("UTF-8").to_owned()
    }

    /// The next call that begins to wait within so long.
    pub(crate) fn next_within(&self, patience: Duration) -> Option<Waiting> {
        self.calls.recv_timeout(patience).ok()
    }

    /// The next call that has begun to wait, which is to be in this hook.
    #[track_caller]
    pub(crate) fn waiting_in(&self, place: &str) -> Waiting {
        let waiting = self.calls.recv_timeout(PATIENCE).expect("a plugin that waits");
        assert_eq!(waiting.place, place);
        waiting
    }
}
