//! The README tells the truth about the keys.

use guerrilla_plugin_api::BatchPlugin;
use redis::Redis;

#[test]
fn the_readme_describes_every_key_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(Redis::CONFIG_SCHEMA).unwrap();
    let required = schema["required"].as_array().unwrap();
    let mut keys: Vec<(&str, bool)> = Vec::new();
    for key in schema["properties"].as_object().unwrap().keys() {
        keys.push((key, required.iter().any(|required| required == key)));
    }
    let rows = include_str!("../README.md").lines().filter_map(|line| {
        let (key, rest) = line.strip_prefix("| `redis_")?.split_once('`')?;
        Some((format!("redis_{key}"), rest.starts_with(" (required)")))
    });
    let mut rows: Vec<(String, bool)> = rows.collect();
    rows.sort();
    assert_eq!(rows, keys.into_iter().map(|(key, r)| (key.to_owned(), r)).collect::<Vec<_>>());
}
