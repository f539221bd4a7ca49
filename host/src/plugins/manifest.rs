//! The manifest of a plugin file: what it offers, in JSON, written by the author's macro.
//!
//! Trust: every byte is the file's word. Nothing in it is believed before it was checked, texts are brought
//! to one line, and the root must repeat it after loading. Fields and words of later minor versions are let
//! pass, so that a newer plugin loads in an older host.

use guerrilla_plugin_abi::{API_MAJOR, API_MINOR, Blocking, Event, Phase};
use serde::Deserialize;
use serde_json::Value;

use super::one_line::{LIMIT, one_line};
use super::schema;

mod raw;
mod words;

use raw::{Head, RawManifest, RawProcessor};
use words::{BLOCKING, EVENTS, PHASES, find, known, name_of};

/// What a plugin file offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the file's package; unique in a directory.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Its authors, separated by colons.
    pub authors: String,
    /// Its licence.
    pub license: String,
    /// One line about it.
    pub description: String,
    /// The border it was built with.
    pub api: Api,
    /// The compiler it was built with.
    pub rustc: String,
    /// The target it was built for.
    pub target: String,
    /// The processors in it; never empty.
    pub processors: Vec<Processor>,
}

/// One processor of a plugin file.
#[derive(Clone, Debug, PartialEq)]
pub struct Processor {
    /// Name in a chain; matched in any case.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// The questions it answers, as far as this host knows them.
    pub phases: Vec<Phase>,
    /// The facts it wants to be told, as far as this host knows them.
    pub events: Vec<Event>,
    /// Whether the client's reply waits for its `settled`.
    pub awaits_settled: bool,
    /// How it uses the thread it is called on; [`Blocking::LONG`] when it does not say or says something unknown.
    pub blocking: Blocking,
    /// ESMTP extensions that it fulfils, in lower case (`dsn`, `requiretls`).
    pub honours: Vec<String>,
    /// Phases in which it never blocks, whatever the class says.
    pub never_blocks_in: Vec<Phase>,
    /// JSON Schema of its configuration: an object.
    pub config_schema: Value,
}

/// Version of the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// Two majors never meet.
    pub major: u32,
    /// What had been appended when the plugin was built.
    pub minor: u32,
}

impl Manifest {
    /// Reads the text of a note. Beside the manifest: what is odd in it but no reason to refuse it.
    ///
    /// # Errors
    /// The first thing that is.
    pub(crate) fn parse(text: &[u8]) -> Result<(Self, Vec<String>), ManifestError> {
        let head: Head = from_json(text)?;
        // In this order: another schema may mean anything by the other fields, another major by most.
        if head.schema != SCHEMA {
            return Err(ManifestError::Schema { found: head.schema });
        }
        let api = Api::parse(&head.api)?;
        if api.major != API_MAJOR {
            return Err(ManifestError::Api { found: api });
        }
        match head.panic.as_str() {
            "abort" => return Err(ManifestError::PanicAbort),
            "unwind" => {}
            other => return Err(wrong("panic", other, "\"unwind\"")),
        }
        let raw: RawManifest = from_json(text)?;
        if raw.processors.is_empty() || raw.processors.len() > MAX_PROCESSORS {
            let count = raw.processors.len().to_string();
            return Err(wrong("number of processors", &count, "1 to 64"));
        }
        let mut warnings = Vec::new();
        let processors = raw
            .processors
            .into_iter()
            .map(|processor| Processor::check(processor, &mut warnings))
            .collect::<Result<_, _>>()?;
        let manifest = Self {
            name: checked_name("name", raw.name)?,
            version: line(&raw.version),
            authors: line(&raw.authors),
            license: line(&raw.license),
            description: line(&raw.description),
            api,
            rustc: line(&raw.rustc),
            target: line(&raw.target),
            processors,
        };
        Ok((manifest, warnings))
    }

    /// The name in a text that may be wrong otherwise, for messages about it.
    pub(super) fn name_in(text: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let named: Named = serde_json::from_slice(text).ok()?;
        Some(one_line(&named.name, MAX_NAME))
    }
}

