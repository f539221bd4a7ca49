//! What processors add to the schema: flat keys of `backend_config`, and sections for single ones.
//!
//! The schema of each stands under `$defs` and is referred to from wherever its keys may stand. A string may be a place
//! there, which its own schema knows nothing of: hence each key is wrapped, and of the rules about the whole only those
//! are kept that say which keys there must be.

use serde_json::{Map, Value, json};

use super::{Described, PROCESSOR, place_ref, properties};
use crate::config::vocabulary::BACKEND;

impl Described<'_> {
    /// Its schema as a definition: references in it begin at the definition.
    pub(super) fn definition(&self) -> Value {
        let mut schema = self.schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.retain(|key, _| key != "$id" && key != "$schema");
        }
        rebase(&mut schema, &format!("#/$defs/{}", self.name));
        schema
    }

    /// Whether it may know keys that it does not name.
    pub(super) fn is_open(&self) -> bool {
        let others = &self.schema["additionalProperties"];
        self.keys().is_none()
            || self.schema["patternProperties"].is_object()
            || !(others.is_null() || *others == json!(false))
    }

    fn keys(&self) -> Option<&Map<String, Value>> {
        self.schema["properties"].as_object()
    }

    /// A key of its settings as it may stand in the file.
    fn key(&self, key: &str) -> Vec<Value> {
        let pointer = key.replace('~', "~0").replace('/', "~1");
        let mut forms =
            vec![json!({ "$ref": format!("#/$defs/{}/properties/{pointer}", self.name) })];
        if takes_string(&self.schema["properties"][key]) {
            forms.push(place_ref());
        }
        forms
    }

    /// The keys of a section of it.
    fn section(&self) -> Map<String, Value> {
        let keys = self.keys().into_iter().flatten();
        let mut section: Map<String, Value> =
            keys.map(|(key, about)| (key.clone(), any(self.key(key), about))).collect();
        for shared in SHARED {
            section.entry(shared).or_insert_with(|| json!(true));
        }
        section.extend(properties(&PROCESSOR, &[]));
        section
    }

    /// A section of it with a name of its own, which has all that it needs.
    fn whole_section(&self) -> Value {
        let mut schema = json!({
            "properties": self.section(),
            "additionalProperties": self.is_open(),
        });
        let needed = self.schema["required"].as_array().into_iter().flatten();
        let needed: Vec<&Value> =
            needed.filter(|key| !SHARED.iter().any(|shared| *key == shared)).collect();
        schema["required"] = json!(needed);
        for rule in ["anyOf", "oneOf"] {
            let about_presence = |form: &Value| {
                form.as_object().is_some_and(|form| form.keys().all(|key| key == "required"))
            };
            if let Some(forms) = self.schema[rule].as_array()
                && forms.iter().all(about_presence)
            {
                schema[rule] = json!(forms);
            }
        }
        schema
    }

    /// A pattern for its names: case does not count.
    fn pattern(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| any_case(name)).collect();
        format!("^({})$", names.join("|"))
    }
}

/// The keys of all processors; several may know the same one.
pub(super) fn flat_keys(known: &[Described<'_>]) -> Map<String, Value> {
    let mut forms: Map<String, Value> = Map::new();
    for described in known {
        for (key, about) in described.keys().into_iter().flatten() {
            if BACKEND.find(key).is_some() {
                continue;
            }
            let mut new = described.key(key);
            if let Some(earlier) = forms.get(key) {
                let earlier = earlier["anyOf"].as_array().into_iter().flatten();
                let earlier = earlier.filter(|form| form["type"] != "null");
                let mut both: Vec<Value> = earlier.cloned().collect();
                new.retain(|form| !both.contains(form));
                both.append(&mut new);
                new = both;
            }
            forms.insert(key.clone(), any(new, about));
        }
    }
    forms
}

/// `backend_config.processors`.
pub(super) fn sections(known: &[Described<'_>]) -> Value {
    let own = known.iter().map(|described| {
        let plain = json!({
            "properties": described.section(),
            "additionalProperties": described.is_open(),
        });
        let section = json!({
            "type": "object",
            "if": { "required": ["use"] },
            "then": { "$ref": NAMED },
            "else": plain,
        });
        (described.pattern(), section)
    });
    let own: Map<String, Value> = own.collect();
    json!({
        "type": ["object", "null"],
        "patternProperties": own,
        "additionalProperties": named(known),
    })
}

/// Where [`named`] stands.
const NAMED: &str = "#/properties/backend_config/properties/processors/additionalProperties";

/// A section with a name of its own: `use` says which processor it is for.
fn named(known: &[Described<'_>]) -> Value {
    let by_use = known.iter().map(|described| {
        json!({
            "if": { "properties": { "use": { "pattern": described.pattern() } }, "required": ["use"] },
            "then": described.whole_section(),
        })
    });
    let uses: Vec<Value> =
        known.iter().map(|described| json!({ "pattern": described.pattern() })).collect();
    json!({
        "type": "object",
        "properties": { "use": { "type": "string", "anyOf": uses } },
        "required": ["use"],
        "allOf": by_use.collect::<Vec<_>>(),
    })
}

/// One of several forms, or left out.
fn any(mut forms: Vec<Value>, about: &Value) -> Value {
    forms.push(json!({ "type": "null" }));
    let mut schema = json!({ "anyOf": forms });
    for note in ["description", "default", "examples", "writeOnly", "deprecated"] {
        if !about[note].is_null() {
            schema[note] = about[note].clone();
        }
    }
    schema
}

/// Whether a string may be right; one that has to be an object is never a place.
fn takes_string(schema: &Value) -> bool {
    let among = |values: &Value| {
        values.as_array().is_some_and(|values| values.iter().any(Value::is_string))
    };
    match &schema["type"] {
        Value::String(kind) => return kind == "string",
        Value::Array(kinds) => return kinds.iter().any(|kind| kind == "string"),
        _ => {}
    }
    if schema["enum"].is_array() {
        return among(&schema["enum"]);
    }
    let forms = ["anyOf", "oneOf"].into_iter().find_map(|rule| schema[rule].as_array());
    forms.is_none_or(|forms| forms.iter().any(takes_string))
}

/// Has the references of a schema begin elsewhere.
fn rebase(schema: &mut Value, root: &str) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, root)),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(path) = target.strip_prefix('#') {
                            *target = format!("{root}{path}");
                        }
                    }
                    other => rebase(other, root),
                }
            }
        }
        _ => {}
    }
}

fn any_case(name: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_ascii_alphabetic() => {
            format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase())
        }
        '.' | '+' => format!("[{c}]"),
        c => c.to_string(),
    };
    name.chars().map(letter).collect()
}

/// Keys that the gateway shares with every processor.
const SHARED: [&str; 3] = ["primary_mail_host", "log_received_mails", "save_workers_size"];
