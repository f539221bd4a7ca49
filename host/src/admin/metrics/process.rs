//! The process, under the names that every Prometheus client library gives to these figures.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::family::gauge;
use crate::admin::process::Process;
use crate::admin::state::Daemon;

/// Memory, time and files of the process.
pub(super) struct Usage(pub(super) Daemon);

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usage")
    }
}

impl Collector for Usage {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        let process = Process::now();
        let began = self.0.began.as_secs_f64();
        let help = "When it began, in seconds since 1970";
        gauge(&mut out, "process_start_time_seconds", help, &[(&[], began)])?;
        let help = "User and system time";
        let kind = MetricType::Counter;
        out.encode_descriptor("process_cpu_seconds", help, None, kind)?
            .encode_counter::<NoLabelSet, _, u64>(&process.cpu.as_secs_f64(), None)?;
        let figure = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
        let gauges = [
            ("process_resident_memory_bytes", "Memory in use", process.resident),
            ("process_open_fds", "Files and sockets that are open", process.files),
            ("process_max_fds", "How many may be open", process.most_files),
        ];
        for (name, help, value) in gauges {
            gauge(&mut out, name, help, &[(&[], figure(value))])?;
        }
        Ok(())
    }
}
