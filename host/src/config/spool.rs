//! Where messages are while they are on their way: bounds of memory, and a directory for what is beyond them.

use std::path::PathBuf;

use super::limits::zero_means;
use super::problem::Findings;

/// Bounds that all servers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// A message above this many bytes goes to a file without a name (`spool_threshold`, 1 MiB).
    pub threshold: usize,
    /// Where that file is made (`spool_dir`, the system's temporary directory).
    pub dir: PathBuf,
    /// Bytes of messages in memory, over all connections (`max_memory`, 1 GiB). Beyond it clients hear 452.
    pub max_memory: u64,
}

impl Default for Spool {
    fn default() -> Self {
        Self { threshold: 1 << 20, dir: std::env::temp_dir(), max_memory: 1 << 30 }
    }
}

impl Spool {
    /// Gives meaning to what was typed.
    pub(super) fn check(
        threshold: Option<i64>,
        dir: Option<String>,
        max_memory: Option<i64>,
        findings: &mut Findings,
    ) -> Self {
        let usual = Self::default();
        let mut number = |key: &str, given: Option<i64>, usual: u64| match given {
            None => usual,
            Some(0) => {
                findings.warn(key, zero_means(usual));
                usual
            }
            Some(given) => u64::try_from(given).unwrap_or_else(|_| {
                findings.error(
                    key,
                    format!("expected a number of bytes, found {given}; leave it out for {usual}"),
                );
                usual
            }),
        };
        let threshold = number("spool_threshold", threshold, usual.threshold as u64);
        let max_memory = number("max_memory", max_memory, usual.max_memory);
        if max_memory < threshold {
            findings.warn("max_memory", "less than spool_threshold: one large message fills it");
        }
        Self {
            threshold: usize::try_from(threshold).unwrap_or(usize::MAX),
            dir: dir.map_or(usual.dir, PathBuf::from),
            max_memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_errors() {
        let mut findings = Findings::default();
        assert_eq!(Spool::check(None, None, Some(0), &mut findings), Spool::default());
        assert!(findings.errors.is_empty());
        let warnings: Vec<_> = findings.warnings.iter().map(ToString::to_string).collect();
        assert!(
            warnings[0].starts_with("max_memory: 0 means the default, 1073741824"),
            "{warnings:?}"
        );
        assert_eq!(warnings.len(), 1);
        Spool::check(Some(-1), None, None, &mut findings);
        assert_eq!(
            findings.errors[0].to_string(),
            "spool_threshold: expected a number of bytes, found -1; leave it out for 1048576"
        );
    }
}
