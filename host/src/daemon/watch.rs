//! Noticing that somebody has put other files into the plugins directory (`plugins_watch`).
//!
//! The directory is looked at, not subscribed to: it works on every file system, and a file that is being written is
//! left alone until it has stayed the same from one look to the next.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::stamp::Stamp;

/// Looks at a plugins directory from time to time.
pub struct PluginWatch {
    wanted: Option<(PathBuf, Duration)>,
    /// As the files were when they were last taken.
    taken: Stamps,
    /// As they were at the last look.
    seen: Stamps,
}

/// Each plugin file by its name.
type Stamps = Vec<(OsString, Stamp)>;

impl PluginWatch {
    /// Watches as configured, or not at all.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut watch = Self { wanted: None, taken: Stamps::new(), seen: Stamps::new() };
        watch.follow(config);
        watch
    }

    /// Goes by this configuration from now on. Of a directory that is new to it the files are as good as taken.
    pub fn follow(&mut self, config: &Config) {
        let wanted = config.plugins_dir.clone().zip(config.plugins.watch);
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        self.taken = self.wanted.as_ref().map(|(dir, _)| look(dir)).unwrap_or_default();
        self.seen.clone_from(&self.taken);
    }

    /// A reload begins, for whatever reason: it takes the files that are there now.
    pub fn taking(&mut self) {
        if let Some((dir, _)) = &self.wanted {
            self.taken = look(dir);
            self.seen.clone_from(&self.taken);
        }
    }

    /// Waits until other files are there than were taken. May be dropped while it waits.
    pub async fn changed(&mut self) {
        let Some((_, pause)) = self.wanted else { return std::future::pending().await };
        loop {
            tokio::time::sleep(pause).await;
            if self.has_changed() {
                return;
            }
        }
    }

    /// Looks once.
    fn has_changed(&mut self) -> bool {
        let Some((dir, _)) = &self.wanted else { return false };
        let now = look(dir);
        let is_quiet = now == self.seen;
        self.seen = now;
        let changed = is_quiet && self.seen != self.taken;
        if changed {
            // Taken whether they can be used or not: one line for each bad file, not one for each look.
            self.taken.clone_from(&self.seen);
        }
        changed
    }
}

fn look(dir: &Path) -> Stamps {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let plugins = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "so"));
    let mut stamps: Stamps =
        plugins.filter_map(|entry| Some((entry.file_name(), Stamp::of(&entry.path())?))).collect();
    stamps.sort();
    stamps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::defaults();
        config.plugins_dir = Some(dir.path().to_owned());
        config.plugins.watch = Some(Duration::from_secs(1));
        let mut watch = PluginWatch::of(&config);
        fs::write(dir.path().join("other.txt"), "no plugin").unwrap();
        assert!(!watch.has_changed() && !watch.has_changed(), "nobody's business");
        fs::write(dir.path().join("new.so"), "half").unwrap();
        assert!(!watch.has_changed(), "it may still be written");
        fs::write(dir.path().join("new.so"), "all of it").unwrap();
        assert!(!watch.has_changed(), "it is still written");
        assert!(watch.has_changed(), "it has stayed the same");
        assert!(!watch.has_changed() && !watch.has_changed(), "told once");
        fs::remove_file(dir.path().join("new.so")).unwrap();
        assert!(!watch.has_changed() && watch.has_changed());
        fs::write(dir.path().join("new.so"), "once more").unwrap();
        watch.taking();
        assert!(!watch.has_changed() && !watch.has_changed(), "a signal has had it taken");
    }
}
