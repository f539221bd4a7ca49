//! A panic of ours while a client is served ends that session and nothing else.
//!
//! Processors do not get here: their panics are caught at the border. This is for what we have overlooked ourselves.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future; `Err` with the panic's words if it panics, and then it may only be dropped.
pub(super) fn poll_caught<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, String>> {
    // What the future holds is dropped with it; what it shares with other sessions (locks, pools) is poison-proof.
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(words(&*payload))),
    }
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("for a reason that is no text").to_owned()
}

/// Where tests have a session panic.
#[cfg(test)]
pub(super) fn trip(helo: &str) {
    assert_ne!(helo, tests::TRIPWIRE, "the tripwire");
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use crate::config::Config;
    use crate::daemon::{Daemon, Ended};
    use crate::observe::Log;

    /// Who says this in HELO finds a fault of ours.
    pub(super) const TRIPWIRE: &str = "tripwire.test";

    /// All that a client hears that says these lines, when the place of the one before it is free again.
    fn conversation(daemon: &Daemon, lines: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let heard = spoken(daemon, lines);
            if heard != ["421 Too many connections, try again later"] {
                return heard;
            }
            assert!(Instant::now() < deadline, "the place is not given back");
        }
    }

    fn spoken(daemon: &Daemon, lines: &str) -> Vec<String> {
        let mut wire = TcpStream::connect(daemon.addresses()[0]).unwrap();
        wire.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        wire.write_all(lines.as_bytes()).unwrap();
        BufReader::new(wire).lines().map_while(Result::ok).collect()
    }

    #[test]
    fn a_panic_ends_one_session_with_421_and_a_line_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let text = format!(
            r#"{{"log_file": "{}", "allowed_hosts": ["."], "servers":
                [{{"is_enabled": true, "listen_interface": "127.0.0.1:0", "max_clients": 2}}]}}"#,
            log.display()
        );
        let config = Config::from_json(&text, "test").unwrap().config;
        let sink = Log::open(&config.log, false).unwrap();
        sink.install();
        let daemon = Daemon::builder().config(config).log(sink.clone()).start().unwrap();

        let mut other = TcpStream::connect(daemon.addresses()[0]).unwrap();
        let mut replies = BufReader::new(other.try_clone().unwrap()).lines();
        assert!(replies.next().unwrap().unwrap().starts_with("220 "));
        // More often than there are places: each is given back.
        for _ in 0..3 {
            let heard = conversation(&daemon, "HELO tripwire.test\r\nNOOP\r\n");
            assert_eq!(heard.len(), 2, "{heard:?}");
            assert_eq!(heard[1], "421 4.3.0 Local error, closing connection");
            let heard = conversation(&daemon, "QUIT\r\n");
            assert_eq!(heard.len(), 2, "{heard:?}");
        }
        other.write_all(b"NOOP\r\n").unwrap();
        assert!(replies.next().unwrap().unwrap().starts_with("250 "));
        drop((other, replies));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(daemon.shutdown(Duration::from_secs(60)));
        assert_eq!(ended, Ended::Drained);
        sink.close();
        let said = std::fs::read_to_string(&log).unwrap();
        let told = said.lines().filter(|line| line.contains("has panicked and was closed: "));
        assert_eq!(told.filter(|line| line.contains("the tripwire")).count(), 3, "{said}");
    }
}
