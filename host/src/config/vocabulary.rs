//! Every key that a config file may hold, in one place.
//!
//! A key outside these tables is reported as unknown and ignored, whatever `raw` would read. To give
//! a key up, or to hold one back until the daemon honours it, take it out here: nothing else changes,
//! and the settings behind it keep their defaults.

/// The keys of one kind of object.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Keys in use, in groups that belong together.
    groups: &'static [&'static [&'static str]],
    /// Keys of older go-guerrillas and of its forks, and what to do about each.
    stale: &'static [(&'static str, &'static str)],
}

impl Vocabulary {
    /// All keys in use, in the order of the tables.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.groups.iter().copied().flatten().copied()
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
    groups: &[
        // go-guerrilla's
        &["servers", "allowed_hosts", "pid_file", "log_file", "log_level", "backend_config"],
        // ours
        &["log_format", "admin_listen", "plugins_dir", "plugins_runtime_dir"],
        &["plugins_allow", "plugins_sha256", "plugins_on_error", "plugins_watch"],
        &["plugins_crash_file"],
        &["spool_threshold", "spool_dir", "max_memory"],
    ],
    stale: &[
        (
            "backend_name",
            "no longer in use, ignored; the processors are named in backend_config.save_process",
        ),
        ("primary_mail_host", "ignored here; it belongs into backend_config"),
        ("verbose", "no longer in use, ignored; write \"log_level\": \"debug\""),
    ],
};

/// One element of `servers`.
pub(super) const SERVER: Vocabulary = Vocabulary {
    groups: &[
        // go-guerrilla's
        &["is_enabled", "listen_interface", "host_name", "max_size", "timeout", "max_clients"],
        &["log_file", "xclient_on", "tls"],
        // the socket
        &["v6only", "unix_mode", "unix_owner", "max_clients_per_ip", "max_connects_per_minute"],
        &["proxy_protocol", "xforward_on", "trusted_proxies"],
        // the conversation
        &["protocol", "require_helo", "bare_newline", "greet_delay", "extensions"],
        &["session_timeout", "min_data_rate"],
        &["max_rcpt", "max_errors", "max_unrecognised", "max_messages"],
    ],
    stale: &[
        ("start_tls_on", MOVED_TO_TLS),
        ("tls_always_on", MOVED_TO_TLS),
        ("private_key_file", MOVED_TO_TLS),
        ("public_key_file", MOVED_TO_TLS),
        ("protocols", MOVED_TO_TLS),
        ("ciphers", MOVED_TO_TLS),
        ("curves", MOVED_TO_TLS),
        ("root_cas_file", MOVED_TO_TLS),
        ("client_auth_type", MOVED_TO_TLS),
        ("prefer_server_cipher_suites", MOVED_TO_TLS),
        ("proxyon", "a key of a fork of go-guerrilla, ignored"),
    ],
};

const MOVED_TO_TLS: &str =
    "ignored here; since go-guerrilla 1.6 it belongs into the server's \"tls\" object";

/// `servers[].tls`.
pub(super) const TLS: Vocabulary = Vocabulary {
    groups: &[
        // go-guerrilla's
        &["start_tls_on", "tls_always_on", "private_key_file", "public_key_file"],
        &["protocols", "ciphers", "curves", "prefer_server_cipher_suites"],
        &["root_cas_file", "client_auth_type"],
        // ours
        &["tls_required", "certificates", "certificate_check_interval"],
    ],
    stale: &[],
};

/// One element of `servers[].tls.certificates`.
pub(super) const CERTIFICATE: Vocabulary =
    Vocabulary { groups: &[&["private_key_file", "public_key_file"]], stale: &[] };

/// `servers[].extensions`: which EHLO keywords may be offered.
pub(super) const EXTENSIONS: Vocabulary = Vocabulary {
    groups: &[
        &["pipelining", "eight_bit_mime"],
        &["smtputf8", "chunking", "binarymime", "dsn", "limits", "requiretls"],
        &["size", "enhanced_status_codes", "prdr", "help"],
    ],
    stale: &[],
};

/// The gateway's keys in `backend_config`; the others there are the processors'.
pub(super) const BACKEND: Vocabulary = Vocabulary {
    groups: &[
        // go-guerrilla's
        &["save_process", "validate_process", "save_workers_size", "gw_save_timeout"],
        &["gw_val_rcpt_timeout", "primary_mail_host", "log_received_mails"],
        // ours
        &["connect_process", "helo_process", "mail_process"],
    ],
    stale: &[
        ("process_stack", "no longer in use, ignored; its name is save_process now"),
        ("save_processors", "no longer in use, ignored; its name is save_process now"),
        ("validate_processors", "no longer in use, ignored; its name is validate_process now"),
        ("mysql_db", MOVED_TO_DSN),
        ("mysql_host", MOVED_TO_DSN),
        ("mysql_user", MOVED_TO_DSN),
        ("mysql_pass", MOVED_TO_DSN),
    ],
};

const MOVED_TO_DSN: &str = "no longer in use, ignored; write sql_driver and sql_dsn";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_in_a_vocabulary_twice() {
        for vocabulary in [&TOP, &SERVER, &TLS, &CERTIFICATE, &EXTENSIONS, &BACKEND] {
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
    fn case_does_not_count() {
        assert_eq!(TOP.find("LOG_File"), Some("log_file"));
        assert_eq!(TOP.find("logfile"), None);
        assert!(TOP.advice("Verbose").is_some());
        assert!(TOP.advice("log_file").is_none());
    }
}
