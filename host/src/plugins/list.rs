//! The plugin files of a directory, one row each, without running any of them.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::checked::Checked;
use super::error::LoadError;
use super::inspect::Finding;
use super::names;
use super::one_line::shown;
use super::policy::OnError;
use super::scan::{ScanError, scan};

/// Lists a plugins directory. `taken_names` are those of the built-in processors.
///
/// # Errors
/// The directory cannot be used.
pub fn list(dir: &Path, taken_names: &[&str]) -> Result<Listing, ScanError> {
    let mut checked = Vec::new();
    let mut rows = Vec::new();
    for candidate in scan(dir)? {
        let mut row = Row { file: shown(candidate.path()), ..Row::default() };
        match Checked::of(&candidate) {
            Ok(file) => {
                row.fill(&file);
                checked.push(file);
            }
            Err(error) => row.refuse(&error),
        }
        rows.push(row);
    }
    // Of two with one name neither is loaded, whatever plugins_on_error says.
    for error in names::duplicates(&checked, taken_names, OnError::Skip) {
        let file = shown(error.path());
        rows.iter_mut().filter(|row| row.file == file).for_each(|row| row.refuse(&error));
    }
    Ok(Listing { rows })
}

/// The rows, sorted by file. Displayed as a table, without a last line break; serialised for scripts.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Listing {
    /// One per file.
    pub rows: Vec<Row>,
}

/// One plugin file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Its canonical path.
    pub file: String,
    /// Name of the plugin; empty, like the following, when it could not be read.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The API it was built with.
    pub api: String,
    /// The compiler it was built with.
    pub rustc: String,
    /// Names of its processors.
    pub processors: Vec<String>,
    /// Everything for which the loader would refuse it.
    pub problems: Vec<Finding>,
}

impl Listing {
    /// Whether the loader would take all of them, as far as can be told without running them.
    pub fn loads(&self) -> bool {
        self.rows.iter().all(|row| row.problems.is_empty())
    }
}

impl Row {
    fn fill(&mut self, file: &Checked) {
        let manifest = &file.manifest;
        self.name.clone_from(&manifest.name);
        self.version.clone_from(&manifest.version);
        self.api = manifest.api.to_string();
        self.rustc.clone_from(&manifest.rustc);
        self.processors =
            manifest.processors.iter().map(|processor| processor.name.clone()).collect();
    }

    fn refuse(&mut self, error: &LoadError) {
        if let LoadError::File { cause, .. } = error {
            self.problems.push(Finding::of(cause));
        }
    }

    fn cells(&self) -> [&str; 4] {
        let name = if self.name.is_empty() { "?" } else { &self.name };
        [name, &self.version, &self.api, if self.problems.is_empty() { "ok" } else { "refused" }]
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = HEADINGS.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row.cells()) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; 4], rest: &str| {
            let [a, b, c, d] = cells;
            let [w, x, y, z] = widths;
            format!("{a:<w$}  {b:<x$}  {c:<y$}  {d:<z$}  {rest}")
        };
        write!(f, "{}", line(HEADINGS, "PROCESSORS"))?;
        for row in &self.rows {
            let processors = row.processors.join(", ");
            let rest = if row.problems.is_empty() { &processors } else { &row.file };
            write!(f, "\n{}", line(row.cells(), rest))?;
        }
        for row in &self.rows {
            for problem in &row.problems {
                write!(f, "\n{}: {} [{}]", row.file, problem.message, problem.code)?;
            }
        }
        Ok(())
    }
}

const HEADINGS: [&str; 4] = ["PLUGIN", "VERSION", "API", "STATE"];
