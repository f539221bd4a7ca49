//! What a disk gives for durable mail: see `--help`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use guerrilla_bench::disk::{self, Way};

/// The limit of a disk for durable mail: what no server that keeps its promise can exceed in the same way of storing.
///
/// Nothing is deleted: ext4 makes new files dearer for minutes after many old ones have gone. Have it run below a
/// directory that goes as a whole.
#[derive(Debug, Parser)]
#[command(name = "disk-limit", version)]
struct Options {
    /// An empty directory on the disk in question
    directory: PathBuf,
    /// How messages are stored
    #[arg(long, value_enum, default_value = "files")]
    way: Way,
    /// Who stores at the same time, one message each
    #[arg(long, default_value_t = 100)]
    threads: usize,
    /// For how long
    #[arg(short = 'd', long, default_value_t = 2.5)]
    seconds: f64,
    /// Octets of a message
    #[arg(short = 's', long, default_value_t = 10 << 10)]
    size: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let time = Duration::try_from_secs_f64(options.seconds).unwrap_or(Duration::MAX);
    let plan = disk::Plan { threads: options.threads.max(1), time, size: options.size };
    match disk::measure(&options.directory, options.way, &plan) {
        Ok(rate) => {
            println!("{rate:.0}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("disk-limit: {}: {error}", options.directory.display());
            ExitCode::FAILURE
        }
    }
}
