//! What a process takes of the machine, as `/proc` tells.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A running process.
#[derive(Clone)]
pub(crate) struct Usage {
    proc: PathBuf,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        Self { proc: PathBuf::from(format!("/proc/{pid}")) }
    }

    /// KiB of memory of its own that the kernel cannot take back (`RssAnon`): neither its program nor mapped files.
    #[track_caller]
    pub(crate) fn anonymous(&self) -> u64 {
        let status = fs::read_to_string(self.proc.join("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).expect("Linux 4.5 or later")
    }

    /// Processor time so far, of all its threads, to a hundredth of a second.
    #[track_caller]
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(self.proc.join("stat")).expect("it runs");
        // The second field is the name in parentheses; utime and stime are fields 14 and 15.
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = behind_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The limit of descriptors (`RLIMIT_NOFILE`) that leaves so many more to it. A limit bounds their numbers, and a new one
    /// has the lowest that is free.
    #[track_caller]
    pub(crate) fn descriptor_limit(&self, more: usize) -> usize {
        let open = fs::read_dir(self.proc.join("fd")).expect("our own process");
        let open = open.map(|entry| entry.expect("readable").file_name());
        let open: HashSet<usize> =
            open.filter_map(|name| name.to_str().and_then(|name| name.parse().ok())).collect();
        (0..).filter(|number| !open.contains(number)).nth(more).expect("there is no end of numbers")
    }
}
