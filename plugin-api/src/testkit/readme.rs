//! A processor's README beside the schema of its configuration.

use serde_json::{Map, Value};

/// Checks that the table below `## Keys` of a README has a row for each key of a schema and no other: `` | `key` | ... ``, and
/// `` | `key` (required) | ... `` for those that the schema requires.
///
/// # Panics
/// When it has not, with what differs; or when one of the two cannot be read.
pub fn check_keys_of_readme(readme: &str, schema: &str) {
    let (_, section) = readme.split_once("\n## Keys\n").expect("a section \"## Keys\"");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut rows: Vec<(&str, bool)> =
        rows.map(|(key, rest)| (key, rest.starts_with(" (required)"))).collect();
    rows.sort_unstable();
    let schema = read_schema(schema);
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let keys = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    let mut keys: Vec<(&str, bool)> =
        keys.map(|key| (key.as_str(), required.iter().any(|one| one == key))).collect();
    keys.sort_unstable();
    assert_eq!(rows, keys, "the README has the former (key, required), the schema the latter");
}

/// The first block of JSON in a README, without the keys that the schema does not know: what is the daemon's of it. A
/// [`Harness`](super::Harness) takes it as it is.
///
/// # Panics
/// When there is none, or when it is no object.
pub fn example_of_readme(readme: &str, schema: &str) -> String {
    let (_, block) = readme.split_once("```json\n").expect("a block of JSON");
    let block = block.split("```").next().unwrap_or_default();
    let mut example: Map<String, Value> = serde_json::from_str(block).expect("an object");
    let schema = read_schema(schema);
    example.retain(|key, _| schema["properties"].get(key).is_some());
    Value::Object(example).to_string()
}

fn read_schema(schema: &str) -> Value {
    serde_json::from_str(schema).expect("a schema in JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"properties": {"b": {}, "a": {}}, "required": ["b"]}"#;

    #[test]
    fn a_readme_that_has_each_key_passes() {
        check_keys_of_readme(
            "# X\n## Keys\n| `b` (required) | x |\n| `a` | y |\n## More\n| `c` | z |\n",
            SCHEMA,
        );
    }

    #[test]
    #[should_panic(expected = "the README has the former")]
    fn one_that_lacks_a_key_does_not() {
        check_keys_of_readme("# X\n## Keys\n| `b` (required) | x |\n", SCHEMA);
    }

    #[test]
    #[should_panic(expected = "the README has the former")]
    fn nor_does_one_that_does_not_say_required() {
        check_keys_of_readme("# X\n## Keys\n| `b` | x |\n| `a` | y |\n", SCHEMA);
    }

    #[test]
    fn an_example_is_what_the_schema_knows_of_it() {
        let readme = "text\n```json\n{\"a\": 1, \"save_process\": \"X\"}\n```\n";
        assert_eq!(example_of_readme(readme, SCHEMA), r#"{"a":1}"#);
    }
}
