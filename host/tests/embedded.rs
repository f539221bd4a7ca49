//! The daemon as a program has it inside: processors in code, changes, several at once.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use guerrilla::config::{Change, Config};
use guerrilla::daemon::{Daemon, Ended, StartError};
use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Transaction, Verdict};
use tokio::sync::broadcast::error::RecvError;

/// Hands each mail to the test.
struct Inbox(Sender<String>);

impl Plugin for Inbox {
    const NAME: &'static str = "Inbox";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Err("the test makes it".to_owned())
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let mail =
            format!("{} {}", txn.sender().unwrap_or_default(), String::from_utf8_lossy(txn.body()));
        self.0.send(mail).map_or(Verdict::DEFER, |()| Verdict::CONTINUE)
    }
}

fn config(host: &str, chain: &str) -> Config {
    let text = format!(
        r#"{{"allowed_hosts": ["{host}"], "backend_config": {{"save_process": "{chain}"}},
            "servers": [{{"is_enabled": true, "listen_interface": "127.0.0.1:0"}}]}}"#
    );
    Config::from_json(&text, "test").expect("a good config").config
}

fn with_inbox(config: Config) -> (Daemon, Receiver<String>) {
    let (sender, mails) = channel();
    let builder = Daemon::builder().config(config);
    let daemon = builder.processor_by(move |_, _| Ok(Inbox(sender.clone()))).start();
    (daemon.expect("to start"), mails)
}

/// Sends one mail; the last reply.
fn send(to: SocketAddr, recipient: &str) -> String {
    let mut wire = TcpStream::connect(to).expect("the daemon listens");
    wire.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut lines = BufReader::new(wire.try_clone().expect("a socket")).lines();
    let mut reply = || lines.next().expect("a reply").expect("readable");
    reply();
    let rcpt = format!("RCPT TO:<{recipient}>\r\n");
    let mut last = String::new();
    for command in [
        "HELO client.example\r\n",
        "MAIL FROM:<a@example.com>\r\n",
        &rcpt,
        "DATA\r\n",
        "x\r\n.\r\n",
    ] {
        wire.write_all(command.as_bytes()).expect("the daemon reads");
        last = reply();
        if !last.starts_with(['2', '3']) {
            break;
        }
    }
    last
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn mail_arrives_in_the_program() {
    let (daemon, mails) = with_inbox(config("example.org", "Inbox"));
    let reply = send(daemon.addresses()[0], "you@example.org");
    assert!(reply.starts_with("250 2.0.0 OK: queued as "), "{reply}");
    assert_eq!(mails.recv_timeout(SOON).expect("a mail"), "a@example.com x\r\n");
    assert_eq!(daemon.shutdown(SOON).await, Ended::Drained);
}

#[tokio::test]
async fn two_in_one_program_do_not_disturb_each_other() {
    let (one, first) = with_inbox(config("one.example", "Inbox"));
    let (mut two, second) = with_inbox(config("two.example", "Inbox"));
    let [here, there] = [&one, &two].map(|daemon| daemon.addresses()[0]);
    assert!(send(here, "you@two.example").starts_with("550 5.7.1 "));
    assert!(send(there, "you@two.example").starts_with("250 "));
    two.reload(config("three.example", "Header|Inbox")).await.expect("reloaded");
    assert!(send(here, "you@one.example").starts_with("250 "));
    assert_eq!(one.shutdown(SOON).await, Ended::Drained);
    assert!(send(there, "you@three.example").starts_with("250 "));
    assert_eq!((first.try_iter().count(), second.try_iter().count()), (1, 2));
    assert_eq!(two.shutdown(SOON).await, Ended::Drained);
}

#[tokio::test]
async fn changes_are_told_and_nobody_is_waited_for() {
    let (mut daemon, _mails) = with_inbox(config("one.example", "Inbox"));
    let (mut changes, mut idle) = (daemon.subscribe(), daemon.subscribe());
    let told = daemon.reload(config("two.example", "Inbox")).await.expect("reloaded");
    assert_eq!(told, [Change::Config, Change::AllowedHosts]);
    for change in told {
        assert_eq!(changes.recv().await.expect("a change"), change);
    }
    // A subscriber that never reads loses what is old.
    for number in 0..1000 {
        let host = format!("host{number}.example");
        daemon.reload(config(&host, "Inbox")).await.expect("reloaded");
    }
    assert!(matches!(idle.recv().await, Err(RecvError::Lagged(_))));
    assert_eq!(daemon.shutdown(SOON).await, Ended::Drained);
    assert!(matches!(
        changes.try_recv(),
        Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_))
    ));
}

