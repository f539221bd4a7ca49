//! Everything for which a configuration would be refused, found without doing any of it: nothing is bound, opened for
//! writing or run, and a daemon that runs is not disturbed. Of a directory that files are to be made in, one is asked for:
//! rights alone say nothing of a file system that has none (`/proc`) or is full. It has no name, or is gone at once.
//!
//! *Limits*: sockets are not bound, so nobody is told of an address that another program has. Nothing is known of what the code of a plugin would say of its settings.

mod certificates;
pub(super) mod files;
pub(super) mod sockets;

use std::path::Path;

use super::plugins::{BUILT_IN, builtins, load_options};
use super::prepare::{check_file_limit, check_spool};
use crate::config::{Config, LogTarget, Problem};
use crate::pipeline::{chains, survey};
use crate::plugins::catalogue::{Offer, Offers};
use crate::plugins::{Processor, check_runtime_dir, examine_dir};
pub(super) use certificates::place_of;
use files::{can_write, is_made_later};

/// What is wrong with a configuration.
#[derive(Default)]
pub(crate) struct Examination {
    /// For these it would be refused.
    pub(crate) problems: Vec<Problem>,
    /// These the operator should know.
    pub(crate) warnings: Vec<Problem>,
    /// What has been looked at already.
    done: Vec<String>,
}

/// A processor and where it comes from.
pub(crate) type Offered = (Processor, String);

impl Examination {
    /// Looks at the sockets and the pid file that the daemon makes while it still is root, before the rest is looked at
    /// as another user: those that are `wanted`.
    pub(crate) fn ahead(
        &mut self,
        config: &Config,
        known_wrong: &impl Fn(&str) -> bool,
        wanted: impl Fn(&Path) -> bool,
    ) {
        let pid_file = config.pid_file.as_deref().filter(|path| wanted(path));
        self.pid_file(pid_file, known_wrong);
        self.servers_sockets(config, known_wrong, wanted);
    }

    /// Looks at all of it but what is below a key that `known_wrong` says has been found wrong already: a default stands
    /// there, and says nothing.
    pub(crate) fn look(&mut self, config: &Config, known_wrong: &impl Fn(&str) -> bool) {
        for error in
            [check_file_limit(config), check_spool(config)].into_iter().filter_map(Result::err)
        {
            self.problems.push(Problem::new("", error.to_string()));
        }
        self.pid_file(config.pid_file.as_deref(), known_wrong);
        let crash_file = config.plugins.crash_file.as_ref();
        if let Some(path) = crash_file.filter(|_| !known_wrong("plugins_crash_file")) {
            self.file("plugins_crash_file", path);
        }
        self.logs(config, known_wrong);
        self.servers_sockets(config, known_wrong, |_| true);
        if let Some(listen) = config.admin.as_ref().filter(|_| !known_wrong("admin_listen")) {
            self.socket("admin_listen", listen);
        }
        self.certificates(config, known_wrong);
        let offered = self.offered(config);
        // Without its plugins directory or its sections a good chain looks like a bad one.
        let keys = ["plugins_dir", "backend_config.processors"].map(str::to_owned);
        let chains = chains(&config.gateway).map(|(key, ..)| format!("backend_config.{key}"));
        let is_clear = !keys.iter().chain(&chains).any(|key| known_wrong(key));
        if let Some(offered) = offered.filter(|_| is_clear) {
            let present = offered.iter().map(|(processor, origin)| Offer { processor, origin });
            let offers = Offers { present: present.collect(), absent: &[], safe_mode: false };
            let survey = survey(&config.gateway, &offers);
            self.problems.extend(survey.problems);
            self.warnings.extend(survey.warnings);
        }
    }

    fn pid_file(&mut self, path: Option<&Path>, known_wrong: &impl Fn(&str) -> bool) {
        if let Some(path) = path.filter(|_| !known_wrong("pid_file") && self.is_new("pid_file")) {
            self.file("pid_file", path);
        }
    }

    /// Whether this is the first time that it is to be looked at.
    fn is_new(&mut self, at: &str) -> bool {
        let is_new = !self.done.iter().any(|done| done == at);
        if is_new {
            self.done.push(at.to_owned());
        }
        is_new
    }

    fn logs(&mut self, config: &Config, known_wrong: &impl Fn(&str) -> bool) {
        let servers = config.servers.iter().enumerate().filter(|(_, server)| server.enabled);
        let servers =
            servers.map(|(index, server)| (format!("servers[{index}].log_file"), &server.log));
        let mut told = Vec::new();
        for (at, target) in
            std::iter::once(("log_file".to_owned(), &config.log.target)).chain(servers)
        {
            // A server without one writes to the daemon's.
            if known_wrong(&at) || told.contains(&target) {
                continue;
            }
            told.push(target);
            if let LogTarget::File(path) = target {
                self.file(&at, path);
            }
        }
    }

    fn file(&mut self, at: &str, path: &Path) {
        let Err(why) = can_write(path) else { return };
        let message = format!("cannot write {}: {why}", path.display());
        self.unless_made_later(at, path.parent().unwrap_or(path), message);
    }

    /// A problem with a directory, which is only worth a warning when the directory comes with the service.
    fn unless_made_later(&mut self, at: &str, directory: &Path, message: String) {
        if is_made_later(directory) {
            let message =
                format!("{message}; systemd makes it with the service (RuntimeDirectory=)");
            self.warnings.push(Problem::new(at, message));
        } else {
            self.problems.push(Problem::new(at, message));
        }
    }

    /// All processors there are; none when a plugin file cannot be used.
    fn offered(&mut self, config: &Config) -> Option<Vec<Offered>> {
        let (offered, warnings) = match offered(config) {
            Ok(found) => found,
            Err(problems) => {
                self.problems.extend(problems);
                return None;
            }
        };
        self.warnings.extend(warnings);
        // Private copies of the files go there.
        if offered.iter().any(|(_, origin)| origin != BUILT_IN)
            && let Err(error) = check_runtime_dir(config.plugins.runtime_dir.as_deref())
        {
            self.unless_made_later("plugins_runtime_dir", error.dir(), error.to_string());
        }
        Some(offered)
    }
}

/// The daemon's own processors and those of the plugins directory, by what the files say of themselves; and what is odd
/// about those. None of them is run.
///
/// # Errors
/// Files that cannot be used.
pub(crate) fn offered(config: &Config) -> Result<(Vec<Offered>, Vec<Problem>), Vec<Problem>> {
    let builtins = builtins();
    let own = builtins.offers().present.into_iter();
    let mut offered: Vec<Offered> =
        own.map(|offer| (offer.processor.clone(), offer.origin.to_owned())).collect();
    let Some(dir) = &config.plugins_dir else { return Ok((offered, Vec::new())) };
    let taken: Vec<&str> = builtins.names().collect();
    let about_it = |message: String| Problem::new("plugins_dir", message);
    let examined = examine_dir(dir, &load_options(config, &taken)).map_err(|errors| {
        errors.iter().map(|error| about_it(error.to_string())).collect::<Vec<_>>()
    })?;
    for (path, manifest) in examined.files {
        let origin = path.display().to_string();
        offered
            .extend(manifest.processors.into_iter().map(|processor| (processor, origin.clone())));
    }
    Ok((offered, examined.warnings.into_iter().map(about_it).collect()))
}
