//! The daemon as operators and mail clients meet it: the real binary, real plugin files, real sockets.
//!
//! Nothing here uses the daemon's library. Each test starts a private daemon on a port that the system picks, in a
//! directory of its own, and ends it. Nothing is slept for: log lines, files and replies are waited for, with a
//! deadline.
//!
//! All modules are one test binary, so that the plugins are built once and the whole suite shares two cores.

mod command_line;
mod config_files;
mod delivery;
mod hanging_plugins;
mod lifecycle;
mod limits;
mod outside_workspace;
mod plugin_files;
mod plugins;
mod proxies;
mod replies;
mod support;
mod tls;
mod transcripts;
