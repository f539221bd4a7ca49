//! The JSON Schema of a config file, for editors and for whoever generates one: the vocabularies and what the processors'
//! own schemas say of their keys.
//!
//! It is stricter than the daemon, which takes keys and words in any case and ignores unknown keys with a warning. What
//! it takes, the daemon understands.

use serde_json::{Map, Value, json};

use super::vocabulary::{BACKEND, Form, Key, PROCESSOR, PROCESSORS, TOP, Vocabulary};
use processors::{flat_keys, sections};

mod processors;

/// A processor that the file may speak of.
pub(crate) struct Described<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its name and its aliases.
    pub(crate) names: Vec<&'a str>,
    /// The schema of its settings.
    pub(crate) schema: &'a Value,
}

/// The schema (draft 2020-12) of a file that may speak of these processors.
pub(crate) fn json_schema(known: &[Described<'_>]) -> Value {
    let mut schema = object(&TOP, known);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("The config file of guerrillad");
    schema["description"] = json!(ABOUT);
    let definitions = known.iter().map(|known| (known.name.to_owned(), known.definition()));
    let mut definitions: Map<String, Value> = definitions.collect();
    definitions.insert(PLACE.to_owned(), place());
    schema["$defs"] = Value::Object(definitions);
    schema
}

const ABOUT: &str = "Keys are written in lower case here; the daemon takes them in any case, and null for a key that is \
    left out. It ignores unknown keys with a warning. Settings that a processor requires are checked where they stand in \
    a section with \"use\"; of flat ones \"config check\" knows which are needed.";

/// Name of the definition of a place that a string can stand in.
const PLACE: &str = "place";

fn place() -> Value {
    let form = |key: &str, about: &str| {
        json!({
            "type": "object",
            "properties": { key: { "type": "string", "minLength": 1, "description": about } },
            "required": [key],
            "additionalProperties": false,
        })
    };
    json!({
        "description": "Where the value stands, if not here.",
        "oneOf": [
            form("file", "A file that holds it, and perhaps a line break behind it."),
            form("env", "A variable of the daemon's environment that holds it."),
        ],
    })
}

fn place_ref() -> Value {
    json!({ "$ref": format!("#/$defs/{PLACE}") })
}

/// An object with the keys of a vocabulary and no others.
fn object(vocabulary: &Vocabulary, known: &[Described<'_>]) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": properties(vocabulary, known),
        "additionalProperties": false,
    });
    if !vocabulary.required.is_empty() {
        schema["required"] = json!(vocabulary.required);
    }
    schema
}

fn properties(vocabulary: &Vocabulary, known: &[Described<'_>]) -> Map<String, Value> {
    vocabulary.entries().map(|key| (key.name.to_owned(), of(key, known))).collect()
}

fn of(key: &Key, known: &[Described<'_>]) -> Value {
    let mut schema = match key.form {
        Form::Flag => json!({ "type": ["boolean", "null"] }),
        Form::Whole => json!({ "type": ["integer", "null"], "minimum": 0 }),
        Form::Positive => json!({ "type": ["integer", "null"], "minimum": 1 }),
        Form::Text => json!({ "type": ["string", "null"] }),
        Form::TextOrPlace => json!({ "anyOf": [{ "type": ["string", "null"] }, place_ref()] }),
        Form::Duration => json!({ "type": ["string", "null"], "pattern": DURATION }),
        Form::Words(words) => one_of(words),
        Form::Name(names) => one_of(&names()),
        Form::Texts => list(json!({ "type": "string" })),
        Form::Names(names) => list(json!({ "enum": names() })),
        Form::Digests => json!({
            "type": ["object", "null"],
            "additionalProperties": { "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" },
        }),
        Form::Section(vocabulary) => or_null(object(vocabulary, known)),
        Form::Sections(vocabulary) => list(object(vocabulary, known)),
        Form::Backend => backend(known),
        Form::Processors => sections(known),
    };
    schema["description"] = json!(key.about);
    schema
}

/// The gateway's keys and those of all processors side by side.
fn backend(known: &[Described<'_>]) -> Value {
    let mut schema = or_null(object(&BACKEND, known));
    let mut properties = flat_keys(known);
    properties.extend(self::properties(&BACKEND, known));
    properties.insert(PROCESSORS.name.to_owned(), of(&PROCESSORS, known));
    schema["properties"] = Value::Object(properties);
    schema["additionalProperties"] = json!(known.iter().any(Described::is_open));
    schema
}

fn one_of(words: &[&str]) -> Value {
    let words = words.iter().map(|word| json!(word)).chain([Value::Null]);
    json!({ "enum": words.collect::<Vec<_>>() })
}

fn list(items: Value) -> Value {
    json!({ "type": ["array", "null"], "items": items })
}

fn or_null(mut object: Value) -> Value {
    object["type"] = json!(["object", "null"]);
    object
}

/// Go's syntax, see `duration`.
const DURATION: &str =
    r"^[+]?(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$";

#[cfg(test)]
mod tests;
