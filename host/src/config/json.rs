//! The JSON tree of a config file, with object members in the order of the file.
//!
//! `serde_json::Value` sorts members and drops duplicates. go-guerrilla matches keys without regard
//! to case and lets the last one count, so `LOG_FILE` and `log_file` in one object can only be settled
//! by their order; and a key given twice deserves a warning.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Number, Value};

use super::problem::{Problem, shortened};

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads strict JSON: no comments, no trailing commas, nothing behind the value.
    ///
    /// The error's place is the line and column.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Err(Problem::new("", "the file is empty: write at least {}"));
        }
        if text.starts_with('\u{feff}') {
            return Err(Problem::new(
                "line 1 column 1",
                "begins with a byte order mark: save the file as UTF-8 without one",
            ));
        }
        serde_json::from_str(text).map_err(|error| syntax_problem(text, &error))
    }

    /// The value as it is named in an error: short scalars as written, the rest by kind.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => shortened(&format!("{text:?}")),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }

    /// The same as a `serde_json` value, the form in which settings travel to processors.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) => Value::String(text),
            Self::List(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key, value.into_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members.into_iter().map(|(key, value)| (key, Self::from(value))).collect(),
            ),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}

impl fmt::Display for Json {
    /// On several lines, as people write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        let indented = PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, indented);
        self.serialize(&mut serializer).map_err(|_| fmt::Error)?;
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Number::from_f64(number).map(Json::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

/// Moves the place out of serde_json's message, and says what JSON lacks when that is the cause.
fn syntax_problem(text: &str, error: &serde_json::Error) -> Problem {
    let at = format!("line {} column {}", error.line(), error.column());
    let full = error.to_string();
    let message = full.strip_suffix(&format!(" at {at}")).unwrap_or(&full);
    let found = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .and_then(|line| line.as_bytes().get(error.column().saturating_sub(1)));
    let hint = match found {
        Some(b'/' | b'#') => " (JSON has no comments)",
        Some(b'\'') => " (JSON has no single quotes)",
        _ => "",
    };
    Problem::new(at, format!("not valid JSON: {message}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_duplicates() {
        let json = Json::parse(r#"{"b":1,"a":null,"b":[true,-2,1.5,"x"]}"#).unwrap();
        let Json::Object(members) = &json else { panic!("{json:?}") };
        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
        assert_eq!(
            json.into_value(),
            serde_json::json!({"a": null, "b": [true, -2, 1.5, "x"]}),
            "as a value the last duplicate counts"
        );
    }

    #[test]
    fn syntax_errors_name_line_and_column() {
        let deep = "[".repeat(1000);
        let table = [
            ("", "the file is empty: write at least {}"),
            (" \n", "the file is empty: write at least {}"),
            (
                "\u{feff}{}",
                "line 1 column 1: begins with a byte order mark: save the file as UTF-8 without one",
            ),
            ("{\n  \"a\": }", "line 2 column 8: not valid JSON: expected value"),
            ("{\"a\":1,}", "line 1 column 8: not valid JSON: trailing comma"),
            (
                "{\n// no\n}",
                "line 2 column 1: not valid JSON: key must be a string (JSON has no comments)",
            ),
            ("# no\n{}", "line 1 column 1: not valid JSON: expected value (JSON has no comments)"),
            (
                "{'a': 1}",
                "line 1 column 2: not valid JSON: key must be a string (JSON has no single quotes)",
            ),
            ("{} {}", "line 1 column 4: not valid JSON: trailing characters"),
            ("{\"a\":1", "line 1 column 6: not valid JSON: EOF while parsing an object"),
            ("1e999", "line 1 column 5: not valid JSON: number out of range"),
            (&deep, "line 1 column 128: not valid JSON: recursion limit exceeded"),
        ];
        for (text, expected) in table {
            assert_eq!(Json::parse(text).unwrap_err().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_value_is_described_in_a_few_words() {
        for (text, expected) in [
            ("null", "null"),
            ("true", "true"),
            ("-3", "-3"),
            ("1.5", "1.5"),
            (r#""a\n\"b""#, r#""a\n\"b""#),
            ("[1]", "a list"),
            ("{}", "an object"),
        ] {
            assert_eq!(Json::parse(text).unwrap().describe(), expected);
        }
    }
}
