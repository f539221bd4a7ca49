//! The settings of a processor: one flat object (`backend_config`) that all of a chain share.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What stands in the object; keys of other processors are let pass. `null` counts as absent.
///
/// Read by hand, for serde's complaint about a wrong type does not name the key.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Settings(Map<String, Value>);

impl Settings {
    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, String> {
        self.read(key, "a string", Value::as_str)
    }

    /// Yes or no.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is something else or out of range.
    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, String> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, |value| value.as_u64().filter(|n| range.contains(n)))
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(found) => Ok(Some(found)),
                None => Err(format!("{key}: expected {expected}, found {}", describe(value))),
            },
        }
    }

    #[cfg(test)]
    pub(super) fn of(value: Value) -> Self {
        serde_json::from_value(value).unwrap()
    }
}

/// The kind of a value; texts are not repeated, for they may be secrets put under the wrong key.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_is_there() {
        let settings = Settings::of(json!({"a": "x", "b": true, "c": 3, "d": null, "other": []}));
        assert_eq!(settings.text("a"), Ok(Some("x")));
        assert_eq!(settings.flag("b"), Ok(Some(true)));
        assert_eq!(settings.number("c", 0..=3), Ok(Some(3)));
        assert_eq!(settings.text("d"), Ok(None));
        assert_eq!(settings.flag("e"), Ok(None));
    }

    #[test]
    fn complaints_name_the_key() {
        let settings = Settings::of(
            json!({"a": 5, "b": "secret", "c": 4, "d": -1, "e": 1.5, "f": {}, "g": []}),
        );
        let complaints = [
            settings.text("a").unwrap_err(),
            settings.flag("b").unwrap_err(),
            settings.number("c", 0..=3).unwrap_err(),
            settings.number("d", 0..=3).unwrap_err(),
            settings.number("e", 0..=3).unwrap_err(),
            settings.text("f").unwrap_err(),
            settings.flag("g").unwrap_err(),
        ];
        assert_eq!(
            complaints,
            [
                "a: expected a string, found 5",
                "b: expected true or false, found a string",
                "c: expected a whole number from 0 to 3, found 4",
                "d: expected a whole number from 0 to 3, found -1",
                "e: expected a whole number from 0 to 3, found 1.5",
                "f: expected a string, found an object",
                "g: expected true or false, found an array",
            ]
        );
    }
}
