//! As whom the daemon would look at its files: the check becomes that user and is restricted as it would be. It is a
//! process that does nothing else, and tells what it has found.

use std::path::Path;

use nix::unistd::geteuid;

use crate::config::{Config, Problem};
use crate::daemon::Examination;
use crate::service::identity::{Identity, IdentityError, is_roots_alone};
use crate::service::landlock::restrict;

/// Looks at what is done as root, then takes the rights of the daemon. `loads` says whether the file did as who has
/// started this.
pub(super) fn take(
    config: &Config,
    config_file: Option<&Path>,
    loads: bool,
    found: &mut Examination,
    known_wrong: &impl Fn(&str) -> bool,
) {
    match Identity::to_become(&config.rights) {
        Ok(None) => {}
        Ok(Some(identity)) => {
            found.ahead(config, known_wrong, is_roots_alone);
            match identity.assume() {
                Ok(()) => found.warnings.extend(unreadable(config_file.filter(|_| loads))),
                Err(error) => found.problems.push(with_key(&error)),
            }
        }
        // Whoever writes the file need not be who starts the daemon.
        Err(IdentityError::NotRoot { wanted, .. }) => {
            let message = format!(
                "started as root the daemon becomes {wanted}; what follows is what uid {} may do, so check as root",
                geteuid()
            );
            found.warnings.push(Problem::new("user", message));
        }
        Err(error) => found.problems.push(with_key(&error)),
    }
    match restrict(config, config_file) {
        Ok(restricted) => {
            found.warnings.extend(restricted.note.map(|note| with_key(&note)));
        }
        Err(error) => found.problems.push(with_key(&error)),
    }
}

/// What the daemon warns of at its start when root alone can read the file.
fn unreadable(config_file: Option<&Path>) -> Option<Problem> {
    let error = Config::load(config_file?).err()?;
    let why = error.to_string();
    let why = why.lines().next()?;
    let message = format!("reloads will be refused, for the user cannot read it: {why}");
    Some(Problem::new("", message))
}

/// The text begins with its key.
fn with_key(text: &impl ToString) -> Problem {
    let text = text.to_string();
    match text.split_once(": ") {
        Some((key, message)) => Problem::new(key, message),
        None => Problem::new("", text),
    }
}
