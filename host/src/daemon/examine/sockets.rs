//! Unix sockets: whether the file can be made, and given to whom it is meant for. Addresses and ports are not tried.

use std::fs;
use std::io::ErrorKind::NotFound;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::unistd::{Group, User};

use super::Examination;
use super::files::{can_write, directory};
use crate::config::{Config, Listen, Problem};

impl Examination {
    /// Those of the servers that are `wanted`.
    pub(super) fn servers_sockets(
        &mut self,
        config: &Config,
        known_wrong: &impl Fn(&str) -> bool,
        wanted: impl Fn(&Path) -> bool,
    ) {
        for (index, server) in
            config.servers.iter().enumerate().filter(|(_, server)| server.enabled)
        {
            let at = format!("servers[{index}].listen_interface");
            let Listen::Unix { path, owner, .. } = &server.listen else { continue };
            if known_wrong(&at) || !wanted(path) || !self.is_new(&at) {
                continue;
            }
            self.socket(&at, &server.listen);
            if let Some(why) = owner.as_deref().and_then(unknown_owner) {
                self.problems.push(Problem::new(format!("servers[{index}].unix_owner"), why));
            }
        }
    }

    pub(super) fn socket(&mut self, at: &str, listen: &Listen) {
        let Listen::Unix { path, .. } = listen else { return };
        let why = match fs::symlink_metadata(path) {
            // Somebody's, or a leftover that is replaced.
            Ok(found) if found.file_type().is_socket() => return,
            Ok(_) => "the path exists and is no socket".to_owned(),
            Err(error) if error.kind() == NotFound => {
                match missing_directory(path).map_or_else(|| can_write(path), Err) {
                    Ok(()) => return,
                    Err(why) => why,
                }
            }
            Err(error) => error.to_string(),
        };
        let message = format!("cannot listen on {listen}: {why}");
        self.unless_made_later(at, directory(path), message);
    }
}

/// What the system calls "no such file" of a file that is to be made.
pub(in crate::daemon) fn missing_directory(path: &Path) -> Option<String> {
    let directory = directory(path);
    let is_missing = fs::metadata(directory).is_err_and(|error| error.kind() == NotFound);
    is_missing.then(|| format!("there is no directory {}; make it", directory.display()))
}

/// What is wrong with `user`, `user:group` or `:group`; numbers need no entry.
fn unknown_owner(text: &str) -> Option<String> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let is_number = |name: &str| name.is_empty() || name.parse::<u32>().is_ok();
    if !is_number(user) && !matches!(User::from_name(user), Ok(Some(_))) {
        Some(format!("there is no user \"{user}\" on this machine"))
    } else if !is_number(group) && !matches!(Group::from_name(group), Ok(Some(_))) {
        Some(format!("there is no group \"{group}\" on this machine"))
    } else {
        None
    }
}
