//! guerrillad: receives mail, hands it to a chain of processors, disconnects as quickly as possible.

mod admin;
pub mod cli;
pub mod config;
pub mod daemon;
#[doc(hidden)]
pub mod fuzzing;
pub mod mail;
#[doc(hidden)]
pub mod measuring;
mod net;
pub mod observe;
mod pipeline;
pub mod plugins;
mod processors;
mod service;
mod stamp;
