//! What can be said about a plugin file without running it.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::digest::Digest;
use super::dynamic::Needs;
use super::elf::Image;
use super::error::{Cause, LoadError};
use super::manifest::Manifest;
use super::one_line::{LIMIT, one_line, shown};
use super::ownership::Ownership;
use super::scan::{Directory, ScanError};

/// Reads a plugin file. No code of it runs; symbolic links in its path are followed.
///
/// # Errors
/// It cannot be read. All that would make the loader refuse it is in [`Inspection::problems`].
pub fn inspect(path: &Path) -> Result<Inspection, LoadError> {
    let failed = |cause: Cause| cause.of(path, None);
    let canonical = path.canonicalize().map_err(|source| failed(Cause::Read(source)))?;
    let (Some(dir), Some(name)) = (canonical.parent(), canonical.file_name()) else {
        return Err(failed(Cause::NotRegular));
    };
    let directory = Directory::open(dir)?;
    let mut source = directory.entry(name.to_owned()).open().map_err(failed)?;
    let content = source.read().map_err(failed)?;

    let mut found = Inspection::of(&canonical, &content);
    if let Err(why) = Ownership::check(source.metadata()) {
        found.problems.insert(0, Finding::of(&why.into()));
    }
    if let Err(error) = directory.check_ownership() {
        found.problems.insert(0, Finding::of_directory(&error));
    }
    Ok(found)
}

/// What is known about a plugin file. Displayed as text for people, without a last line break; serialised for scripts.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Its canonical path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Hash of its content, 64 hexadecimal digits.
    pub sha256: String,
    /// The libraries it is linked to.
    pub needed: Vec<String>,
    /// Highest version of glibc it needs, such as `2.34`.
    pub glibc: Option<String>,
    /// The manifest as it stands in the file, also fields and values that this host does not know.
    pub manifest: Option<Value>,
    /// Everything for which the loader would refuse it; empty: it should load.
    pub problems: Vec<Finding>,
    /// What is odd about it.
    pub warnings: Vec<String>,
    #[serde(skip)]
    checked: Option<Manifest>,
}

/// One reason to refuse a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// As [`LoadError::code`].
    pub code: &'static str,
    /// One line.
    pub message: String,
}

impl Finding {
    pub(super) fn of(cause: &Cause) -> Self {
        Self { code: cause.code(), message: cause.to_string() }
    }

    fn of_directory(error: &ScanError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl Inspection {
    /// Whether nothing speaks against loading it. What only its code can tell is not known.
    pub fn loads(&self) -> bool {
        self.problems.is_empty()
    }

    fn of(path: &Path, content: &[u8]) -> Self {
        let mut this = Self {
            path: shown(path),
            size: content.len() as u64,
            sha256: Digest::of(content).to_string(),
            needed: Vec::new(),
            glibc: None,
            manifest: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            checked: None,
        };
        if let Err(cause) = this.read(content) {
            this.problems.push(Finding::of(&cause));
        }
        this
    }

    fn read(&mut self, content: &[u8]) -> Result<(), Cause> {
        let image = Image::parse(content)?;
        match Needs::of(&image) {
            Ok(needs) => {
                self.needed = needs.libraries;
                self.glibc = needs.glibc.map(|(major, minor)| format!("{major}.{minor}"));
            }
            Err(error) => self.warnings.push(error.to_string()),
        }
        let text = image.manifest()?;
        self.manifest = serde_json::from_slice(text).ok();
        let (manifest, warnings) = Manifest::parse(text)?;
        self.warnings.extend(warnings);
        self.checked = Some(manifest);
        Ok(())
    }

    fn fmt_manifest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(manifest) = &self.checked else { return Ok(()) };
        let mut row = |name: &str, value: &str| match value {
            "" => Ok(()),
            value => writeln!(f, "{name:<12} {value}"),
        };
        row("name", &manifest.name)?;
        row("version", &manifest.version)?;
        row("description", &manifest.description)?;
        row("authors", &manifest.authors.replace(':', ", "))?;
        row("license", &manifest.license)?;
        row("api", &manifest.api.to_string())?;
        row("rustc", &manifest.rustc)?;
        row("target", &manifest.target)?;
        for processor in &manifest.processors {
            row("processor", &processor.name)?;
            row("  about", &processor.description)?;
            row("  aliases", &processor.aliases.join(", "))?;
            row("  phases", &processor.phase_names().join(", "))?;
            row("  events", &processor.event_names().join(", "))?;
            row("  blocking", processor.blocking_name())?;
            row("  config", &keys(&processor.config_schema))?;
        }
        Ok(())
    }
}

/// The keys that a configuration may hold, as the schema's `properties` name them.
fn keys(schema: &Value) -> String {
    let properties = schema.get("properties").and_then(Value::as_object);
    let names = properties.into_iter().flat_map(serde_json::Map::keys);
    names.map(|name| one_line(name, LIMIT)).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {}", "file", self.path)?;
        writeln!(f, "{:<12} {} bytes", "size", self.size)?;
        writeln!(f, "{:<12} {}", "sha256", self.sha256)?;
        self.fmt_manifest(f)?;
        if !self.needed.is_empty() {
            writeln!(f, "{:<12} {}", "needs", self.needed.join(", "))?;
        }
        if let Some(glibc) = &self.glibc {
            writeln!(f, "{:<12} {glibc} or later", "glibc")?;
        }
        for warning in &self.warnings {
            writeln!(f, "{:<12} {warning}", "warning")?;
        }
        for problem in &self.problems {
            writeln!(f, "{:<12} {} [{}]", "problem", problem.message, problem.code)?;
        }
        if self.loads() {
            write!(f, "{:<12} yes, as far as can be told without running it", "loads")
        } else {
            write!(f, "{:<12} no", "loads")
        }
    }
}