impl Processor {
    /// Its name, then its aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.aliases).map(String::as_str)
    }

    /// Whether a chain means this processor by a name.
    pub fn answers_to(&self, name: &str) -> bool {
        self.names().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// What its schema says of single keys; none when it describes no key, and may know any.
    pub(crate) fn properties(&self) -> Option<&serde_json::Map<String, Value>> {
        self.config_schema["properties"].as_object()
    }

    /// The names of its phases.
    pub fn phase_names(&self) -> Vec<&'static str> {
        self.phases.iter().filter_map(|phase| name_of(*phase, PHASES)).collect()
    }

    /// The names of its events.
    pub fn event_names(&self) -> Vec<&'static str> {
        self.events.iter().filter_map(|event| name_of(*event, EVENTS)).collect()
    }

    /// The name of its blocking class.
    pub fn blocking_name(&self) -> &'static str {
        name_of(self.blocking, BLOCKING).unwrap_or("long")
    }

    fn check(raw: RawProcessor, warnings: &mut Vec<String>) -> Result<Self, ManifestError> {
        let name = checked_name("name of a processor", raw.name)?;
        if raw.aliases.len() > MAX_ALIASES {
            let count = raw.aliases.len().to_string();
            return Err(wrong("number of aliases", &count, "at most 16"));
        }
        let aliases = raw
            .aliases
            .into_iter()
            .map(|alias| checked_name("alias of a processor", alias))
            .collect::<Result<Vec<_>, _>>()?;
        if !raw.config_schema.is_object() {
            return Err(wrong("config_schema", &raw.config_schema.to_string(), "a JSON object"));
        }
        schema::check(&raw.config_schema)
            .map_err(|why| ManifestError::ConfigSchema { processor: name.clone(), why })?;
        let mut unknown = |what: &str, word: &str, effect: &str| {
            let word = one_line(word, MAX_NAME);
            warnings.push(format!(
                "processor '{name}': {what} '{word}' is not known to this host: {effect}"
            ));
        };
        let phases = known(&raw.phases, PHASES, |word| {
            unknown("phase", word, "it will not be asked there");
        });
        let events = known(&raw.events, EVENTS, |word| {
            unknown("event", word, "it will not be told");
        });
        let blocking = raw.blocking.map_or(Blocking::LONG, |word| {
            find(&word, BLOCKING).unwrap_or_else(|| {
                unknown("blocking class", &word, "treated as 'long'");
                Blocking::LONG
            })
        });
        let never_blocks_in = known(&raw.never_blocks_in, PHASES, |_| {});
        if phases.is_empty() && events.is_empty() {
            warnings.push(format!("processor '{name}': has no phase and no event: never called"));
        }
        Ok(Self {
            description: line(&raw.description),
            aliases,
            phases,
            events,
            awaits_settled: raw.awaits_settled,
            blocking,
            never_blocks_in,
            honours: raw.honours,
            config_schema: raw.config_schema,
            name,
        })
    }
}

impl Api {
    /// What this host offers.
    pub const HOST: Self = Self { major: API_MAJOR, minor: API_MINOR };

    fn parse(text: &str) -> Result<Self, ManifestError> {
        text.split_once('.')
            .and_then(|(major, minor)| {
                Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
            })
            .ok_or_else(|| wrong("api", text, "a version such as \"1.0\""))
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON, or a field is missing or of another type.
    #[error("has a manifest that cannot be read: {0}; build it with guerrilla-plugin-api")]
    Json(String),
    /// Another layout of the manifest itself.
    #[error(
        "has a manifest of schema {found}, this host reads {SCHEMA}; rebuild it with guerrilla-plugin-api {API_MAJOR}.x, or use a newer host"
    )]
    Schema {
        /// The schema found.
        found: u64,
    },
    /// Another major version of the border.
    #[error(
        "built for plugin API {found}, this host offers {}; rebuild it with guerrilla-plugin-api {API_MAJOR}.x",
        Api::HOST
    )]
    Api {
        /// The version found.
        found: Api,
    },
    /// Its panics would end the daemon.
    #[error(
        "built with panic=abort: a panic in it would end the daemon; rebuild it with panic=\"unwind\""
    )]
    PanicAbort,
    /// The settings of a processor cannot be checked.
    #[error(
        "has a manifest whose config_schema of processor '{processor}' is no JSON Schema: {why}; correct it and rebuild"
    )]
    ConfigSchema {
        /// The processor.
        processor: String,
        /// What is wrong with it, and where.
        why: String,
    },
    /// A value out of its range.
    #[error("has a manifest whose {what} is {found}, expected {expected}; correct it and rebuild")]
    Value {
        /// The field.
        what: &'static str,
        /// What it holds, quoted.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
}

impl ManifestError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Value { .. } => "plugin.manifest",
            Self::Schema { .. } => "plugin.schema",
            Self::Api { .. } => "plugin.api",
            Self::PanicAbort => "plugin.panic_abort",
            Self::ConfigSchema { .. } => "plugin.config_schema",
        }
    }
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, ManifestError> {
    serde_json::from_slice(text)
        .map_err(|error| ManifestError::Json(one_line(&error.to_string(), LIMIT)))
}

fn wrong(what: &'static str, found: &str, expected: &'static str) -> ManifestError {
    ManifestError::Value { what, found: format!("'{}'", one_line(found, MAX_NAME)), expected }
}

fn line(text: &str) -> String {
    one_line(text, LIMIT)
}

/// A name goes into chains (`A|B`), metrics and the name of the private copy: no separators, no path.
fn checked_name(what: &'static str, name: String) -> Result<String, ManifestError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+');
    let begins_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if begins_well && name.len() <= MAX_NAME && name.bytes().all(allowed) {
        Ok(name)
    } else {
        Err(wrong(what, &name, "1 to 64 ASCII letters, digits, '-', '_', '.', '+'"))
    }
}

/// The layout of the manifest that this host reads.
const SCHEMA: u64 = 1;

/// Longest name of a plugin, processor or alias.
const MAX_NAME: usize = 64;
const MAX_PROCESSORS: usize = 64;
const MAX_ALIASES: usize = 16;

#[cfg(test)]
mod tests;
