//! Trying plugin files in child processes: what crashes, hangs or ends a process must not be the daemon's end.
//!
//! The child is the daemon's own program with the hidden command `__probe FILE`. It maps the very copy that the daemon
//! will map, checks what the daemon will check, and ends as a process does; it creates no processor unless it is asked to.
//!
//! A process that uses this crate as a library has no such command. It may name an installed guerrillad
//! ([`probe_with`]); otherwise its plugins are loaded without having been tried.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::{AttemptError, attempt, report};
use super::checked::open_checked;
use super::elf::Image;
use super::error::{Cause, OpenError};
use super::ffi::{Constructor, Instance, Origin, end_is_expected, open_root};
use super::manifest::Manifest;

/// Tries plugin files before they are loaded.
#[derive(Clone, Debug)]
pub struct Prober {
    program: PathBuf,
    time_limit: Duration,
}

impl Prober {
    /// With a guerrillad of this version.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), time_limit: TIME_LIMIT }
    }

    /// With the program that is running, also when its file was replaced meanwhile. It must be guerrillad itself.
    pub fn this_program() -> Self {
        Self::new("/proc/self/exe")
    }

    /// How long each file may take; 2 seconds unless set.
    #[must_use]
    pub fn time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Tries files, as many at once as there are cores; one answer for each, in their order.
    pub(super) fn try_all(&self, files: &[PathBuf]) -> Vec<Result<(), Cause>> {
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(Vec::new());
        let work = || {
            while let Some((at, file)) = take(files, &next) {
                let answer = self.try_one(file);
                answers.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
            }
        };
        let helpers = thread::available_parallelism().map_or(1, usize::from).min(files.len());
        thread::scope(|scope| {
            for _ in 1..helpers {
                // Without a thread this one does it all.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.sort_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn try_one(&self, file: &Path) -> Result<(), Cause> {
        self.ask(file, &Wishes::default()).map(|_| ())
    }

    /// Has a child load a file, and create processors of it.
    pub(super) fn ask(&self, file: &Path, wishes: &Wishes) -> Result<Findings, Cause> {
        let findings = self.attempt(file, wishes)?;
        findings.refusal.clone().map_or(Ok(findings), |why| Err(why.into()))
    }

    fn attempt(&self, file: &Path, wishes: &Wishes) -> Result<Findings, AttemptError> {
        let input = serde_json::to_vec(wishes).map_err(|why| AttemptError::Spawn(why.into()))?;
        let mut command = Command::new(&self.program);
        // What it has to say it reports; the rest would stand between the daemon's own lines.
        command.arg(COMMAND).arg(file).stderr(Stdio::null());
        // What a plugin says to the service manager would be taken for the daemon's words.
        command.env_remove("NOTIFY_SOCKET");
        attempt(&mut command, input, self.time_limit)
    }
}

/// From now on every plugin file is tried before it is loaded. `guerrillad` sees to this itself; an embedder may name
/// an installed guerrillad of the same version. The first call counts.
pub fn probe_with(prober: Prober) {
    let _ = PROBER.set(prober);
}

/// What plugin files are tried with, if anything.
pub(crate) fn prober() -> Option<&'static Prober> {
    PROBER.get()
}

static PROBER: OnceLock<Prober> = OnceLock::new();

fn take<'a>(files: &'a [PathBuf], next: &AtomicUsize) -> Option<(usize, &'a PathBuf)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    files.get(at).map(|file| (at, file))
}

/// What a child is to do beyond loading.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Wishes {
    /// Processors to create, and what each is configured with: a JSON object as text.
    pub(super) processors: Vec<(String, String)>,
}

/// What a child has found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Findings {
    /// Why the file cannot be loaded.
    pub(super) refusal: Option<OpenError>,
    /// The processors that were to be created, each with why it cannot be.
    pub(super) created: Vec<(String, Option<String>)>,
}

/// The child's side: tries a file and reports. The exit code matters only to who calls it by hand.
pub(crate) fn child(file: &Path) -> ExitCode {
    // How this process ends is for its parent to judge, with the status that the file has chosen.
    end_is_expected();
    // Should the parent be killed, nobody would end what hangs.
    thread::spawn(|| {
        thread::sleep(LAST_RESORT);
        std::process::abort();
    });
    let mut wishes = Vec::new();
    let read = std::io::stdin().take(MOST_WISHES).read_to_end(&mut wishes);
    let wishes = read.ok().and_then(|_| serde_json::from_slice(&wishes).ok());
    match report(&find(file, &wishes.unwrap_or_default())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn find(file: &Path, wishes: &Wishes) -> Findings {
    let constructor = match open(file) {
        Ok(constructor) => constructor,
        Err(why) => return Findings { refusal: Some(why), created: Vec::new() },
    };
    let create = |(name, settings): &(String, String)| {
        let made = Instance::create(&constructor, name, settings);
        (name.clone(), made.err().map(|why| why.to_string()))
    };
    Findings { refusal: None, created: wishes.processors.iter().map(create).collect() }
}

/// Loads a private copy as the daemon does. Its bytes were checked by the parent.
fn open(file: &Path) -> Result<Constructor, OpenError> {
    let content = std::fs::read(file).unwrap_or_default();
    let note = Image::parse(&content).and_then(|image| image.manifest());
    let parsed = note.ok().and_then(|note| Some((note, Manifest::parse(note).ok()?.0.api)));
    let root = match parsed {
        Some((note, api)) => open_checked(file, note, api)?,
        None => open_root(file)?,
    };
    let origin = Origin { plugin: "being tried", generation: 0, file: Box::leak(Box::default()) };
    Ok(Constructor::File(root, origin))
}

/// The hidden command of the child.
pub(crate) const COMMAND: &str = "__probe";

/// How long loading a file may take. It takes milliseconds; a busy machine gets patience.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// When a child gives up by itself.
const LAST_RESORT: Duration = Duration::from_secs(60);

/// Most bytes of wishes: a whole `backend_config`.
const MOST_WISHES: u64 = 16 << 20;
