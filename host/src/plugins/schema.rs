//! The settings of a processor, held against the JSON Schema of its manifest before any of its code runs.
//!
//! Three things are taken more lightly than the schema says, because `backend_config` is one flat object for the gateway
//! and all processors: at its top level keys that the schema does not know are somebody else's, their number and form
//! say nothing, and `null` is as good as absent. Formats (`"format": "email"`) are notes for people; one of them,
//! `"format": "file"`, also says that a reload is to look at the file of that name.
//!
//! # Trust
//!
//! The schema is the plugin's word, the settings are the operator's. Nothing is fetched to understand either. Texts of
//! the settings are not repeated in messages: one may be a secret put under the wrong key.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::one_line::{LIMIT, one_line};
use crate::config::key_path;

/// A value that the schema does not allow.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unfit {
    /// The key of the settings that it stands under or that is missing; `None` for the settings as a whole.
    pub(crate) key: Option<String>,
    /// Where below that key, such as `.name` or `[2]`; empty for the key itself.
    pub(crate) below: String,
    /// What is expected and what is there, without a secret.
    pub(crate) message: String,
}

/// Whether a schema is one.
///
/// # Errors
/// What is wrong with it: a fault of the plugin.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    compile(schema).map(|_| ())
}

/// What the schema does not allow of these settings.
///
/// # Errors
/// The schema is none; the manifest's reader has seen to it that it is.
pub(crate) fn unfit(schema: &Value, settings: &Value) -> Result<Vec<Unfit>, String> {
    let validator = compile(schema)?;
    let mut settings = settings.clone();
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|_, value| !value.is_null());
    }
    let errors = validator.iter_errors(&settings).take(MOST);
    let mut unfit: Vec<Unfit> = errors.map(|error| Unfit::of(&error, schema)).collect();
    // The order of a schema's rules means nothing to a reader.
    unfit.sort();
    Ok(unfit)
}

/// Whether a processor wants an object under a key, and would take no string.
pub(crate) fn wants_object(schema: &Value, key: &str) -> bool {
    fn is_object(schema: &Value) -> bool {
        let kinds = match &schema["type"] {
            Value::String(kind) => vec![kind.as_str()],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.is_empty() {
            return kinds.contains(&"object") && !kinds.contains(&"string");
        }
        let mut forms = ["anyOf", "oneOf"].into_iter().filter_map(|rule| schema[rule].as_array());
        forms.any(|forms| {
            let mut forms = forms.iter().filter(|form| form["type"] != "null").peekable();
            forms.peek().is_some() && forms.all(is_object)
        })
    }
    is_object(&schema["properties"][key])
}

/// Whether a string under a key is the name of a file that the processor reads when it is created.
pub(crate) fn names_file(schema: &Value, key: &str) -> bool {
    fn is_file(schema: &Value) -> bool {
        let forms = ["anyOf", "oneOf"].into_iter().filter_map(|rule| schema[rule].as_array());
        schema["format"] == FILE || forms.flatten().any(is_file)
    }
    is_file(&schema["properties"][key])
}

/// Parameters behind the `?` of a string under a key, as in `mysql://host/database?ssl-ca=/path`, that name such files.
pub(crate) fn files_in_query<'s>(schema: &'s Value, key: &str) -> Vec<&'s str> {
    let parameters = schema["properties"][key][FILES_IN_QUERY].as_array();
    parameters.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn compile(schema: &Value) -> Result<Validator, String> {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        for rule in ABOUT_OTHERS {
            schema.remove(rule);
        }
    }
    jsonschema::options()
        .build(&schema)
        .map_err(|error| one_line(&format!("{}: {error}", error.instance_path()), LIMIT))
}

