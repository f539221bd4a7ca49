//! A secret of the configuration: written there, in a file, or in the environment.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Where a secret is. It has no `Display`, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the configuration.
    Inline(String),
    /// `{"file": "/path"}`: the content of a file without its last line end.
    File(PathBuf),
    /// `{"env": "NAME"}`: the value of a variable of the daemon's environment.
    Env(String),
}

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// One line that names the key and the place, and never the secret.
    pub fn reveal(&self, key: &str) -> Result<String, String> {
        match self {
            Self::Inline(text) => Ok(text.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{key}: file {}: {error}", path.display()))?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
            }
            Self::Env(name) => std::env::var(name).map_err(|_| {
                format!("{key}: no variable {name} with UTF-8 text in the environment")
            }),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(...)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
        }
    }
}

/// By hand: derived code would repeat a value of the wrong type in its error.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Place;

        impl<'de> Visitor<'de> for Place {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Inline(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(OTHER_TYPE))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(OTHER_TYPE))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom(OTHER_TYPE))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(OTHER_TYPE))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let place =
                    map.next_entry::<String, String>().map_err(|_| A::Error::custom(OTHER_TYPE))?;
                let more = map.next_entry::<String, serde_json::Value>()?;
                match (place, more) {
                    (Some((kind, path)), None) if kind == "file" => Ok(Secret::File(path.into())),
                    (Some((kind, name)), None) if kind == "env" => Ok(Secret::Env(name)),
                    _ => Err(A::Error::custom(OTHER_TYPE)),
                }
            }
        }

        deserializer.deserialize_any(Place)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "file": { "type": "string" } },
                    "required": ["file"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": { "env": { "type": "string" } },
                    "required": ["env"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

const EXPECTED: &str = "a string, {\"file\": \"/path\"} or {\"env\": \"NAME\"}";
const OTHER_TYPE: &str = "expected a string, {\"file\": \"/path\"} or {\"env\": \"NAME\"}";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Secret, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_read_from_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "p w\n").unwrap();
        let place = serde_json::json!({ "file": file }).to_string();
        assert_eq!(read(&place).unwrap().reveal("k").unwrap(), "p w");
        assert_eq!(read("\"x\\n\"").unwrap().reveal("k").unwrap(), "x\n");
        // Cargo sets it for every test.
        let name = read(r#"{"env":"CARGO_PKG_NAME"}"#).unwrap().reveal("k").unwrap();
        assert_eq!(name, "guerrilla-redis-client");
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = read(r#"{"file":"/nowhere/at all"}"#).unwrap().reveal("redis_password");
        assert_eq!(
            missing.unwrap_err(),
            "redis_password: file /nowhere/at all: No such file or directory (os error 2)"
        );
        let missing = read(r#"{"env":"NO_SUCH_VARIABLE"}"#).unwrap().reveal("redis_password");
        assert!(missing.unwrap_err().contains("NO_SUCH_VARIABLE"));
    }

    #[test]
    fn no_error_and_no_debug_text_repeats_a_secret() {
        for json in [
            "4711",
            "-4711",
            "47.11",
            "[\"4711\"]",
            r#"{"file":4711}"#,
            r#"{"text":"4711"}"#,
            r#"{"file":"a","env":"4711"}"#,
            r#"{"file":"a","x":4711}"#,
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains("expected") && !error.contains("47"), "{json}: {error}");
        }
        assert_eq!(format!("{:?}", Secret::Inline("4711".to_owned())), "Inline(...)");
    }
}
