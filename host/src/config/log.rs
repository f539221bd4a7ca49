//! Where the log goes, how much of it, and in what form.

use std::path::PathBuf;

use super::problem::Findings;

/// The daemon's own log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Where lines go (`log_file`).
    pub target: LogTarget,
    /// The least severe lines that are kept (`log_level`).
    pub level: LogLevel,
    /// What a line looks like (`log_format`).
    pub format: LogFormat,
}

/// Where log lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// Standard error, the default.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// A file, appended to.
    File(PathBuf),
}

impl LogTarget {
    /// Reads `stderr`, `stdout` and `off` in any case; everything else is a path.
    pub(super) fn read(text: String) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "stderr" => Self::Stderr,
            "stdout" => Self::Stdout,
            "off" => Self::Off,
            _ => Self::File(text.into()),
        }
    }
}

/// How severe a line must be to be kept, from least to most talkative.
///
/// go-guerrilla's library falls back on `debug`, its documentation says `info`; `info` is taken,
/// since `debug` logs every command of every client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Something failed. go-guerrilla's `panic` and `fatal` read as this.
    Error,
    /// Something needs a look.
    Warn,
    /// What the daemon does.
    #[default]
    Info,
    /// What each connection does.
    Debug,
    /// Everything.
    Trace,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// For people and for grep.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogLevel {
    pub(super) fn check(text: &str, findings: &mut Findings) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "panic" | "fatal" | "error" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => {
                findings.error(
                    "log_level",
                    format!("expected error, warn, info, debug or trace, found {text:?}"),
                );
                Self::default()
            }
        }
    }
}

impl LogFormat {
    pub(super) fn check(text: &str, findings: &mut Findings) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "text" => Self::Text,
            "json" => Self::Json,
            _ => {
                findings.error("log_format", format!("expected text or json, found {text:?}"));
                Self::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_go_guerrilla_are_understood() {
        let mut findings = Findings::default();
        for (text, expected) in [
            ("panic", LogLevel::Error),
            ("FATAL", LogLevel::Error),
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("Warning", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ] {
            assert_eq!(LogLevel::check(text, &mut findings), expected);
        }
        assert_eq!(findings.errors, []);
    }

    #[test]
    fn other_words_are_errors() {
        let mut findings = Findings::default();
        LogLevel::check("loud", &mut findings);
        LogFormat::check("xml", &mut findings);
        let errors: Vec<_> = findings.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                r#"log_level: expected error, warn, info, debug or trace, found "loud""#,
                r#"log_format: expected text or json, found "xml""#,
            ]
        );
    }

    #[test]
    fn targets_are_words_or_paths() {
        for (text, expected) in [
            ("stderr", LogTarget::Stderr),
            ("STDOUT", LogTarget::Stdout),
            ("off", LogTarget::Off),
            ("/var/log/g.log", LogTarget::File("/var/log/g.log".into())),
            ("offline", LogTarget::File("offline".into())),
        ] {
            assert_eq!(LogTarget::read(text.to_owned()), expected);
        }
    }
}