impl Unfit {
    fn of(error: &ValidationError<'_>, schema: &Value) -> Self {
        let mut path = error.instance_path().iter();
        let mut key = match path.next() {
            Some(LocationSegment::Property(key)) => Some(key.into_owned()),
            _ => None,
        };
        let mut below: String = path.map(step).collect();
        let message = match error.kind() {
            ValidationErrorKind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                match &key {
                    None => key = Some(property.to_owned()),
                    Some(_) => below.push_str(&format!(".{}", key_path("", property))),
                }
                match schema["properties"][property]["type"].as_str().filter(|_| below.is_empty()) {
                    Some(kind) => format!("missing, expected {}", described(kind)),
                    None => "missing".to_owned(),
                }
            }
            kind => format!("expected {}, found {}", expected(kind), found(error)),
        };
        Self { key, below, message: one_line(&message, LIMIT) }
    }
}

fn step(segment: LocationSegment<'_>) -> String {
    match segment {
        LocationSegment::Property(key) => format!(".{}", key_path("", &key)),
        LocationSegment::Index(index) => format!("[{index}]"),
    }
}

/// What would have been right.
fn expected(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind: TypeKind::Single(kind) } => described(kind.as_str()).to_owned(),
        Kind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds = kinds.iter().filter(|kind| *kind != JsonType::Null);
            either(kinds.map(|kind| described(kind.as_str()).to_owned()))
        }
        Kind::Enum { options } => {
            either(options.as_array().into_iter().flatten().map(Value::to_string))
        }
        Kind::Constant { expected_value } => expected_value.to_string(),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("a string of at least {limit} characters"),
        Kind::MaxLength { limit } => format!("a string of at most {limit} characters"),
        Kind::Pattern { pattern } => format!("a string that matches {pattern}"),
        Kind::MinItems { limit } => format!("a list of at least {limit} elements"),
        Kind::MaxItems { limit } => format!("a list of at most {limit} elements"),
        Kind::UniqueItems => "a list in which nothing stands twice".to_owned(),
        Kind::Required { property } => {
            format!("a value for {}", key_path("", property.as_str().unwrap_or_default()))
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let keys: Vec<_> = unexpected.iter().map(|key| key_path("", key)).collect();
            format!("no key {}", keys.join(", "))
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            either(context.iter().filter_map(|form| Some(expected(form.first()?.kind()))))
        }
        other => format!("what the rule \"{}\" of its schema says", other.keyword()),
    }
}

fn either(choices: impl Iterator<Item = String>) -> String {
    let mut choices: Vec<String> = choices.collect();
    choices.dedup();
    choices.join(" or ")
}

/// What is there instead.
fn found(error: &ValidationError<'_>) -> String {
    match (error.instance().as_ref(), error.kind()) {
        (Value::String(text), _) if text.is_empty() => "an empty string".to_owned(),
        (Value::String(_), ValidationErrorKind::Enum { .. }) => "another string".to_owned(),
        (Value::String(_), ValidationErrorKind::Pattern { .. }) => "one that does not".to_owned(),
        (Value::String(_), _) => "a string".to_owned(),
        (Value::Array(items), _) => format!("a list of {}", items.len()),
        (Value::Object(_), ValidationErrorKind::AnyOf { .. }) => "none of them".to_owned(),
        (Value::Object(_), _) => "an object".to_owned(),
        (plain, _) => plain.to_string(),
    }
}

