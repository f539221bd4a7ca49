//! What each stage has done, in numbers: calls, time, failures, what is under way.
//!
//! Kept by stage, processor, plugin and generation, for as long as the process lives: what a counter has counted must not
//! vanish with a reload. [`figures`] takes a snapshot; from its parts metrics can be written.
//!
//! A call on the connection's own thread costs a few nanoseconds, so counting it may cost no more than that: one counter
//! of this thread moves, and only each seventeenth such call is timed (more while a stage may be slow, see [`slowness`](super::slowness)).
//! Calls in a pool are all timed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use guerrilla_plugin_abi::{Event, Phase, Status};

use super::histogram::{Histogram, Times};
use crate::observe::cells::PerThread;
use crate::plugins::ffi::{FileFacts, Origin};

/// Whose figures they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct About {
    /// Its name in the chains.
    pub(crate) stage: String,
    /// The processor behind the name.
    pub(crate) processor: String,
    /// The plugin it comes from; empty for the host's own.
    pub(crate) plugin: &'static str,
    /// Number of the load.
    pub(crate) generation: u64,
    /// What else is known of the file.
    pub(crate) file: Option<&'static FileFacts>,
}

impl About {
    pub(super) fn new(stage: &str, processor: &str, origin: Option<Origin>) -> Self {
        Self {
            stage: stage.to_owned(),
            processor: processor.to_owned(),
            plugin: origin.map_or("", |origin| origin.plugin),
            generation: origin.map_or(0, |origin| origin.generation),
            file: origin.map(|origin| origin.file),
        }
    }
}

/// Why a stage had no answer for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It panicked.
    Panic,
    /// Its answer was none, or contradicted itself.
    Answer,
    /// It did not answer in time.
    Timeout,
    /// It was not asked, for it has failed too often.
    LeftAlone,
}

/// The figures of a stage.
#[derive(Debug)]
pub(super) struct Figures {
    about: About,
    answers: PerThread<Answers>,
    faults: [AtomicU64; FAULTS.len()],
    moved_to_pool: AtomicBool,
    /// Calls that wait for one of its threads.
    waiting: Arc<AtomicU64>,
    flights: Mutex<Flights>,
}

/// Answers that one thread has counted.
#[derive(Debug, Default)]
struct Answers {
    /// A row for each phase, then one for each event.
    calls: [[AtomicU64; STATUSES.len()]; PHASES.len() + EVENTS.len()],
    times: Histogram,
}

/// Calls in a pool and held messages.
#[derive(Debug, Default)]
struct Flights {
    next: u64,
    /// Until when each is waited for, and whether it is on a thread.
    all: HashMap<u64, (Option<Instant>, bool)>,
}

impl Figures {
    /// Those of this stage, also if it is made anew.
    pub(super) fn of(about: About) -> Arc<Self> {
        let mut all = all();
        if let Some(known) = all.iter().find(|figures| figures.about == about) {
            return Arc::clone(known);
        }
        let new = Arc::new(Self {
            about,
            answers: PerThread::default(),
            faults: Default::default(),
            moved_to_pool: AtomicBool::new(false),
            waiting: Arc::default(),
            flights: Mutex::default(),
        });
        all.push(Arc::clone(&new));
        new
    }

    /// It has answered.
    #[inline]
    pub(super) fn answered(&self, phase: Phase, status: Status) {
        let phase = PHASES.iter().position(|(own, _)| *own == phase).unwrap_or(PHASES.len() - 1);
        let status = STATUSES.iter().position(|(own, _)| *own == status);
        let calls = &self.answers.mine().calls[phase][status.unwrap_or(STATUSES.len() - 1)];
        calls.fetch_add(1, Ordering::Relaxed);
    }

    /// It has been told a fact.
    pub(super) fn told(&self, event: Event, heard: bool) {
        let event = EVENTS.iter().position(|(own, _)| *own == event).unwrap_or(0);
        let status = if heard { 0 } else { STATUSES.len() - 1 };
        let calls = &self.answers.mine().calls[PHASES.len() + event];
        calls[status].fetch_add(1, Ordering::Relaxed);
    }

