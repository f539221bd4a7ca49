//! The load sequence, from a directory to roots.

use std::path::{Path, PathBuf};

use super::checked::{Checked, Copied, LoadedFile};
use super::crashes::Crashes;
use super::error::{Cause, LoadError};
use super::manifest::Manifest;
use super::names;
use super::policy::{self, OnError};
use super::private_copy::PrivateDir;
use super::probe::Prober;
use super::scan::{Candidate, scan};

/// Loads the plugin files of a directory, in the order of their names: all of them, or what [`OnError`] says.
///
/// # Errors
/// Everything that is wrong, not only the first: an operator corrects it all and starts once more. When a file
/// fails a check that needs no code of it to run, no code of any file was run.
pub fn load_dir(dir: &Path, options: &LoadOptions<'_>) -> Result<Loaded, Vec<LoadError>> {
    let Admitted { checked, mut refused, quarantined, unmatched } = Admitted::of(dir, options)?;
    if checked.is_empty() {
        return Ok(Loaded { files: Vec::new(), skipped: refused.all, quarantined, unmatched });
    }
    let (mut files, new) = recognised(checked, options.known);
    if !new.is_empty() {
        files.extend(map_in(new, options, &mut refused)?);
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(Loaded { files, skipped: refused.all, quarantined, unmatched })
}

/// Takes files of which the same content is mapped already out of those that are to be loaded.
fn recognised(checked: Vec<Checked>, known: &[LoadedFile]) -> (Vec<LoadedFile>, Vec<Checked>) {
    let (mut mapped, mut new) = (Vec::new(), Vec::new());
    for file in checked {
        match known.iter().find(|known| known.sha256 == file.sha256) {
            Some(known) => mapped.push(LoadedFile { path: file.path, ..known.clone() }),
            None => new.push(file),
        }
    }
    (mapped, new)
}

/// Copies files, has them tried, and maps them: from here on their code runs.
fn map_in(
    files: Vec<Checked>,
    options: &LoadOptions<'_>,
    refused: &mut Refused,
) -> Result<Vec<LoadedFile>, Vec<LoadError>> {
    let private = PrivateDir::create(options.runtime_dir).map_err(|error| vec![error.into()])?;
    let copied =
        refused.sift(files.into_iter().map(|file| file.copy(&private, options.generation)))?;
    let copied = refused.sift(tried(copied, options.prober).into_iter())?;
    refused.sift(copied.into_iter().map(|file| file.load(options.generation)))
}

/// Takes out the files that are in quarantine. That is no error of the directory: the daemon is to start without them.
fn sort_out(
    checked: Vec<Checked>,
    crashes: Option<&Crashes>,
) -> (Vec<Checked>, Vec<(LoadError, Manifest)>) {
    let Some(crashes) = crashes else { return (checked, Vec::new()) };
    let mut good = Vec::new();
    let mut quarantined = Vec::new();
    for file in checked {
        match crashes.quarantine(file.sha256) {
            None => good.push(file),
            Some(why) => {
                let name = file.manifest.name.clone();
                quarantined.push((file.refuse(Cause::Quarantined { why, name }), file.manifest));
            }
        }
    }
    (good, quarantined)
}

/// Files that have passed every check that needs no code of them to run.
struct Admitted {
    checked: Vec<Checked>,
    refused: Refused,
    quarantined: Vec<(LoadError, Manifest)>,
    unmatched: Vec<String>,
}

impl Admitted {
    fn of(dir: &Path, options: &LoadOptions<'_>) -> Result<Self, Vec<LoadError>> {
        let candidates = scan(dir).map_err(|error| vec![error.into()])?;
        let mut refused = Refused { all: Vec::new(), on_error: options.on_error };
        let checked = candidates.iter().map(|candidate| Checked::wanted(candidate, options));
        let checked = refused.sift(checked)?;
        let unmatched = policy::unmatched(options, &names_of(&candidates, &checked, &refused.all));
        let (checked, quarantined) = sort_out(checked, options.crashes);
        let duplicates = names::duplicates(&checked, options.taken_names, options.on_error);
        let checked = refused.drop(checked, duplicates)?;
        Ok(Self { checked, refused, quarantined, unmatched })
    }
}

/// What [`load_dir`] would load, as far as can be told without running it.
///
/// # Errors
/// Everything for which it would refuse a file before it runs code.
pub(crate) fn examine_dir(
    dir: &Path,
    options: &LoadOptions<'_>,
) -> Result<Examined, Vec<LoadError>> {
    let Admitted { checked, refused, unmatched, .. } = Admitted::of(dir, options)?;
    let warnings = checked.iter().flat_map(|file| file.warnings.clone()).chain(unmatched);
    let passed_over = refused.all.iter().map(|error| format!("passed over: {error}"));
    Ok(Examined {
        warnings: warnings.chain(passed_over).collect(),
        files: checked.into_iter().map(|file| (file.path, file.manifest)).collect(),
    })
}

/// Files that would be loaded.
#[derive(Debug)]
pub(crate) struct Examined {
    /// Their paths and what they offer, in the order of their names.
    pub(crate) files: Vec<(PathBuf, Manifest)>,
    /// What is odd about the directory, the files in it and what the operator has said about them; one line each.
    pub(crate) warnings: Vec<String>,
}

/// What the operator may call the files of a directory.
fn names_of(all: &[Candidate], good: &[Checked], bad: &[LoadError]) -> Vec<String> {
    let files = all.iter().filter_map(|candidate| candidate.path().file_name());
    let files = files.map(|name| name.to_string_lossy().into_owned());
    let good = good.iter().map(|file| file.manifest.name.clone());
    let bad = bad.iter().filter_map(|error| match error {
        LoadError::File { plugin, .. } => plugin.clone(),
        _ => None,
    });
    files.chain(good).chain(bad).collect()
}

/// What the files of a directory offer, in the order of their names, without running any of them.
///
/// # Errors
/// Everything for which [`load_dir`] would refuse one of them before it runs code.
pub fn manifests(
    dir: &Path,
    taken_names: &[&str],
) -> Result<Vec<(PathBuf, Manifest)>, Vec<LoadError>> {
    let options = LoadOptions { taken_names, ..LoadOptions::default() };
    examine_dir(dir, &options).map(|examined| examined.files)
}

/// How to load.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions<'a> {
    /// Where the private copies are made; `None` is the directory for temporary files. The file system must allow
    /// to execute, and nobody but root and the daemon's user may rename entries there.
    pub runtime_dir: Option<&'a Path>,
    /// Number of this load.
    pub generation: u64,
    /// What earlier loads have mapped: a file of the same content is not mapped a second time.
    pub known: &'a [LoadedFile],
    /// Names and aliases that no plugin may offer: those of the built-in processors.
    pub taken_names: &'a [&'a str],
    /// Names of plugins or of files; what is not among them is refused. `None` allows all.
    pub allow: Option<&'a [String]>,
    /// Name of a plugin or file, and the SHA-256 in hexadecimal digits that its content must have.
    pub sha256: &'a [(String, String)],
    /// What a file that cannot be used means for the others.
    pub on_error: OnError,
    /// The record of crashes: files that are in quarantine by it are left out.
    pub crashes: Option<&'a Crashes>,
    /// Tries each file in a child process first; `None` loads untried.
    pub prober: Option<&'a Prober>,
}

