//! The daemon's log: where it goes and in what form.
//!
//! Lines are formatted where they arise and written by a thread of their own, so that a slow disk does not slow mail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::line::Line;
use crate::config::{Log, LogFormat, LogLevel, LogTarget};

/// Writes what is still queued when it is dropped.
#[must_use = "the log ends when the guard is dropped"]
pub(crate) struct LogGuard {
    _worker: Option<WorkerGuard>,
}

/// The log cannot be written where it is configured to go.
#[derive(Debug, thiserror::Error)]
#[error("log_file: cannot open {}: {source}; check the directory and its owner, or use \"stderr\"", path.display())]
pub(crate) struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// Starts logging for the whole process; only the first call counts.
pub(crate) fn start(log: &Log, verbose: bool) -> Result<LogGuard, LogError> {
    let level = if verbose { LevelFilter::DEBUG } else { filter(log.level) };
    let (writer, worker): (BoxMakeWriter, _) = match &log.target {
        LogTarget::Off => return Ok(LogGuard { _worker: None }),
        LogTarget::Stderr => background(io::stderr()),
        LogTarget::Stdout => background(io::stdout()),
        LogTarget::File(path) => background(append(path)?),
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false);
    let set = match log.format {
        LogFormat::Text => {
            tracing::subscriber::set_global_default(lines.event_format(Line).finish())
        }
        LogFormat::Json => tracing::subscriber::set_global_default(lines.json().finish()),
    };
    // An embedder may have a subscriber of its own; then that one gets the lines.
    drop(set);
    Ok(LogGuard { _worker: Some(worker) })
}

fn background(target: impl io::Write + Send + 'static) -> (BoxMakeWriter, WorkerGuard) {
    let (writer, worker) = NonBlockingBuilder::default().finish(target);
    (BoxMakeWriter::new(writer), worker)
}

fn append(path: &Path) -> Result<File, LogError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
        .map_err(|source| LogError { path: path.to_owned(), source })
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