/// The words of this project's messages for the types of JSON Schema.
fn described(kind: &str) -> &str {
    match kind {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// The format of names of files.
const FILE: &str = "file";

/// The keyword that lists parameters of a query whose values are names of files.
const FILES_IN_QUERY: &str = "x-files-in-query";

/// Rules that, at the top level, would judge what belongs to others.
const ABOUT_OTHERS: [&str; 5] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
];

/// Most problems of one processor that are told.
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(schema: Value, settings: Value) -> Vec<String> {
        let unfit = unfit(&schema, &settings).unwrap();
        let line = |u: Unfit| format!("{}{}: {}", u.key.unwrap_or_default(), u.below, u.message);
        unfit.into_iter().map(line).collect()
    }

    fn line(rule: Value, value: Value) -> String {
        let found = lines(json!({"properties": {"k": rule}}), json!({"k": value}));
        assert_eq!(found.len(), 1, "{found:?}");
        found.concat()
    }

    #[test]
    fn what_is_there_and_what_is_expected() {
        for (rule, value, expected) in [
            (json!({"type": "string"}), json!(5), "expected a string, found 5"),
            (
                json!({"type": "integer"}),
                json!("secret"),
                "expected a whole number, found a string",
            ),
            (
                json!({"type": ["string", "integer", "null"]}),
                json!(true),
                "expected a whole number or a string, found true",
            ),
            (json!({"minimum": 1}), json!(0), "expected at least 1, found 0"),
            (json!({"maximum": 9}), json!(10.5), "expected at most 9, found 10.5"),
            (json!({"enum": ["lf", 2]}), json!("x"), "expected \"lf\" or 2, found another string"),
            (
                json!({"minLength": 1}),
                json!(""),
                "expected a string of at least 1 characters, found an empty string",
            ),
            (
                json!({"pattern": "^a$"}),
                json!("secret"),
                "expected a string that matches ^a$, found one that does not",
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "array"}]}),
                json!(5),
                "expected a string or a list, found 5",
            ),
            (
                json!({"not": {"type": "string"}}),
                json!("secret"),
                "expected what the rule \"not\" of its schema says, found a string",
            ),
        ] {
            assert_eq!(line(rule, value), format!("k: {expected}"));
        }
    }

    #[test]
    fn the_place_is_named() {
        let schema = json!({"properties": {"list": {"items": {
            "additionalProperties": false,
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
        }}}});
        assert_eq!(
            lines(schema, json!({"list": [{"a": "x"}, {"a": 1}, {"b c": 1}]})),
            [
                "list[1].a: expected a string, found 1",
                "list[2]: expected no key \"b c\", found an object",
                "list[2].a: missing",
            ]
        );
    }

    #[test]
    fn missing_keys_are_told_with_their_type() {
        let schema = json!({
            "required": ["path"],
            "anyOf": [{"required": ["map"]}, {"required": ["file"]}],
            "properties": {"path": {"type": "string"}},
        });
        assert_eq!(
            lines(schema, json!({"path": null})),
            [
                ": expected a value for map or a value for file, found none of them",
                "path: missing, expected a string",
            ]
        );
    }

    #[test]
    fn the_keys_of_others_are_let_pass() {
        let schema =
            json!({"additionalProperties": false, "maxProperties": 1, "properties": {"k": {}}});
        assert_eq!(lines(schema, json!({"k": 1, "redis_interface": "x", "z": 2})), [""; 0]);
    }

    #[test]
    fn an_object_is_wanted_where_no_string_is_taken() {
        for (rule, wanted) in [
            (json!({"type": "object"}), true),
            (json!({"type": ["object", "null"]}), true),
            (json!({"type": ["object", "string"]}), false),
            (json!({"type": "string"}), false),
            (json!({"anyOf": [{"type": "object"}, {"type": "null"}]}), true),
            (json!({"oneOf": [{"type": "object"}, {"type": "string"}]}), false),
            (json!({}), false),
        ] {
            assert_eq!(wants_object(&json!({"properties": {"k": rule}}), "k"), wanted, "{rule}");
        }
        assert!(!wants_object(&json!({}), "k"));
    }

    #[test]
    fn a_file_is_named_where_the_schema_says_so() {
        for (rule, named) in [
            (json!({"type": "string", "format": "file"}), true),
            (json!({"anyOf": [{"type": "string", "format": "file"}, {"type": "null"}]}), true),
            (json!({"type": "string", "format": "uri"}), false),
            (json!({"type": "string"}), false),
            (json!({}), false),
        ] {
            assert_eq!(names_file(&json!({"properties": {"k": rule}}), "k"), named, "{rule}");
        }
    }

    #[test]
    fn a_schema_that_is_none_is_told() {
        for schema in [json!({"type": "text"}), json!({"properties": {"k": {"pattern": "("}}})] {
            assert!(check(&schema).is_err(), "{schema}");
        }
        let fetched = json!({"$ref": "https://example.com/schema.json"});
        assert!(check(&fetched).is_err(), "nothing is fetched");
        assert_eq!(check(&json!({})), Ok(()));
    }
}