    /// How long a call took.
    pub(super) fn took(&self, took: Duration) {
        self.answers.mine().times.record(took);
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn moved_to_pool(&self) {
        self.moved_to_pool.store(true, Ordering::Relaxed);
    }

    /// Where its pool counts the calls that wait for a thread.
    pub(super) fn waiting(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.waiting)
    }

    /// A call begins that may last; it ends when the answer is dropped.
    pub(super) fn flight(self: &Arc<Self>, deadline: Option<Instant>, on_thread: bool) -> Flight {
        let mut flights = self.flights();
        let number = flights.next;
        flights.next += 1;
        flights.all.insert(number, (deadline, on_thread));
        Flight { figures: Arc::clone(self), number }
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Snapshot {
        let now = Instant::now();
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let flights = self.flights();
        let is_lost = |flight: &&(Option<Instant>, bool)| {
            flight.1 && flight.0.is_some_and(|deadline| deadline < now)
        };
        Snapshot {
            about: self.about.clone(),
            calls: self.calls(),
            times: self.times(),
            faults: FAULTS.into_iter().zip(self.faults.iter().map(load)).collect(),
            in_flight: flights.all.len(),
            waiting: load(&self.waiting),
            lost_workers: flights.all.values().filter(is_lost).count(),
            moved_to_pool: self.moved_to_pool.load(Ordering::Relaxed),
        }
    }

    fn calls(&self) -> Vec<Calls> {
        let phases = PHASES.iter().map(|(_, name)| *name);
        let rows = phases.chain(EVENTS.iter().map(|(_, name)| *name)).enumerate();
        let all = rows.flat_map(|(row, phase)| {
            STATUSES.iter().enumerate().map(move |(column, (_, status))| {
                let counts = self.answers.iter().map(|answers| &answers.calls[row][column]);
                let count = counts.map(|count| count.load(Ordering::Relaxed)).sum();
                Calls { phase, status, count }
            })
        });
        all.filter(|calls| calls.count > 0).collect()
    }

    fn times(&self) -> Times {
        let mut all = Times::none();
        for answers in self.answers.iter() {
            all.add(&answers.times.read());
        }
        all
    }
}

/// A call that is under way.
#[derive(Debug)]
pub(super) struct Flight {
    figures: Arc<Figures>,
    number: u64,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.figures.flights().all.remove(&self.number);
    }
}

/// The figures of a stage at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Whose they are.
    pub(crate) about: About,
    /// How often it has answered what; only what there was.
    pub(crate) calls: Vec<Calls>,
    /// How long it took; of calls on the connection's own thread a sample.
    pub(crate) times: Times,
    /// How often it had no answer, by kind.
    pub(crate) faults: Vec<(&'static str, u64)>,
    /// Calls in its pool and messages that it holds.
    pub(crate) in_flight: usize,
    /// Calls that wait for one of its threads.
    pub(crate) waiting: u64,
    /// Threads that have not come back by the deadline of what they were called for.
    pub(crate) lost_workers: usize,
    /// Whether it is called in a pool although it says that it never blocks.
    pub(crate) moved_to_pool: bool,
}

/// A number of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    /// The question or fact.
    pub(crate) phase: &'static str,
    /// The answer.
    pub(crate) status: &'static str,
    /// How often.
    pub(crate) count: u64,
}

impl Snapshot {
    /// Answers of any kind.
    pub(crate) fn total(&self) -> u64 {
        self.calls.iter().map(|calls| calls.count).sum()
    }
}

/// One line for the log.
impl std::fmt::Display for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let About { stage, processor, plugin, generation, file } = &self.about;
        write!(f, "{stage} (processor {processor}")?;
        match file {
            Some(FileFacts { version, api, rustc, sha256 }) => write!(
                f,
                ", plugin {plugin} {version}, API {api}, {rustc}, sha256 {sha256:.8}, generation {generation})"
            )?,
            None => f.write_str(", built-in)")?,
        }
        write!(f, ": calls={}", self.total())?;
        for Calls { phase, status, count } in &self.calls {
            write!(f, " {phase}.{status}={count}")?;
        }
        write!(f, " {}", self.times)?;
        for (kind, count) in self.faults.iter().filter(|(_, count)| *count > 0) {
            write!(f, " {kind}={count}")?;
        }
        write!(f, " in_flight={} lost_workers={}", self.in_flight, self.lost_workers)?;
        f.write_str(if self.moved_to_pool { " moved_to_pool" } else { "" })
    }
}

