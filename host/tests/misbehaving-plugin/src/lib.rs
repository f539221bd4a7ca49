//! Processors that go wrong, each in one way, for the daemon's black-box tests.
//!
//! - `panics`: in a hook, in `create`, `start`, `settled` or `drop`.
//! - `crashes`: ends the process, in every way.
//! - `hangs`: blocks until the test says go.
//! - `holds`: takes hold of the transaction and completes it late, never, or not at all.
//! - `answers`: the mail itself says what the verdict is to be, also such that contradict themselves.
//! - `policy`: the one well-behaved one: refuses what the SMTP dialogues want refused.
//! - `commits`: commits at the end, in groups, late, never or not at all.
//! - `talks`: writes to the log at every level, by its own words and with `tracing`.
//! - `recorder`: writes down what it is asked and told, so that a test can read it.
//! - `control`: how a test and a processor wait for each other without a clock.
#![deny(unsafe_code)]

mod answers;
mod commits;
mod control;
mod crashes;
mod hangs;
mod holds;
mod honours;
mod panics;
mod policy;
mod recorder;
mod talks;

use answers::Answers;
use commits::{CommitDropped, CommitFails, CommitPanics, CommitRefuses, Commits, CommitsNever};
use crashes::{Aborts, Crashes, Exits, Overflows};
use hangs::{Dawdles, Hangs, HangsAndHears, HangsInStart, HangsInline};
use holds::{Holds, HoldsAndDrops, HoldsAndPanics, HoldsForever, HoldsUntilTold, PendsWithoutHold};
use honours::Honours;
use panics::{
    FailsToSettle, FailsToStart, Panics, PanicsInCreate, PanicsInDrop, PanicsInEvents,
    PanicsInSettled, PanicsInStart, PanicsInline,
};
use policy::Policy;
use recorder::Recorder;
use talks::Talks;

guerrilla_plugin_api::export_plugin!(
    Aborts,
    Answers,
    CommitDropped,
    CommitFails,
    CommitPanics,
    CommitRefuses,
    guerrilla_plugin_api::Batched<Commits>,
    CommitsNever,
    Crashes,
    Dawdles,
    Exits,
    FailsToSettle,
    FailsToStart,
    Hangs,
    HangsAndHears,
    HangsInStart,
    HangsInline,
    Holds,
    HoldsAndDrops,
    HoldsAndPanics,
    HoldsForever,
    HoldsUntilTold,
    Honours,
    Overflows,
    Panics,
    PanicsInCreate,
    PanicsInDrop,
    PanicsInEvents,
    PanicsInSettled,
    PanicsInStart,
    PanicsInline,
    PendsWithoutHold,
    Policy,
    Recorder,
    Talks,
);
