//! The manifest as it is written. Unknown fields are those of a later minor version.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What decides whether the rest can be read at all.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) schema: u64,
    pub(super) api: String,
    pub(super) panic: String,
}

#[derive(Deserialize)]
pub(super) struct RawManifest {
    pub(super) name: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) authors: String,
    #[serde(default)]
    pub(super) license: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) rustc: String,
    #[serde(default)]
    pub(super) target: String,
    pub(super) processors: Vec<RawProcessor>,
}

#[derive(Deserialize)]
pub(super) struct RawProcessor {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) phases: Vec<String>,
    #[serde(default)]
    pub(super) events: Vec<String>,
    #[serde(default)]
    pub(super) awaits_settled: bool,
    pub(super) blocking: Option<String>,
    #[serde(default)]
    pub(super) never_blocks_in: Vec<String>,
    #[serde(default)]
    pub(super) honours: Vec<String>,
    #[serde(default = "no_keys")]
    pub(super) config_schema: Value,
}

fn no_keys() -> Value {
    Value::Object(Map::new())
}
