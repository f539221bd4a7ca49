//! Names of messages that no other delivery has, on this host and on others that share the directory.
//!
//! The form is `<seconds>.M<microseconds>P<pid>Q<counter>R<run>.<host>`, as maildir(5) wants it: time, then what
//! tells deliveries of that time apart, then the host. `R` is random for each instance: after a reload, old and
//! new instance live in one process and count each for itself, and in containers all have the same pid.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of unique names.
#[derive(Debug)]
pub(crate) struct UniqueNames {
    host: String,
    run: u32,
    counter: AtomicU64,
}

impl UniqueNames {
    /// For the host of that name.
    pub(crate) fn new(host: &str) -> Self {
        // The hasher's keys come from the system's random source.
        let random = RandomState::new().hash_one(std::process::id());
        Self { host: escaped(host), run: random as u32, counter: AtomicU64::new(0) }
    }

    /// For this host.
    pub(crate) fn of_this_host() -> Self {
        let host = nix::unistd::gethostname().unwrap_or_default();
        Self::new(&host.to_string_lossy())
    }

    /// The next name.
    pub(crate) fn next(&self) -> String {
        // A clock before 1970 costs the order of the names, not their uniqueness.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!(
            "{}.M{:06}P{}Q{}R{:08x}.{}",
            now.as_secs(),
            now.subsec_micros(),
            std::process::id(),
            self.counter.fetch_add(1, Ordering::Relaxed),
            self.run,
            self.host
        )
    }
}

/// A host name fit for a file name: `/` and `:` as octal, as maildir(5) says, and likewise the comma, which begins the
/// size, and whatever is not printable.
fn escaped(host: &str) -> String {
    let mut out = String::new();
    for byte in host.bytes() {
        let plain = byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b',' | b'\\');
        let piece = if plain { char::from(byte).to_string() } else { format!("\\{byte:03o}") };
        if out.len() + piece.len() > LONGEST_HOST {
            break;
        }
        out.push_str(&piece);
    }
    if out.is_empty() { "localhost".to_owned() } else { out }
}

/// Keeps the whole name, with size and a reader's flags, within 255 bytes.
const LONGEST_HOST: usize = 100;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_host_is_escaped() {
        assert_eq!(escaped("mx.example.com"), "mx.example.com");
        assert_eq!(escaped("a/b:c"), "a\\057b\\072c");
        assert_eq!(escaped("a,S=1 \n"), "a\\054S=1\\040\\012");
        assert_eq!(escaped(""), "localhost");
        assert!(escaped(&"/".repeat(300)).len() <= LONGEST_HOST);
    }

    #[test]
    fn names_have_the_form_of_maildir() {
        let name = UniqueNames::new("mx.example.com").next();
        let (seconds, rest) = name.split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_500_000_000);
        assert!(rest.starts_with('M') && rest.ends_with(".mx.example.com"), "{name}");
        assert!(name.len() < 200 && !name.contains(['/', ':', ',']));
    }

    #[test]
    fn names_are_unique_over_threads_and_instances() {
        let sources = [Arc::new(UniqueNames::new("h")), Arc::new(UniqueNames::new("h"))];
        let threads: Vec<_> = (0..8)
            .map(|i| {
                let source = Arc::clone(&sources[i % 2]);
                std::thread::spawn(move || (0..1000).map(|_| source.next()).collect::<Vec<_>>())
            })
            .collect();
        let names: HashSet<String> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(names.len(), 8000);
    }
}
