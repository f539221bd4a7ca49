//! Messages that are settled together.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex};

use crate::batch::{Batch, BatchPlugin, Batched};
use crate::host::Host;
use crate::plugin::{NoConfig, Plugin};
use crate::testkit::{Answer, Harness, InTransit, Kind, Mail};
use crate::transaction::Transaction;
use crate::verdict::{Reply, Verdict};
use crate::vocabulary::{Event, Phase};

/// Settles what waits when the test says so. The recipient says what is to go wrong.
struct Committer {
    entered: Mutex<Sender<Vec<bool>>>,
    pass: Mutex<Receiver<()>>,
}

/// The test's ends of the committer that was made last; tests take turns.
static ENDS: Mutex<Option<Ends>> = Mutex::new(None);
static MADE: Condvar = Condvar::new();

/// Which of a batch are accepted, when it comes; and the word to go on.
type Ends = (Receiver<Vec<bool>>, Sender<()>);

impl BatchPlugin for Committer {
    const NAME: &'static str = "Committer";
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    const SETTLES_BATCHES: bool = true;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        let (entered, test_entered) = channel();
        let (test_pass, pass) = channel();
        let ends = ENDS.lock().unwrap();
        let mut ends = MADE.wait_while(ends, |ends| ends.is_some()).unwrap();
        *ends = Some((test_entered, test_pass));
        Ok(Self { entered: Mutex::new(entered), pass: Mutex::new(pass) })
    }

    fn save_batch(&self, batch: Batch) {
        batch.complete(|| Verdict::CONTINUE);
    }

    fn settled(&self, _: Transaction<'_>) -> Verdict {
        unreachable!("settled_batch is called instead")
    }

    fn settled_batch(&self, mut batch: Batch) {
        let accepted = batch.transactions().map(|txn| txn.is_accepted()).collect();
        self.entered.lock().unwrap().send(accepted).unwrap();
        self.pass.lock().unwrap().recv().unwrap();
        batch.retain(|txn| match txn.recipients().next().map(crate::Recipient::local_part) {
            Some("panic") => panic!("gone wrong in the end"),
            Some("full") => Err(Verdict::defer(Reply::new(452, "4.3.1", "Full"))),
            _ => Ok(()),
        });
        if batch.transactions().any(|txn| txn.header("X-Drop").is_some()) {
            return;
        }
        batch.complete(|| Verdict::CONTINUE);
    }
}

struct Test {
    committer: Harness<Batched<Committer>>,
    entered: Receiver<Vec<bool>>,
    pass: Sender<()>,
}

fn committer() -> Test {
    let committer = Harness::new("{}").unwrap();
    let (entered, pass) = ENDS.lock().unwrap().take().unwrap();
    MADE.notify_one();
    Test { committer, entered, pass }
}

type InHand<'a> = InTransit<'a, Batched<Committer>>;

fn settle<'a>(test: &'a Test, mail: Mail, chain: &Verdict) -> InHand<'a> {
    let mut mail = test.committer.begin(mail);
    assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
    assert_eq!(mail.submit_settled(chain), None, "the end must not wait for the writer");
    mail
}

fn to(name: &str) -> Mail {
    Mail::new().to(&format!("{name}@example.net"))
}

#[test]
fn all_that_waits_is_settled_in_one_go() {
    let test = committer();
    let mut mails = vec![settle(&test, to("a"), &Verdict::CONTINUE)];
    assert_eq!(test.entered.recv(), Ok(vec![true]));
    mails.push(settle(&test, to("b"), &Verdict::CONTINUE));
    mails.push(settle(&test, to("c"), &Verdict::REJECT));
    // Meanwhile others are saved.
    assert_eq!(test.committer.begin(to("d")).ask(Phase::Save), Verdict::CONTINUE);
    test.pass.send(()).unwrap();
    assert_eq!(test.entered.recv(), Ok(vec![true, false]));
    test.pass.send(()).unwrap();
    for mail in &mut mails {
        assert_eq!(mail.wait(), Verdict::CONTINUE);
    }
    assert_eq!(test.committer.histogram("settled_batch_messages"), [1.0, 2.0]);
}

#[test]
fn each_is_settled_on_its_own() {
    let test = committer();
    (0..2).for_each(|_| test.pass.send(()).unwrap());
    let full = test.committer.deliver(to("full"));
    assert_eq!((full.kind.clone(), full.code()), (Kind::Defer, Some(452)));
    let dropped = test.committer.deliver(to("a").header("X-Drop", "1"));
    assert_eq!(*dropped, Answer { kind: Kind::Defer, reply: None });
}

#[test]
fn a_panic_defers_what_was_in_hand_and_the_thread_lives_on() {
    let test = committer();
    let mut first = settle(&test, to("a"), &Verdict::CONTINUE);
    test.entered.recv().unwrap();
    let mut spoilt = ["panic", "b"].map(|name| settle(&test, to(name), &Verdict::CONTINUE));
    (0..3).for_each(|_| test.pass.send(()).unwrap());
    assert_eq!(first.wait(), Verdict::CONTINUE);
    for mail in &mut spoilt {
        assert!(mail.wait().is_deferred());
    }
    assert!(test.committer.deliver(to("c")).is_accepted());
    assert!(test.committer.has_logged("panicked in settled_batch: gone wrong in the end"));
}

#[test]
fn drain_waits_for_the_end_and_after_a_stop_it_is_deferred() {
    let test = committer();
    let mut settled = settle(&test, to("a"), &Verdict::CONTINUE);
    std::thread::scope(|scope| {
        scope.spawn(|| test.committer.drain(60_000));
        test.pass.send(()).unwrap();
    });
    assert_eq!(test.entered.try_iter().count(), 1);
    assert_eq!(settled.wait(), Verdict::CONTINUE);

    let mut late = test.committer.begin(to("b"));
    assert_eq!(late.ask(Phase::Save), Verdict::CONTINUE);
    test.committer.stop();
    assert_eq!(late.settle(&Verdict::CONTINUE), Verdict::DEFER);
}

#[test]
fn one_that_settles_alone_is_asked_for_each() {
    struct Alone;
    impl BatchPlugin for Alone {
        const NAME: &'static str = "Alone";
        const EVENTS: &'static [Event] = &[Event::Settled];
        const AWAITS_SETTLED: bool = true;
        const SETTLES_BATCHES: bool = true;
        type Config = NoConfig;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> {
            Ok(Self)
        }
        fn save_batch(&self, batch: Batch) {
            batch.complete(|| Verdict::CONTINUE);
        }
        fn settled(&self, txn: Transaction<'_>) -> Verdict {
            if txn.sender() == Some("") { Verdict::DEFER } else { Verdict::CONTINUE }
        }
    }
    let alone = Harness::<Batched<Alone>>::new("{}").unwrap();
    assert!(alone.deliver(Mail::new()).is_accepted());
    assert!(alone.deliver(Mail::new().from("")).is_deferred());
    assert_eq!(Batched::<Alone>::EVENTS, [Event::Settled]);
}
