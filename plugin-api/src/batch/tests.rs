use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::*;
use crate::plugin::Plugin;
use crate::testkit::{Answer, Harness, InTransit, Kind, Mail, Session};
use crate::verdict::Reply;

mod settling;

/// Where a writer waits for the test.
struct Gate {
    entered: Sender<usize>,
    pass: Mutex<Receiver<()>>,
}

/// The gates of all tests, by the name in the configuration.
static GATES: Mutex<BTreeMap<String, Arc<Gate>>> = Mutex::new(BTreeMap::new());

#[derive(serde::Deserialize)]
struct Config {
    gate: String,
    #[serde(default)]
    writers: usize,
    /// Messages that have to wait for another writer, however long; none: as it is by itself.
    gathers: Option<usize>,
}

/// Says how many messages a batch has and waits until it may go on. A recipient says what is to go wrong.
struct Store {
    gate: Arc<Gate>,
    writers: usize,
    gathers: Option<usize>,
}

impl BatchPlugin for Store {
    const NAME: &'static str = "Store";
    const PHASES: &'static [Phase] = &[Phase::Rcpt, Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    const NEVER_BLOCKS_IN: &'static [Phase] = &[Phase::Rcpt];
    const CONFIG_SCHEMA: &'static str =
        r#"{"type":"object","properties":{"gate":{},"writers":{},"gathers":{}}}"#;
    type Config = Config;

    fn create(_: Host, config: Config) -> Result<Self, String> {
        let gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        let Config { gate, writers, gathers } = config;
        Ok(Self { gate: Arc::clone(&gates[&gate]), writers, gathers })
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        let known = txn.recipients().all(|to| to.domain() == "example.net");
        if known { Verdict::CONTINUE } else { Verdict::REJECT }
    }

    fn max_batch(&self) -> usize {
        4
    }

    fn writers(&self) -> usize {
        self.writers
    }

    fn backlog(&self) -> Backlog {
        let own = self.gathers.map(|messages| Backlog { messages, time: Duration::MAX });
        own.unwrap_or_default()
    }

    fn save_batch(&self, mut batch: Batch) {
        self.gate.entered.send(batch.len()).unwrap();
        self.gate.pass.lock().unwrap().recv().unwrap();
        batch.retain(|mut txn| {
            match txn.recipients().next().map(crate::Recipient::local_part) {
                Some("panic") => panic!("gone wrong\nin a batch"),
                Some("full") => return Err(Verdict::defer(Reply::new(452, "4.2.2", "Full"))),
                _ => {}
            }
            txn.add_header("X-Stored", "yes").map_err(|_| Verdict::DEFER)
        });
        batch.complete(|| Verdict::CONTINUE);
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        let failing = txn.header("X-Fails-To-Settle").is_some();
        if failing && txn.is_accepted() { Verdict::DEFER } else { Verdict::CONTINUE }
    }
}

struct Test {
    store: Harness<Batched<Store>>,
    entered: Receiver<usize>,
    pass: Sender<()>,
}

fn store(name: &str) -> Test {
    store_of(name, 1, None)
}

fn store_of(name: &str, writers: usize, gathers: Option<usize>) -> Test {
    let (entered_sender, entered) = channel();
    let (pass, pass_receiver) = channel();
    let gate = Gate { entered: entered_sender, pass: Mutex::new(pass_receiver) };
    GATES.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::new(gate));
    let config = serde_json::json!({ "gate": name, "writers": writers, "gathers": gathers });
    let store = Harness::new(config).unwrap();
    Test { store, entered, pass }
}

fn submit<'a>(store: &'a Harness<Batched<Store>>, to: &str) -> InTransit<'a, Batched<Store>> {
    let mut mail = store.begin(Mail::new().to(&format!("{to}@example.net")));
    assert_eq!(mail.submit(Phase::Save), None, "save must not wait for the writer");
    mail
}

fn answer(kind: Kind) -> Answer {
    Answer { kind, reply: None }
}

#[test]
fn who_arrives_while_a_batch_is_written_forms_the_next() {
    let Test { store, entered, pass } = store("groups");
    let mut mails = vec![submit(&store, "a")];
    assert_eq!(entered.recv(), Ok(1));
    mails.extend((0..5).map(|_| submit(&store, "b")));
    for next in [4, 1] {
        pass.send(()).unwrap();
        assert_eq!(entered.recv(), Ok(next));
    }
    pass.send(()).unwrap();
    for mail in &mut mails {
        assert_eq!(mail.wait(), answer(Kind::Continue));
        assert_eq!(mail.header("x-stored").as_deref(), Some("yes"));
    }
    assert_eq!(store.histogram("batch_messages"), [1.0, 4.0, 1.0]);
}

