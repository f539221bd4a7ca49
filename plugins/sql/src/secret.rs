//! Values that must not be seen: written in the configuration, or kept in a file or the environment.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A secret, or where it is. It has no `Debug` that shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Secret {
    /// The secret itself.
    Text(String),
    /// The content of a file, without the line end that it may have.
    File {
        /// Path of the file.
        file: PathBuf,
    },
    /// The value of a variable of the daemon's environment.
    Env {
        /// Name of the variable.
        env: String,
    },
}

impl Secret {
    /// Reads it. `key` is the configuration's, for the error.
    pub(crate) fn read(&self, key: &str) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File { file } => match read_file(file) {
                Ok(text) => Ok(text),
                Err(why) => Err(format!("{key}: cannot read {}: {why}", file.display())),
            },
            Self::Env { env } => std::env::var(env).map_err(|_| {
                format!("{key}: there is no variable {env} in the environment, or it is no UTF-8")
            }),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("(secret)"),
            Self::File { file } => write!(f, "(secret in {})", file.display()),
            Self::Env { env } => write!(f, "(secret in ${env})"),
        }
    }
}

fn read_file(file: &Path) -> Result<String, std::io::Error> {
    let text = fs::read_to_string(file)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(json: &str) -> Secret {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn from_the_three_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            fs::write(&path, content).unwrap();
            let in_file = secret(&serde_json::json!({ "file": path }).to_string());
            assert_eq!(in_file.read("k").unwrap(), "s3cret");
        }
        assert_eq!(secret(r#""s3cret""#).read("k").unwrap(), "s3cret");
        // Cargo sets it for tests.
        assert_eq!(secret(r#"{"env": "CARGO_PKG_NAME"}"#).read("k").unwrap(), "guerrilla-sql");
    }

    #[test]
    fn errors_name_the_place_and_nothing_else() {
        let missing = secret(r#"{"file": "/nonexistent/p"}"#).read("sql_password").unwrap_err();
        assert!(missing.starts_with("sql_password: cannot read /nonexistent/p: "), "{missing}");
        assert!(secret(r#"{"env": "NO_SUCH_VARIABLE"}"#).read("k").is_err());
        let wrong = serde_json::from_str::<Secret>(r#"["hunter2"]"#).unwrap_err().to_string();
        assert!(!wrong.contains("hunter2"), "{wrong}");
        assert_eq!(format!("{:?}", secret(r#""hunter2""#)), "(secret)");
    }
}
