//! A batch plugin whose writers get no thread: what its `start` has begun is stopped, although the host calls only the `stop`
//! of what has started. In a process of its own that cannot have any thread.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use guerrilla_plugin_api::testkit::Harness;
use guerrilla_plugin_api::{Batch, BatchPlugin, Batched, Host, NoConfig};

static STARTED: AtomicUsize = AtomicUsize::new(0);
static STOPPED: AtomicUsize = AtomicUsize::new(0);

struct Store;

impl BatchPlugin for Store {
    const NAME: &'static str = "Store";
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn start(&self) -> Result<(), String> {
        STARTED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn save_batch(&self, _: Batch) {}

    fn stop(&self) {
        STOPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn without_a_thread_what_was_started_is_stopped() {
    if env::var_os(STACK).is_none() {
        // No address space has room for such a stack. A single test runs on the thread of the process.
        let mut child = Command::new(env::current_exe().expect("this program"));
        let status = child.arg("--test-threads=1").env(STACK, (1_u64 << 47).to_string()).status();
        assert!(status.expect("it runs").success());
        return;
    }
    let error = Harness::<Batched<Store>>::new("{}").err().unwrap_or_default();
    assert!(error.starts_with("no thread for a writer: "), "{error:?}");
    let times = [&STARTED, &STOPPED].map(|times| times.load(Ordering::Relaxed));
    assert_eq!(times, [1, 1]);
}

/// What the standard library takes for the size of a thread's stack.
const STACK: &str = "RUST_MIN_STACK";
