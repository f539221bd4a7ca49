//! Values that stand somewhere else: `{"file": "/path"}` or `{"env": "NAME"}` in the place of a string.
//!
//! ```json
//! "sql_dsn": {"file": "/run/secrets/dsn"}, "redis_password": {"env": "REDIS_PASSWORD"}
//! ```
//!
//! They are read when the config is read, so a reload takes what they hold then. A processor gets the string. If its
//! schema wants an object under that key, the object is its own business, and it gets that: which of the two it is
//! turns out later, and so a file that cannot be read is an error only then.
//!
//! Never: a value in a message or in `Debug`. Limits: [`LONGEST`]; regular files, since a pipe can be read once and
//! would block.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::Json;
use super::problem::shortened;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// In a file (`{"file": "/path"}`), without its last line break; a relative path counts from the working directory.
    File(PathBuf),
    /// In a variable of the daemon's environment (`{"env": "NAME"}`).
    Env(String),
}

impl Source {
    /// The place that a value names, if it is an object with one of the two keys alone.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let members = value.as_object().filter(|members| members.len() == 1)?;
        members.iter().find_map(|(key, place)| Self::named(key, place.as_str()?))
    }

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Env(_) => None,
        }
    }

    pub(super) fn of_json(json: &Json) -> Option<Self> {
        match json {
            Json::Object(members) => match &members[..] {
                [(key, Json::Text(place))] => Self::named(key, place),
                _ => None,
            },
            _ => None,
        }
    }

    fn named(key: &str, place: &str) -> Option<Self> {
        match key {
            "file" => Some(Self::File(place.into())),
            "env" => Some(Self::Env(place.to_owned())),
            _ => None,
        }
    }

    /// As it is written in the file.
    pub(super) fn to_json(&self) -> Json {
        let (key, place) = match self {
            Self::File(path) => ("file", path.display().to_string()),
            Self::Env(name) => ("env", name.clone()),
        };
        Json::Object(vec![(key.to_owned(), Json::Text(place))])
    }

    /// What stands there.
    pub(super) fn read(&self) -> Result<String, String> {
        let read = match self {
            Self::File(path) => read_file(path),
            Self::Env(name) => match std::env::var_os(name) {
                None => Err("is not set".to_owned()),
                Some(value) => value.into_string().map_err(|_| "is not UTF-8".to_owned()),
            },
        };
        match read {
            // An empty password or address would be taken for one that was left out.
            Ok(value) if value.is_empty() => Err(format!("{self} is empty")),
            Ok(value) => Ok(value),
            Err(why) => Err(format!("{self} {why}")),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", shortened(&format!("{path:?}"))),
            Self::Env(name) => {
                write!(f, "variable {} of the environment", shortened(&format!("{name:?}")))
            }
        }
    }
}

/// What the files and variables held that the settings of processors name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<Source, Result<String, String>>);

impl Secrets {
    /// Reads every place that one of these values names.
    pub(super) fn read<'a>(&mut self, values: impl IntoIterator<Item = &'a Value>) {
        for source in values.into_iter().filter_map(Source::of) {
            let read = source.read();
            self.0.insert(source, read);
        }
    }

    /// The places that were read.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Source> {
        self.0.keys()
    }

    /// The string that a value stands for, if it names a place; the error names the place.
    pub(crate) fn find(&self, value: &Value) -> Option<Result<&str, &str>> {
        let read = self.0.get(&Source::of(value)?)?;
        Some(read.as_deref().map_err(String::as_str))
    }
}

impl fmt::Debug for Secrets {
    /// Names the places only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Longest value of a file in bytes: a certificate has room, a disk image was named by mistake.
const LONGEST: u64 = 64 << 10;

fn read_file(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    // Asked before it is opened: that would wait for the other end of a pipe.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_line_break_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (content, expected) in
            [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a \n", " a ")]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(Source::File(path.clone()).read().unwrap(), expected, "{content:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            Source::File(path)
        };
        let long = vec![b'x'; 70_000];
        for (source, why) in [
            (Source::File(dir.path().join("none")), "cannot be read: No such file"),
            (Source::File(dir.path().to_owned()), "is not a regular file"),
            (Source::File("/dev/zero".into()), "is not a regular file"),
            (file("latin1", b"\xe4"), "is not UTF-8"),
            (file("empty", b"\n"), "is empty"),
            (file("long", &long), "is longer than 65536 bytes"),
            (
                Source::Env("GUERRILLAD_NO_SUCH".into()),
                "\"GUERRILLAD_NO_SUCH\" of the environment is not set",
            ),
            (Source::Env("A=B".into()), "is not set"),
        ] {
            let error = source.read().unwrap_err();
            assert!(error.contains(why) && error.starts_with(&source.to_string()), "{error}");
        }
    }

    #[test]
    fn only_an_object_with_one_of_the_two_keys_names_a_place() {
        for value in [
            json!("file"),
            json!({}),
            json!({"file": 1}),
            json!({"path": "x"}),
            json!({"file": "a", "env": "b"}),
            json!(["file", "x"]),
        ] {
            assert_eq!(Source::of(&value), None, "{value}");
        }
        assert_eq!(Source::of(&json!({"file": "x"})), Some(Source::File("x".into())));
        let mut secrets = Secrets::default();
        let known = json!({"env": "CARGO_PKG_NAME"});
        secrets.read([&known, &json!("plain")]);
        assert_eq!(secrets.find(&known), Some(Ok("guerrilla")));
        assert_eq!(secrets.find(&json!("plain")), None);
        assert_eq!(format!("{secrets:?}"), r#"{Env("CARGO_PKG_NAME")}"#);
    }
}
