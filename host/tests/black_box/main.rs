//! The daemon as operators and mail clients meet it: the real binary, real plugin files, real sockets.
//!
//! Nothing here uses the daemon's library. Each test starts a private daemon on a port that the system picks, in a
//! directory of its own, and ends it. Nothing is slept for: log lines, files and replies are waited for, with a
//! deadline.
//!
//! All modules are one test binary, so that the plugins are built once and the whole suite shares two cores.

mod admin;
mod behind_haproxy;
mod behind_nginx;
mod built_ins;
mod command_line;
mod commits;
mod config_check;
mod config_commands;
mod config_files;
mod delivery;
mod descriptors;
mod extensions;
mod figures;
mod full_disk;
mod golden;
mod hanging_plugins;
mod idle;
mod last_words;
mod lifecycle;
mod limits;
mod log_files;
mod maildir_faults;
mod maildir_made;
mod memory;
mod named_files;
mod network_threads;
mod odd_places;
mod outside_workspace;
mod pace;
mod plugin_crash;
mod plugin_files;
mod plugin_logs;
mod plugin_probe;
mod plugin_tools;
mod plugins;
mod proxies;
mod proxy_header;
mod recipients;
mod refusals;
mod reload;
mod reload_plugins;
mod replies;
mod rights;
mod safe_mode;
mod schemas;
mod secrets;
mod sections;
mod service_manager;
mod support;
mod timeouts;
mod tls;
mod transcripts;
mod versions;
