//! Chains of processors: what is asked at each phase, in which order, for how long, and what happens when one fails.
//!
//! - [`stage`]: one place in a chain and how its processor is called.
//! - [`pool`]: the threads that blocking processors are called on.
//! - [`chain`]: running a chain within its deadline, and settling it.
//! - [`decision`]: what a chain came to.
//! - [`assemble`]: from the configured names to chains.

mod assemble;
mod chain;
mod decision;
mod pool;
mod stage;

pub(crate) use assemble::{AssembleError, assemble};
pub(crate) use chain::Pipeline;
pub(crate) use decision::{Decision, Kind};
