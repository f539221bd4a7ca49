//! A setting that nobody is to see.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A string of the configuration that is a secret: a password, a token, a URL with either in it.
///
/// It can be read by [`reveal`](Self::reveal) alone: `Debug` does not show it, it has no `Display`, and the error about a value
/// of another type does not repeat that. Say `"writeOnly": true` of its key in
/// [`CONFIG_SCHEMA`](crate::Plugin::CONFIG_SCHEMA) (with the feature `schemars` it says so itself). Where it really stands is
/// the host's business: operators may write `{"file": ...}` or `{"env": ...}`, and this is what was there.
///
/// ```
/// use guerrilla_plugin_api::Secret;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Config {
///     scanner_token: Secret,
/// }
///
/// let config: Config = serde_json::from_str(r#"{ "scanner_token": "s3cret" }"#)?;
/// assert_eq!(config.scanner_token.reveal(), "s3cret");
/// assert_eq!(format!("{config:?}"), "Config { scanner_token: Secret(...) }");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself: for whoever is to be given it, and for no message.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// By hand: derived code repeats a value of the wrong type in its error, and a password may be a number.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Secret, E> {
                Ok(Secret(text))
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
        }

        // Whatever it is: asked for a string, a deserializer says itself what it has found instead.
        deserializer.deserialize_any(Text)
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
        schemars::json_schema!({ "type": "string", "writeOnly": true })
    }
}

const OTHER_TYPE: &str = "expected a string";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_repeats_what_was_given() {
        for json in ["4711", "-4711", "47.11", "true", "[\"4711\"]", r#"{"file": "4711"}"#, "null"]
        {
            let error = serde_json::from_str::<Secret>(json).unwrap_err().to_string();
            assert!(error.contains("expected a string"), "{json}: {error}");
            assert!(!error.contains("47"), "{json}: {error}");
        }
    }

    #[cfg(feature = "schemars")]
    #[test]
    fn the_schema_says_that_it_is_one() {
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is wanted")]
        struct Config {
            one: Secret,
            other: Option<Secret>,
        }

        let schema: serde_json::Value =
            serde_json::from_str(&crate::testkit::derived_schema::<Config>()).unwrap();
        for key in ["one", "other"] {
            assert_eq!(schema["properties"][key]["writeOnly"], true, "{schema}");
        }
    }
}