#[tokio::test]
async fn a_reload_that_cannot_be_done_changes_nothing() {
    let (mut daemon, _mails) = with_inbox(config("one.example", "Inbox"));
    let error = daemon.reload(config("two.example", "Inbex")).await.expect_err("no such processor");
    assert!(error.to_string().contains("did you mean Inbox?"), "{error}");
    assert!(send(daemon.addresses()[0], "you@one.example").starts_with("250 "));
    assert_eq!(daemon.config().allowed_hosts, config("one.example", "Inbox").allowed_hosts);
    assert_eq!(daemon.shutdown(SOON).await, Ended::Drained);
}

#[tokio::test]
async fn it_waits_until_it_is_stopped() {
    let (daemon, _mails) = with_inbox(config("one.example", "Inbox"));
    let (stopper, made) = (daemon.stopper(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&made);
    let waiting = tokio::spawn(async move {
        let ended = daemon.wait(SOON).await;
        counter.fetch_add(1, Ordering::Relaxed);
        ended
    });
    tokio::task::yield_now().await;
    assert_eq!(made.load(Ordering::Relaxed), 0);
    stopper.stop();
    assert_eq!(waiting.await.expect("no panic"), Ended::Drained);
}

/// A processor that calls itself what another is called is refused, whichever is meant.
#[test]
fn names_are_given_once() {
    struct Header;
    impl Plugin for Header {
        const NAME: &'static str = "header";
        const PHASES: &'static [Phase] = &[Phase::Save];
        const BLOCKING: Blocking = Blocking::Never;
        type Config = NoConfig;

        fn create(_: Host, _: NoConfig) -> Result<Self, String> {
            Ok(Self)
        }
    }
    let refused = Daemon::builder().processor::<Header>().start().map(|_| ());
    assert!(matches!(refused, Err(StartError::Chains(why)) if why.contains("processor header")));
}

/// Says that it never blocks, and does, until its channel is closed.
struct HangsInline {
    begun: Sender<()>,
    released: Mutex<Receiver<()>>,
}

impl Plugin for HangsInline {
    const NAME: &'static str = "HangsInline";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Err("the test makes it".to_owned())
    }

    fn save(&self, _: Transaction<'_>) -> Verdict {
        let _ = self.begun.send(());
        let _ = self.released.lock().expect("no panic").recv_timeout(SOON);
        Verdict::DEFER
    }
}

/// The thread of a connection is in the processor's hands for good; the end does not wait for it, nor take another.
#[tokio::test]
async fn a_processor_that_hangs_inline_does_not_hold_up_the_end() {
    let (begun, begins) = channel();
    let (release, released) = channel();
    let made = Mutex::new(Some(HangsInline { begun, released: Mutex::new(released) }));
    let builder = Daemon::builder().config(config("example.org", "HangsInline"));
    let daemon = builder
        .processor_by(move |_, _| {
            made.lock().expect("no panic").take().ok_or_else(|| "one only".into())
        })
        .start()
        .expect("to start");
    let address = daemon.addresses()[0];
    let client = std::thread::spawn(move || send(address, "you@example.org"));
    begins.recv_timeout(SOON).expect("the mail");
    let begin = Instant::now();
    assert_eq!(daemon.shutdown(Duration::from_millis(100)).await, Ended::Cut(1));
    assert!(begin.elapsed() < SOON / 2, "after {:?}", begin.elapsed());
    drop(release);
    // It hears 451, or is cut off before.
    if let Ok(reply) = client.join() {
        assert!(reply.starts_with("451 "), "{reply}");
    }
}
