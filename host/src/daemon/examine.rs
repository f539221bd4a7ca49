//! Everything for which a configuration would be refused, found without doing any of it: nothing is bound, opened for
//! writing or run, and a daemon that runs is not disturbed. Of a directory that files are to be made in, one is asked for:
//! rights alone say nothing of a file system that has none (`/proc`) or is full. It has no name, or is gone at once.
//!
//! *Limits*: sockets are not tried. Nothing is known of what the code of a plugin would say of its settings.

use std::fs;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::plugins::{BUILT_IN, builtins, load_options};
use super::prepare::{check_file_limit, check_spool};
use crate::config::{Config, LogTarget, Problem};
use crate::net::TlsError;
use crate::net::tls::Acceptor;
use crate::pipeline::{chains, survey};
use crate::plugins::catalogue::{Offer, Offers};
use crate::plugins::{Processor, check_runtime_dir, examine_dir};

/// What is wrong with a configuration.
#[derive(Default)]
pub(crate) struct Examination {
    /// For these it would be refused.
    pub(crate) problems: Vec<Problem>,
    /// These the operator should know.
    pub(crate) warnings: Vec<Problem>,
}

/// A processor and where it comes from.
pub(crate) type Offered = (Processor, String);

impl Examination {
    /// Looks at all of it but what is below a key that `known_wrong` says has been found wrong already: a default stands
    /// there, and says nothing.
    pub(crate) fn of(config: &Config, known_wrong: impl Fn(&str) -> bool) -> Self {
        let mut found = Self::default();
        for error in
            [check_file_limit(config), check_spool(config)].into_iter().filter_map(Result::err)
        {
            found.problems.push(Problem::new("", error.to_string()));
        }
        for (key, path) in
            [("pid_file", &config.pid_file), ("plugins_crash_file", &config.plugins.crash_file)]
        {
            if let Some(path) = path.as_ref().filter(|_| !known_wrong(key)) {
                found.file(key, path);
            }
        }
        found.logs(config, &known_wrong);
        found.certificates(config, &known_wrong);
        let offered = found.offered(config);
        // Without its plugins directory or its sections a good chain looks like a bad one.
        let keys = ["plugins_dir", "backend_config.processors"].map(str::to_owned);
        let chains = chains(&config.gateway).map(|(key, ..)| format!("backend_config.{key}"));
        let is_clear = !keys.iter().chain(&chains).any(|key| known_wrong(key));
        if let Some(offered) = offered.filter(|_| is_clear) {
            let present = offered.iter().map(|(processor, origin)| Offer { processor, origin });
            let offers = Offers { present: present.collect(), absent: &[], safe_mode: false };
            let survey = survey(&config.gateway, &offers);
            found.problems.extend(survey.problems);
            found.warnings.extend(survey.warnings);
        }
        found
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

    /// Files of a disabled server need not be there.
    fn certificates(&mut self, config: &Config, known_wrong: &impl Fn(&str) -> bool) {
        for (index, server) in
            config.servers.iter().enumerate().filter(|(_, server)| server.enabled)
        {
            let at = format!("servers[{index}].tls");
            if known_wrong(&at) {
                continue;
            }
            if let Err(error) = Acceptor::open(&server.tls, &server.listen.to_string()) {
                self.problems.push(tls_problem(&at, &error));
            }
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

/// An error about TLS begins with the key, unless it is about several.
fn tls_problem(at: &str, error: &TlsError) -> Problem {
    let text = error.to_string();
    match text.split_once([' ', ':']) {
        Some((key, message)) if !matches!(error, TlsError::Settings(_)) => {
            Problem::new(format!("{at}.{key}"), message.trim_start())
        }
        _ => Problem::new(at, text),
    }
}

/// Whether a file can be opened for writing, and made if it is not there.
fn can_write(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err("it is a directory".to_owned()),
        Ok(_) => may(path, AccessFlags::W_OK).map_err(|errno| errno.desc().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let directory = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            };
            let wrong = |why: &str| format!("directory {}: {why}", directory.display());
            may(&directory, AccessFlags::W_OK | AccessFlags::X_OK)
                .map_err(|errno| wrong(errno.desc()))?;
            tempfile::tempfile_in(&directory)
                .map(drop)
                .map_err(|error| wrong(&format!("no file can be made there: {error}")))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a directory is not there because it is there only while the service runs.
fn is_made_later(directory: &Path) -> bool {
    ["/run", "/var/run"].iter().any(|run| directory.starts_with(run)) && !directory.exists()
}

/// What the process may do, by the rights that it acts with.
fn may(path: &Path, access: AccessFlags) -> nix::Result<()> {
    faccessat(AT_FDCWD, path, access, AtFlags::AT_EACCESS)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_can_be_written_is_told_without_writing() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("there"), "").unwrap();
        assert_eq!(can_write(&path("there")), Ok(()));
        assert_eq!(can_write(&path("new")), Ok(()));
        assert!(!path("new").exists());
        assert_eq!(can_write(dir.path()), Err("it is a directory".to_owned()));
        let nowhere = path("no/log");
        let why = can_write(&nowhere).unwrap_err();
        assert!(why.ends_with("no: No such file or directory"), "{why}");
        assert!(can_write(&path("there/log")).is_err());
        assert!(can_write(Path::new("/proc/version/x")).is_err());
        // Root may write there, by the mode; files are not made there.
        assert!(can_write(Path::new("/proc/log")).is_err());
        let closed = path("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
        // Root may.
        let created = fs::write(closed.join("try"), "").is_ok();
        assert_eq!(can_write(&closed.join("log")).is_ok(), created);
    }
}
