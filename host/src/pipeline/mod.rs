//! Chains of processors: what is asked at each phase, in which order, for how long, and what happens when one fails.
//!
//! - [`stage`]: one place in a chain and how its processor is called.
//! - [`pool`]: the threads that blocking processors are called on.
//! - [`breaker`]: what failures of a stage mean, and leaving one alone that has nothing else.
//! - [`chain`]: all chains of one configuration.
//! - [`run`]: running one within its deadline ([`gate`]).
//! - [`awaiting`]: waiting for a stage that the chain can go on without.
//! - [`settle`]: telling its stages how it ended.
//! - [`decision`]: what a chain came to.
//! - [`mod@figures`]: what each stage has done, in numbers ([`histogram`]).
//! - [`slowness`]: finding out that one blocks that says it never does.
//! - [`mod@assemble`]: from the configured names to chains.
//! - [`retire`]: ending the stages that a reload has left without a chain.
//! - [`mod@survey`]: what is wrong with them, without running anything.
//! - [`mod@settings`]: what an instance is configured with, and whether that fits its schema.

mod assemble;
mod awaiting;
mod breaker;
mod chain;
mod decision;
mod figures;
mod gate;
mod histogram;
mod pool;
mod retire;
mod run;
mod settings;
mod settle;
mod slowness;
mod stage;
mod survey;

pub(crate) use assemble::{AssembleError, assemble};
pub(crate) use chain::Pipeline;
pub(crate) use decision::{Decision, Kind};
pub(crate) use figures::{Snapshot, figures};
pub(crate) use histogram::{Histogram, Times};
pub(crate) use settings::{misfits, settings};
pub(crate) use survey::{chains, survey};
