//! The file itself: where it is, and its text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::problem::{ConfigError, Problem};

/// The config file that is read when nobody names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultFile {
    /// Where it is.
    pub path: PathBuf,
    /// What to tell the operator about its name.
    pub warning: Option<Problem>,
}

/// The config file in the working directory: `goguerrilla.conf`, go-guerrilla's old name, if there is
/// one, else `goguerrilla.conf.json`. `None` when there is neither.
#[must_use]
pub fn default_path() -> Option<DefaultFile> {
    default_path_in(Path::new(""))
}

pub(super) fn default_path_in(directory: &Path) -> Option<DefaultFile> {
    // A dangling link counts: reading it gives the error that the operator needs to see.
    let exists = |path: &Path| fs::symlink_metadata(path).is_ok();
    let (old, new) = (directory.join(OLD_NAME), directory.join(NAME));
    match (exists(&old), exists(&new)) {
        (true, beside) => {
            let beside =
                if beside { format!(" (the {NAME} beside it is not read)") } else { String::new() };
            let message = format!(
                "{OLD_NAME} is the old name of the config file: rename it to {NAME}{beside}"
            );
            Some(DefaultFile { path: old, warning: Some(Problem::new("", message)) })
        }
        (false, true) => Some(DefaultFile { path: new, warning: None }),
        (false, false) => None,
    }
}

/// The default name of the config file.
const NAME: &str = "goguerrilla.conf.json";

/// The name it had before, still preferred when it exists.
const OLD_NAME: &str = "goguerrilla.conf";

/// A config that is longer was named by mistake.
const LONGEST_FILE: u64 = 16 << 20;

/// The text of a config file.
///
/// # Errors
/// It cannot be read, or is no text.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let bytes = read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|b| **b == b'\n').count();
        let problem = Problem::new(format!("line {line}"), "not UTF-8: save the file as UTF-8");
        let origin = path.display().to_string();
        ConfigError::Invalid { origin, problems: vec![problem], warnings: Vec::new() }
    })
}

/// Opens it without waiting for somebody to open the other end of a named pipe: one that nobody writes to is empty.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Whoever has the other end (`-c <(generate)`) may take his time.
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(file)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {LONGEST_FILE} bytes, which no config file is"),
        ));
    }
    Ok(bytes)
}
