//! The schema that a type of configuration stands for.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// The JSON Schema (draft 2020-12) that belongs to a configuration, in lines as they stand in a file.
///
/// [`Plugin::CONFIG_SCHEMA`](crate::Plugin::CONFIG_SCHEMA) must be known to the compiler, so it cannot be derived where it is
/// needed. Keep it in a file (`include_str!("config.schema.json")`) and let a test say when the two differ.
///
/// ```
/// use guerrilla_plugin_api::testkit::derived_schema;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Config {
///     /// Most bytes of a message.
///     size_cap: u32,
/// }
///
/// const CONFIG_SCHEMA: &str = r#"{
///   "type": "object",
///   "properties": {
///     "size_cap": {
///       "description": "Most bytes of a message.",
///       "type": "integer",
///       "format": "uint32",
///       "minimum": 0
///     }
///   },
///   "required": [
///     "size_cap"
///   ]
/// }
/// "#;
///
/// // In a test:
/// assert_eq!(derived_schema::<Config>(), CONFIG_SCHEMA, "copy it into config.schema.json");
/// ```
pub fn derived_schema<C: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        // One object without references: hosts read its properties.
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<C>();
    schema.remove("title");
    // A schema is JSON already.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
