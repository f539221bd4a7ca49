//! Where plugins come from and which are let in.

use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::problem::{Findings, key_path};

/// What is loaded, and what it means when something cannot be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plugins {
    /// Where private copies of them are made (`plugins_runtime_dir`); the directory for temporary files without.
    pub runtime_dir: Option<PathBuf>,
    /// Names of plugins or files that may be loaded (`plugins_allow`); all without.
    pub allow: Option<Vec<String>>,
    /// Contents that files must have (`plugins_sha256`): name of a plugin or file, and 64 hexadecimal digits.
    pub sha256: Vec<(String, String)>,
    /// Whether files that cannot be used are passed over (`plugins_on_error`: `fail`, `skip`).
    pub skip_broken: bool,
    /// How often the directory is looked at for other files, which are then taken as by SIGHUP (`plugins_watch`); never
    /// when left out or `0s`.
    pub watch: Option<Duration>,
    /// No plugin is loaded at all (`serve --safe-mode`; no key of the file).
    pub safe_mode: bool,
    /// Where crashes in plugins are recorded (`plugins_crash_file`); without, they are not.
    pub crash_file: Option<PathBuf>,
}

impl Plugins {
    /// Gives meaning to what was typed about errors.
    pub(super) fn on_error(word: Option<&str>, findings: &mut Findings) -> bool {
        match word {
            None | Some("" | "fail") => false,
            Some("skip") => true,
            Some(other) => {
                let message = format!("expected \"fail\" or \"skip\", found {other:?}");
                findings.error("plugins_on_error", message);
                false
            }
        }
    }

    /// Gives meaning to how often is looked.
    pub(super) fn watch(text: Option<&str>, findings: &mut Findings) -> Option<Duration> {
        match duration::parse(text.filter(|text| !text.is_empty())?) {
            Ok(Duration::ZERO) => None,
            Ok(pause) if pause >= SHORTEST_WATCH => Some(pause),
            Ok(_) => {
                findings.error("plugins_watch", "too often: at least 100ms, or 0s for never");
                None
            }
            Err(error) => {
                let text = text.unwrap_or_default();
                findings.error("plugins_watch", duration::explain(text, &error));
                None
            }
        }
    }

    /// Gives meaning to the pins.
    pub(super) fn pins(
        pins: Option<Vec<(String, String)>>,
        findings: &mut Findings,
    ) -> Vec<(String, String)> {
        let mut checked = Vec::new();
        for (name, digest) in pins.unwrap_or_default() {
            if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) {
                checked.push((name, digest.to_ascii_lowercase()));
            } else {
                findings.error(
                    key_path("plugins_sha256", &name),
                    "expected 64 hexadecimal digits, as sha256sum prints them",
                );
            }
        }
        checked
    }
}

/// Looking is cheap, but a file must stay the same from one look to the next.
const SHORTEST_WATCH: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_and_policy_are_checked() {
        let mut findings = Findings::default();
        let good = "A".repeat(64);
        let pins = vec![("one".to_owned(), good), ("two".to_owned(), "abc".to_owned())];
        assert_eq!(Plugins::pins(Some(pins), &mut findings), [("one".to_owned(), "a".repeat(64))]);
        assert!(Plugins::on_error(Some("skip"), &mut findings));
        assert!(!Plugins::on_error(Some("perhaps"), &mut findings));
        let errors: Vec<String> = findings.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!(errors[1], "plugins_on_error: expected \"fail\" or \"skip\", found \"perhaps\"");
    }
}
