use std::time::Duration;

use super::*;
use crate::plugin::{NoConfig, Plugin};
use crate::testkit::{Harness, InTransit, Kind, Mail};
use crate::verdict::Reply;

/// Does what the recipient says.
struct Lookup {
    host: Host,
}

impl AsyncPlugin for Lookup {
    const NAME: &'static str = "Lookup";
    const PHASES: &'static [Phase] = &[Phase::Rcpt, Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    type Config = NoConfig;

    fn create(host: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    async fn start(&self) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }

    async fn rcpt(&self, held: &mut Held) -> Verdict {
        let txn = held.transaction();
        let name = txn.recipients().next_back().map(crate::Recipient::local_part);
        // A text that the transaction lends lives across the wait.
        tokio::task::yield_now().await;
        match name {
            Some("unknown") => Verdict::reject(Reply::new(550, "5.1.1", "Unknown")),
            Some("panics") => panic!("gone wrong in a task"),
            Some("never") => std::future::pending().await,
            _ => Verdict::CONTINUE,
        }
    }

    async fn save(&self, held: &mut Held) -> Verdict {
        tokio::task::yield_now().await;
        self.host.count("saved", 1);
        match held.transaction().add_header("X-Saved", "in a task") {
            Ok(()) => Verdict::CONTINUE,
            Err(_) => Verdict::DEFER,
        }
    }

    async fn settled(&self, txn: Transaction<'_>) -> Verdict {
        tokio::time::sleep(Duration::from_millis(1)).await;
        match txn.header("X-Fails-To-Settle") {
            Some(b"by a panic") => panic!("gone wrong at the end"),
            Some(_) => Verdict::DEFER,
            None => Verdict::CONTINUE,
        }
    }

    async fn stop(&self) {
        self.host.info(format_args!("stopped"));
    }
}

fn harness() -> Harness<Async<Lookup>> {
    Harness::new("{}").unwrap()
}

fn ask<'a>(lookup: &'a Harness<Async<Lookup>>, to: &str) -> InTransit<'a, Async<Lookup>> {
    let mut mail = lookup.begin(Mail::new().to(&format!("{to}@example.net")));
    assert_eq!(mail.submit(Phase::Rcpt), None, "a question must not wait for its task");
    mail
}

#[test]
fn questions_are_tasks() {
    let lookup = harness();
    let refused = lookup.deliver(Mail::new().to("unknown@example.net"));
    assert_eq!(refused.code(), Some(550));
    let kept = lookup.deliver(Mail::new());
    assert!(kept.is_accepted());
    assert_eq!(kept.mail.header("X-Saved").as_deref(), Some("in a task"));
    assert!(lookup.deliver(Mail::new().header("X-Fails-To-Settle", "1")).is_deferred());
    assert_eq!(lookup.counter("saved"), 2);
}

#[test]
fn an_awaited_end_is_a_task() {
    let lookup = harness();
    let mut mail = lookup.begin(Mail::new());
    assert_eq!(mail.submit_settled(&Verdict::CONTINUE), None, "the end must not wait for its task");
    assert_eq!(mail.wait(), Verdict::CONTINUE);
    let panics = lookup.deliver(Mail::new().header("X-Fails-To-Settle", "by a panic"));
    assert!(panics.is_deferred());
    let line = lookup.log().pop().unwrap();
    assert!(line.text.starts_with("panicked in settled: gone wrong at the end"), "{line:?}");
    assert!(line.session.is_some(), "{line:?}");
}

#[test]
fn a_panic_defers_and_the_others_go_on() {
    let lookup = harness();
    let mut spoilt = ask(&lookup, "panics");
    let mut fine = ask(&lookup, "a");
    let Kind::Fault(why) = spoilt.wait().kind else { panic!("no fault") };
    assert!(why.starts_with("panicked in rcpt: gone wrong in a task"), "{why}");
    assert_eq!(fine.wait().kind, Kind::Continue);
    assert!(lookup.has_logged("panicked in rcpt: gone wrong in a task"));
}

#[test]
fn what_is_cancelled_is_deferred() {
    let lookup = harness();
    lookup.drain(60_000);
    let mut fine = ask(&lookup, "a");
    assert_eq!(fine.wait().kind, Kind::Continue);
    drop(fine);

    let other = harness();
    let mut stuck = ask(&other, "never");
    other.drain(0);
    other.stop();
    assert_eq!(stuck.wait().kind, Kind::Defer);
    assert!(other.has_logged("stopped"));

    lookup.stop();
    let mut late = lookup.begin(Mail::new());
    assert_eq!(late.ask(Phase::Save).kind, Kind::Defer, "nobody would run it");
}

#[test]
fn it_works_on_a_thread_of_another_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let accepted = runtime.block_on(async { harness().deliver(Mail::new()).is_accepted() });
    assert!(accepted);
}

#[test]
fn questions_never_block_and_events_may() {
    assert_eq!(Async::<Lookup>::NEVER_BLOCKS_IN, Async::<Lookup>::PHASES);
    assert_eq!(Async::<Lookup>::BLOCKING, crate::Blocking::Short);
}
