//! Every key that a config file may hold, in one place: its name, what it takes, what it is for.
//!
//! A key outside these tables is reported as unknown and ignored, whatever `raw` would read. To give
//! a key up, or to hold one back until the daemon honours it, take it out here: nothing else changes,
//! and the settings behind it keep their defaults. `config schema` prints what stands here.

mod backend;
mod server;

pub(super) use backend::{BACKEND, PROCESSOR, PROCESSORS};
pub(super) use server::{CERTIFICATE, EXTENSIONS, SERVER, TLS};

/// The keys of one kind of object.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Keys in use, in the order in which they are shown.
    entries: &'static [Key],
    /// Those that must be there.
    pub(super) required: &'static [&'static str],
    /// Keys of older go-guerrillas and of its forks, and what to do about each.
    stale: &'static [(&'static str, &'static str)],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// What it is for, in a sentence or two for the operator; the default, where there is one that does not depend on
    /// the machine.
    pub(super) about: &'static str,
}

/// What a key takes. Case does not count in words and names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// True or false.
    Flag,
    /// A whole number from 0 on.
    Whole,
    /// A whole number from 1 on.
    Positive,
    /// Any string.
    Text,
    /// The same, or the file or variable of the environment where it stands.
    TextOrPlace,
    /// A duration as Go writes it.
    Duration,
    /// One of these words.
    Words(&'static [&'static str]),
    /// One of the names of TLS.
    Name(fn() -> Vec<&'static str>),
    /// A list of strings.
    Texts,
    /// A list of names of TLS.
    Names(fn() -> Vec<&'static str>),
    /// An object of SHA-256 digests in hexadecimal digits.
    Digests,
    /// An object with a vocabulary of its own.
    Section(&'static Vocabulary),
    /// A list of them.
    Sections(&'static Vocabulary),
    /// The gateway's keys beside those of all processors.
    Backend,
    /// Sections for single processors.
    Processors,
}

const fn key(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, about }
}

impl Vocabulary {
    /// All keys in use, in the order of the tables.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'static Key> {
        self.entries.iter()
    }

    /// Their names.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|key| key.name)
    }

    /// The table's spelling of a key; case does not count.
    pub(super) fn find(&self, key: &str) -> Option<&'static str> {
        self.keys().find(|known| known.eq_ignore_ascii_case(key))
    }

    /// What to do about a key that is no longer in use.
    pub(super) fn advice(&self, key: &str) -> Option<&'static str> {
        self.stale
            .iter()
            .find(|(stale, _)| stale.eq_ignore_ascii_case(key))
            .map(|(_, advice)| *advice)
    }
}

