//! What is not shown of settings.
//!
//! A value is secret if the schema of a processor that reads it says `"writeOnly": true`, or if its key is called like
//! one: not every schema says it. Of an address with a password only the
//! password is secret; such a one is not shown wherever it stands. A place (`{"file": ...}`) is no secret.
//!
//! *Trust*: it is better to hide too much.

use serde_json::Value;

use crate::config::Source;

/// The value of a key as it may be shown. `schemas` are those that describe the key.
pub(super) fn masked(key: &str, value: &Value, schemas: &[&Value]) -> Value {
    if Source::of(value).is_some() {
        return value.clone();
    }
    let is_secret = sounds_secret(key) || schemas.iter().any(|schema| says_secret(schema));
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) if is_secret => {
            address(text, true).unwrap_or_else(|| MASK.to_owned()).into()
        }
        _ if is_secret => MASK.into(),
        Value::String(text) => address(text, false).unwrap_or_else(|| text.clone()).into(),
        Value::Array(items) => {
            let of_items: Vec<&Value> = schemas.iter().map(|schema| &schema["items"]).collect();
            items.iter().map(|item| masked("", item, &of_items)).collect()
        }
        Value::Object(members) => {
            let within = |(key, value): (&String, &Value)| {
                let of_member: Vec<&Value> =
                    schemas.iter().map(|schema| &schema["properties"][key.as_str()]).collect();
                (key.clone(), masked(key, value, &of_member))
            };
            Value::Object(members.iter().map(within).collect())
        }
        Value::Number(_) => value.clone(),
    }
}

/// What stands in the place of a secret.
const MASK: &str = "********";

/// What keys of secrets end with, here and in addresses.
const WORDS: [&str; 6] = ["password", "passwd", "pass", "pwd", "secret", "token"];

fn says_secret(schema: &Value) -> bool {
    let forms = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|rule| schema[rule].as_array());
    schema["writeOnly"] == Value::Bool(true) || forms.flatten().any(says_secret)
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    WORDS.iter().any(|end| key.ends_with(end))
}

/// An address without the password in it: a URL, or a data source name of Go (`user:password@tcp(host)/database`).
/// `None` when it is neither, or has nothing to hide. In one that is secret as a whole, a lone name before the `@` may
/// be a token.
fn address(text: &str, is_secret: bool) -> Option<String> {
    let small = text.to_ascii_lowercase();
    if WORDS.iter().any(|word| small.contains(&format!("{word}="))) {
        return Some(MASK.to_owned());
    }
    let (scheme, rest) = match text.find("://") {
        Some(end) => text.split_at(end + 3),
        None => ("", text),
    };
    // A password may hold any of ":/?@": all up to the last "@" belongs to it.
    let Some((who, place)) = rest.rsplit_once('@') else {
        return (is_secret && !scheme.is_empty()).then(|| text.to_owned());
    };
    let is_address = !scheme.is_empty() || place.contains('(') || place.starts_with('/');
    match who.split_once(':') {
        Some((user, _)) if is_address => Some(format!("{scheme}{user}:{MASK}@{place}")),
        None if is_secret && is_address => Some(format!("{scheme}{MASK}@{place}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_not_shown() {
        let secret = json!({ "type": "string", "writeOnly": true });
        let within = json!({ "anyOf": [{ "type": "null" }, secret] });
        let plain = json!({ "type": "string" });
        let deep = json!({ "properties": { "inner": secret }, "items": secret });
        for (key, value, schema, expected) in [
            ("k", json!("s3cret"), &secret, json!(MASK)),
            ("k", json!("s3cret"), &within, json!(MASK)),
            ("k", json!(4711), &secret, json!(MASK)),
            ("k", json!(["s3cret"]), &secret, json!(MASK)),
            ("k", json!(null), &secret, json!(null)),
            ("k", json!({ "file": "/run/s" }), &secret, json!({ "file": "/run/s" })),
            ("k", json!({ "inner": "s3cret", "x": 1 }), &deep, json!({ "inner": MASK, "x": 1 })),
            ("k", json!(["s3cret"]), &deep, json!([MASK])),
            ("sql_password", json!("s3cret"), &plain, json!(MASK)),
            ("mysql_pass", json!("s3cret"), &json!({}), json!(MASK)),
            ("list", json!([{ "api_token": "s3cret" }]), &plain, json!([{ "api_token": MASK }])),
            ("k", json!("plain"), &plain, json!("plain")),
            ("password_file", json!("/run/s"), &plain, json!("/run/s")),
        ] {
            assert_eq!(masked(key, &value, &[schema]), expected, "{key}: {value}");
        }
    }

    #[test]
    fn of_an_address_only_the_password_is_hidden() {
        for (text, is_secret, expected) in [
            ("redis://:s3cret@db:6379/1", false, "redis://:********@db:6379/1"),
            ("postgres://u:s3/cr:e@t@db/mail?x=1", false, "postgres://u:********@db/mail?x=1"),
            ("u:s3cret@tcp(db:3306)/mail?tls=true", false, "u:********@tcp(db:3306)/mail?tls=true"),
            ("u:s3cret@/mail", false, "u:********@/mail"),
            ("postgres://u@db/mail", false, "postgres://u@db/mail"),
            ("https://s3cret@host/", true, "https://********@host/"),
            ("postgres://db/mail", true, "postgres://db/mail"),
            ("host=db password=s3cret", false, MASK),
            ("https://host/?token=s3cret", false, MASK),
            ("s3cret", true, MASK),
            ("u:s3cret@elsewhere", true, MASK),
            ("alice=1001:1001, bob@x=1:1", false, "alice=1001:1001, bob@x=1:1"),
        ] {
            let schema = json!({ "writeOnly": is_secret });
            assert_eq!(masked("k", &json!(text), &[&schema]), json!(expected), "{text}");
        }
    }
}
