//! What the process uses, as the kernel counts it.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

/// The figures at one moment; 0 where the kernel does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    /// User and system time.
    pub(super) cpu: Duration,
    /// Bytes of memory.
    pub(super) resident: u64,
    /// Files and sockets that are open.
    pub(super) files: u64,
    /// How many may be.
    pub(super) most_files: u64,
}

impl Process {
    pub(super) fn now() -> Self {
        let time = |time: TimeVal| {
            Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default())
        };
        let usage = getrusage(UsageWho::RUSAGE_SELF);
        let cpu = usage.map(|usage| time(usage.user_time()) + time(usage.system_time()));
        Self {
            cpu: cpu.unwrap_or_default(),
            resident: resident(&fs::read_to_string("/proc/self/status").unwrap_or_default()),
            files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            most_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft),
        }
    }
}

/// `VmRSS:      1234 kB`
fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_something() {
        let process = Process::now();
        assert!(process.resident > 100_000 && process.files > 2, "{process:?}");
        assert!(process.most_files >= process.files, "{process:?}");
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12 kB\n"), 12 * 1024);
    }
}