/// The file itself.
pub(super) const TOP: Vocabulary = Vocabulary {
    entries: &[
        key(
            "log_file",
            Form::Text,
            "Where the log goes: a path, stderr, stdout or off. Default: stderr.",
        ),
        key(
            "log_level",
            Form::Words(&["error", "warn", "info", "debug", "trace", "warning", "fatal", "panic"]),
            "How much is logged. fatal and panic read as error. Default: info.",
        ),
        key(
            "log_format",
            Form::Words(&["text", "json"]),
            "What a log line looks like. Default: text.",
        ),
        key(
            "pid_file",
            Form::Text,
            "Where the process id is written; locked, and removed at the end. Default: nowhere.",
        ),
        key(
            "allowed_hosts",
            Form::Texts,
            "The hosts whose mail is taken: names, patterns with *, address literals in brackets, or only \".\" for all. Default: the name of the machine.",
        ),
        key(
            "max_memory",
            Form::Whole,
            "Bytes of messages in memory, over all connections; beyond it clients hear 452. Default: 1073741824, also for 0.",
        ),
        key(
            "spool_threshold",
            Form::Whole,
            "A message above this many bytes goes to a file without a name. Default: 1048576, also for 0.",
        ),
        key(
            "spool_dir",
            Form::Text,
            "Where that file is made. Default: the directory for temporary files.",
        ),
        key(
            "admin_listen",
            Form::Text,
            "Where metrics, health and status can be asked: 127.0.0.1:port, [::1]:port or unix:/path. Default: nowhere.",
        ),
        key(
            "admin_show_bodies",
            Form::Flag,
            "Whether the page of admin_listen shows the beginning of messages beside their envelopes. Default: false.",
        ),
        key(
            "user",
            Form::Text,
            "Whom to become, by name or number, once the sockets are bound; for a start as root. Default: whoever starts it.",
        ),
        key("group", Form::Text, "The group to go with it. Default: the user's own."),
        key(
            "umask",
            Form::Text,
            "Permission bits in octal that new files do not get, such as 0027. Default: inherited.",
        ),
        key(
            "landlock",
            Form::Words(&["off", "auto", "require"]),
            "Whether the kernel keeps the process, plugins included, from files that neither the daemon needs nor the lists below name; auto: where it can. Default: off.",
        ),
        key(
            "landlock_read",
            Form::Texts,
            "Files and directories that plugins read. Default: none but those of the system and of this configuration.",
        ),
        key(
            "landlock_write",
            Form::Texts,
            "Directories that plugins write to, such as that of the mail. Default: none but those of this configuration.",
        ),
        key("plugins_dir", Form::Text, "Where the plugin files (*.so) are. Default: none."),
        key(
            "plugins_on_error",
            Form::Words(&["fail", "skip"]),
            "What a plugin file that cannot be used means: nothing is loaded, or the others are. Default: fail.",
        ),
        key(
            "plugins_allow",
            Form::Texts,
            "Names of plugins or files that may be loaded. Default: all.",
        ),
        key(
            "plugins_sha256",
            Form::Digests,
            "Name of a plugin or file, and the SHA-256 that it must have, in hexadecimal digits. Default: none.",
        ),
        key(
            "plugins_runtime_dir",
            Form::Text,
            "Where private copies of the plugin files are made. Default: the directory for temporary files.",
        ),
        key(
            "plugins_watch",
            Form::Duration,
            "How often the directory is looked at for other files, which are then taken; at least 100ms. Default: 0s, which is never.",
        ),
        key(
            "plugins_crash_file",
            Form::Text,
            "Where crashes in plugins are recorded; one that crashes again and again is no longer loaded. Default: nowhere.",
        ),
        key("servers", Form::Sections(&SERVER), "The servers. Default: one on 127.0.0.1:2525."),
        key(
            "backend_config",
            Form::Backend,
            "What happens to mail: the chains, and the settings of all processors.",
        ),
    ],
    required: &[],
    stale: &[
        (
            "backend_name",
            "no longer in use, ignored; the processors are named in backend_config.save_process",
        ),
        ("primary_mail_host", "ignored here; it belongs into backend_config"),
        ("verbose", "no longer in use, ignored; write \"log_level\": \"debug\""),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::written::written;

    #[test]
    fn no_key_stands_in_a_vocabulary_twice() {
        for vocabulary in [&TOP, &SERVER, &TLS, &CERTIFICATE, &EXTENSIONS, &BACKEND, &PROCESSOR] {
            let stale = vocabulary.stale.iter().map(|(key, _)| *key);
            let mut keys: Vec<_> = vocabulary.keys().chain(stale).collect();
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), count, "{vocabulary:?}");
            assert!(keys.iter().all(|key| *key == key.to_lowercase()), "{vocabulary:?}");
        }
    }

    #[test]
    fn every_key_is_described() {
        for vocabulary in [&TOP, &SERVER, &TLS, &CERTIFICATE, &EXTENSIONS, &BACKEND, &PROCESSOR] {
            for key in vocabulary.entries() {
                assert!(key.about.ends_with('.') && key.about.len() > 4, "{key:?}");
            }
        }
    }

    #[test]
    fn the_default_that_is_told_is_the_one_in_effect() {
        use Form::{Duration, Flag, Positive, Whole, Words};
        let bare = r#"{"servers": [{"listen_interface": "127.0.0.1:2526"}]}"#;
        let config = Config::from_json(bare, "x").unwrap().config;
        let shown = written(&config, &|_, _, value| value.clone()).into_value();
        let server = &shown["servers"][0];
        let (tls, extensions) = (&server["tls"], &server["extensions"]);
        let backend = &shown["backend_config"];
        let all = [(&TOP, &shown), (&SERVER, server), (&TLS, tls), (&EXTENSIONS, extensions)];
        let mut compared = 0;
        for (vocabulary, object) in all.into_iter().chain([(&BACKEND, backend)]) {
            for Key { name, form, about } in vocabulary.entries() {
                let told = about.rsplit_once("Default: ").map_or("", |(_, told)| told);
                let told = told.split([',', '.']).next().unwrap_or_default();
                let is_exact = matches!(form, Duration | Flag | Positive | Whole | Words(_));
                let value = &object[name];
                // A null is a key that has no meaning there.
                if is_exact && !told.contains(' ') && !value.is_null() {
                    let in_effect = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    assert_eq!(told, in_effect, "{name}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 40, "{compared}");
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(TOP.find("LOG_File"), Some("log_file"));
        assert_eq!(TOP.find("logfile"), None);
        assert!(TOP.advice("Verbose").is_some());
        assert!(TOP.advice("log_file").is_none());
    }
}