#[test]
fn a_writer_that_hangs_holds_nobody_up() {
    let Test { store, entered, pass } = store_of("hangs", 3, None);
    let mut mails = Vec::new();
    for others in 0..3 {
        // Alone, however many are at work.
        mails.push(submit(&store, "a"));
        assert_eq!(entered.recv(), Ok(1), "behind {others}");
    }
    // All hang. What comes now is for the first that does not any more.
    mails.extend((0..3).map(|_| submit(&store, "b")));
    pass.send(()).unwrap();
    assert_eq!(entered.recv(), Ok(3));
    (0..3).for_each(|_| pass.send(()).unwrap());
    mails.iter_mut().for_each(|mail| assert_eq!(mail.wait(), answer(Kind::Continue)));
}

#[test]
fn another_writer_begins_when_as_many_wait_as_the_author_wants() {
    let Test { store, entered, pass } = store_of("backlog", 2, Some(3));
    let mut mails = vec![submit(&store, "a")];
    assert_eq!(entered.recv(), Ok(1), "nobody is at work, so nothing has to gather");
    mails.extend((0..3).map(|_| submit(&store, "b")));
    assert_eq!(entered.recv(), Ok(3));
    (0..2).for_each(|_| pass.send(()).unwrap());
    mails.iter_mut().for_each(|mail| assert_eq!(mail.wait(), answer(Kind::Continue)));
}

#[test]
fn each_is_completed_on_its_own() {
    let Test { store, entered, pass } = store("own");
    let mut first = submit(&store, "a");
    entered.recv().unwrap();
    let mut full = submit(&store, "full");
    let mut fine = submit(&store, "b");
    pass.send(()).unwrap();
    pass.send(()).unwrap();
    assert_eq!(first.wait(), answer(Kind::Continue));
    let full = full.wait();
    assert_eq!((full.kind.clone(), full.code()), (Kind::Defer, Some(452)));
    assert_eq!(fine.wait(), answer(Kind::Continue));
}

#[test]
fn a_panic_defers_the_batch_and_the_writer_lives_on() {
    let Test { store, entered, pass } = store("panic");
    let mut first = submit(&store, "a");
    entered.recv().unwrap();
    let mut spoilt = ["b", "panic", "c"].map(|to| submit(&store, to));
    (0..3).for_each(|_| pass.send(()).unwrap());
    assert_eq!(first.wait(), answer(Kind::Continue));
    for mail in &mut spoilt {
        let answer = mail.wait();
        assert_eq!(answer.kind, Kind::Fault("panicked".to_owned()));
        assert!(answer.is_deferred());
    }
    assert_eq!(submit(&store, "d").wait(), answer(Kind::Continue));
    assert!(store.has_logged("panicked in save_batch: gone wrong in a batch"));
}

#[test]
fn drain_waits_for_all_and_after_a_stop_everything_is_deferred() {
    let Test { store, entered, pass } = store("stop");
    let mut mails = [(); 3].map(|()| submit(&store, "a"));
    std::thread::scope(|scope| {
        scope.spawn(|| store.drain(60_000));
        (0..3).for_each(|_| pass.send(()).unwrap());
    });
    assert_eq!(entered.try_iter().sum::<usize>(), 3);
    mails.iter_mut().for_each(|mail| assert_eq!(mail.wait(), answer(Kind::Continue)));

    store.stop();
    let mut late = store.begin(Mail::new());
    assert_eq!(late.ask(Phase::Save), answer(Kind::Defer), "nobody would write it");
}

#[test]
fn a_stop_does_not_wait_for_what_has_not_begun() {
    let Test { store, entered, pass } = store("left");
    let mut written = submit(&store, "a");
    entered.recv().unwrap();
    let mut waiting = submit(&store, "b");
    store.drain(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Comes back with the deferral only, so the writer is let go after the queue was closed.
            let answer = waiting.wait();
            assert_eq!(answer.kind, Kind::Defer);
            pass.send(()).unwrap();
        });
        store.stop();
    });
    assert_eq!(written.wait(), answer(Kind::Continue));
    assert!(store.has_logged("stopped with 1 messages not written: deferred"));
}

#[test]
fn the_other_hooks_are_the_authors() {
    let Test { store, pass, entered: _entered } = store("hooks");
    (0..2).for_each(|_| pass.send(()).unwrap());
    assert!(store.deliver(Mail::new().to("a@elsewhere.example")).is_rejected());
    assert!(store.deliver(Mail::new()).is_accepted());
    let mut client = store.connect(Session::new().lmtp());
    assert!(client.deliver(Mail::new().header("X-Fails-To-Settle", "1")).is_deferred());
    assert_eq!(Batched::<Store>::NEVER_BLOCKS_IN, [Phase::Rcpt, Phase::Save]);
}