/// The figures of all stages there have been.
pub(crate) fn figures() -> Vec<Snapshot> {
    let all: Vec<Arc<Figures>> = all().clone();
    all.iter().map(|figures| figures.snapshot()).collect()
}

fn all() -> MutexGuard<'static, Vec<Arc<Figures>>> {
    static ALL: Mutex<Vec<Arc<Figures>>> = Mutex::new(Vec::new());
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most frequent first.
const PHASES: [(Phase, &str); 5] = [
    (Phase::SAVE, "save"),
    (Phase::RCPT, "rcpt"),
    (Phase::MAIL, "mail"),
    (Phase::HELO, "helo"),
    (Phase::CONNECT, "connect"),
];

const EVENTS: [(Event, &str); 3] =
    [(Event::SETTLED, "settled"), (Event::OPENED, "opened"), (Event::CLOSED, "closed")];

/// The most frequent first; the last one stands for all that is no verdict.
const STATUSES: [(Status, &str); 7] = [
    (Status::CONTINUE, "continue"),
    (Status::ACCEPT, "accept"),
    (Status::REJECT, "reject"),
    (Status::DEFER, "defer"),
    (Status::DISCARD, "discard"),
    (Status::DISCONNECT, "disconnect"),
    (Status::INTERNAL, "fault"),
];

/// In the order of [`Fault`].
const FAULTS: [&str; 4] = ["panics", "wrong_answers", "timeouts", "left_alone"];

#[cfg(test)]
mod tests {
    use super::*;

    fn about(stage: &str, generation: u64) -> About {
        About { generation, ..About::new(stage, "Store", None) }
    }

    fn snapshot(of: &About) -> Snapshot {
        figures().into_iter().find(|snapshot| snapshot.about == *of).expect("registered")
    }

    #[test]
    fn counts_survive_and_generations_stand_apart() {
        let (old, new) = (about("counts", 0), about("counts", 1));
        Figures::of(old.clone()).answered(Phase::SAVE, Status::CONTINUE);
        Figures::of(old.clone()).answered(Phase::SAVE, Status::PANICKED);
        Figures::of(new.clone()).answered(Phase::RCPT, Status::REJECT);
        let calls = |phase, status, count| Calls { phase, status, count };
        assert_eq!(snapshot(&old).calls, [calls("save", "continue", 1), calls("save", "fault", 1)]);
        assert_eq!(snapshot(&new).calls, [calls("rcpt", "reject", 1)]);
    }

    #[test]
    fn a_thread_is_lost_when_the_deadline_has_passed_and_found_when_it_returns() {
        let about = about("flights", 0);
        let figures = Figures::of(about.clone());
        let past = Instant::now().checked_sub(Duration::from_millis(1)).expect("an hour of uptime");
        let later = Instant::now() + Duration::from_secs(3600);
        let stuck = figures.flight(Some(past), true);
        let flights = [figures.flight(Some(later), true), figures.flight(Some(past), false)];
        let now = snapshot(&about);
        assert_eq!((now.in_flight, now.lost_workers), (3, 1));
        drop(stuck);
        assert_eq!(snapshot(&about).lost_workers, 0);
        drop(flights);
        assert_eq!(snapshot(&about).in_flight, 0);
    }

    #[test]
    fn a_line_says_what_there_was() {
        let about = about("line", 0);
        let figures = Figures::of(about.clone());
        figures.answered(Phase::SAVE, Status::DEFER);
        figures.fault(Fault::Timeout);
        figures.moved_to_pool();
        assert_eq!(
            snapshot(&about).to_string(),
            "line (processor Store, built-in): calls=1 save.defer=1 timed=0 timeouts=1 in_flight=0 lost_workers=0 moved_to_pool"
        );
    }
}
