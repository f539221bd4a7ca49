//! Panics in threads that nobody guards reach the daemon's log. In a process of its own: the hook is for all of it.

use std::thread;

use guerrilla_plugin_api::testkit::{Harness, LogLine, Mail};
use guerrilla_plugin_api::{Host, Level, NoConfig, Phase, Plugin, Transaction, Verdict};

/// Starts threads that panic, in `save`, and panics itself when the sender says so.
struct Careless {
    host: Host,
}

impl Plugin for Careless {
    const NAME: &'static str = "Careless";
    const PHASES: &'static [Phase] = &[Phase::Save];
    type Config = NoConfig;

    fn create(host: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        assert!(txn.sender_local_part() != Some("panic"), "in a hook");
        let unnamed = thread::spawn(|| panic!("two\nlines"));
        assert!(unnamed.join().is_err());
        let spawned = self.host.spawn("worker", || -> () { panic!("in a thread of the host's") });
        assert!(spawned.expect("a thread").join().is_err());
        Verdict::CONTINUE
    }
}

#[test]
fn every_panic_is_one_line_in_the_log() {
    guerrilla_plugin_api::__border::install_hook();
    let careless = Harness::<Careless>::new("{}").expect("it is made");
    assert!(careless.deliver(Mail::new()).is_accepted());
    assert!(careless.deliver(Mail::new().from("panic@example.com")).is_deferred());
    let expected = [
        "panicked in thread without a name: two lines (plugin-api/tests/panic_hook.rs:",
        "panicked in thread worker: in a thread of the host's (plugin-api/tests/panic_hook.rs:",
        "panicked in save: in a hook (plugin-api/tests/panic_hook.rs:",
    ];
    let log = careless.log();
    assert_eq!(log.len(), expected.len(), "{log:?}");
    for (LogLine { level, text, .. }, expected) in log.iter().zip(expected) {
        assert!(*level == Level::Error && text.starts_with(expected), "{text}");
    }
}
