use crate::host::{Host, Level};
use crate::plugin::{NoConfig, Plugin};
use crate::testkit::{Harness, LogLine, Mail};
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use crate::vocabulary::Phase;

/// Writes with `tracing` only.
struct Talks {
    host: Host,
}

impl Plugin for Talks {
    const NAME: &'static str = "Talks";
    const PHASES: &'static [Phase] = &[Phase::Save];
    type Config = NoConfig;

    fn create(host: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let span =
            tracing::info_span!("storing", id = txn.queued_id(), size = tracing::field::Empty);
        let _entered = span.enter();
        span.record("size", 5);
        tracing::info!(table = "mails", rows = 1, "two\nlines");
        tracing::debug!("details");
        let thread = self.host.spawn("talker", || tracing::warn!("from a thread of its own"));
        assert!(thread.unwrap().join().is_ok());
        Verdict::CONTINUE
    }
}

fn texts(talks: &Harness<Talks>) -> Vec<String> {
    talks.log().into_iter().map(|line| line.text).collect()
}

#[test]
fn events_reach_the_log_of_their_instance_and_follow_its_level() {
    let talks = Harness::<Talks>::new("{}").unwrap();
    let silent = Harness::<Talks>::new("{}").unwrap();
    silent.set_log_level(Level::Error);
    let mail = || Mail::new().queued_id("m1");
    for harness in [&talks, &silent] {
        assert!(harness.deliver(mail()).is_accepted());
    }
    let line = "two lines table=\"mails\" rows=1 in storing{id=\"m1\" size=5}";
    assert_eq!(
        texts(&talks),
        [line, "details in storing{id=\"m1\" size=5}", "from a thread of its own"]
    );
    let first = &talks.log()[0];
    let module = "guerrilla_plugin_api::tracing_bridge::tests".to_owned();
    assert_eq!(
        first,
        &LogLine { level: Level::Info, module, text: line.to_owned(), session: None }
    );
    assert_eq!(texts(&silent), Vec::<String>::new());

    // The callsites have been met at another level, and yet:
    silent.set_log_level(Level::Info);
    assert!(silent.deliver(mail()).is_accepted());
    assert_eq!(texts(&silent), [line, "from a thread of its own"]);
}