/// What a directory came to.
#[derive(Debug)]
pub struct Loaded {
    /// What was loaded.
    pub files: Vec<LoadedFile>,
    /// What was not; empty but with [`OnError::Skip`].
    pub skipped: Vec<LoadError>,
    /// What is in quarantine, and what it would offer.
    pub quarantined: Vec<(LoadError, Manifest)>,
    /// Entries of the allow list and the pins that name nothing that is there; one line each.
    pub unmatched: Vec<String>,
}

/// Tries copies in child processes, if there is a way to.
fn tried(copied: Vec<Copied>, prober: Option<&Prober>) -> Vec<Result<Copied, LoadError>> {
    let Some(prober) = prober else {
        tracing::debug!("plugins are loaded untried: no guerrillad is known to try them in");
        return copied.into_iter().map(Ok).collect();
    };
    let paths: Vec<PathBuf> = copied.iter().map(|file| file.copy.clone()).collect();
    let answers = prober.try_all(&paths).into_iter();
    let judged = copied.into_iter().zip(answers);
    judged
        .map(|(file, answer)| answer.map_err(|why| file.file.refuse(why)).map(|()| file))
        .collect()
}

/// What was refused so far, and whether the rest may go on.
struct Refused {
    all: Vec<LoadError>,
    on_error: OnError,
}

impl Refused {
    /// The good ones.
    ///
    /// # Errors
    /// All the bad ones, when one of them is enough to fail.
    fn sift<T>(
        &mut self,
        results: impl Iterator<Item = Result<T, LoadError>>,
    ) -> Result<Vec<T>, Vec<LoadError>> {
        let good = results.filter_map(|result| result.map_err(|error| self.all.push(error)).ok());
        let good = good.collect();
        self.go_on(good)
    }

    /// Without the files that these errors are about.
    fn drop(
        &mut self,
        files: Vec<Checked>,
        errors: Vec<LoadError>,
    ) -> Result<Vec<Checked>, Vec<LoadError>> {
        let is_good = |file: &Checked| errors.iter().all(|error| error.path() != file.path);
        let good = files.into_iter().filter(is_good).collect();
        self.all.extend(errors);
        self.go_on(good)
    }

    fn go_on<T>(&mut self, good: T) -> Result<T, Vec<LoadError>> {
        if self.on_error == OnError::Fail && !self.all.is_empty() {
            return Err(std::mem::take(&mut self.all));
        }
        Ok(good)
    }
}
