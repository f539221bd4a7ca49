//! Whether files can be written, found without writing them.

use std::fs;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

/// Whether a file can be opened for writing, and made if it is not there.
pub(super) fn can_write(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err("it is a directory".to_owned()),
        Ok(_) => may(path, AccessFlags::W_OK).map_err(|errno| errno.desc().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let directory = directory(path);
            let wrong = |why: &str| format!("directory {}: {why}", directory.display());
            may(directory, AccessFlags::W_OK | AccessFlags::X_OK)
                .map_err(|errno| wrong(errno.desc()))?;
            tempfile::tempfile_in(directory)
                .map(drop)
                .map_err(|error| wrong(&format!("no file can be made there: {error}")))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Where a file is.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether a directory is not there because it is there only while the service runs.
pub(super) fn is_made_later(directory: &Path) -> bool {
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
