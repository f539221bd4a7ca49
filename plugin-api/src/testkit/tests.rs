use super::*;
use crate::host::{Host, Level};
use crate::plugin::Plugin;
use crate::refused::Refused;
use crate::transaction::Transaction;
use crate::verdict::{Reply, Verdict};
use crate::vocabulary::{Event, Phase, Scope};

#[derive(serde::Deserialize)]
struct Config {
    #[serde(default)]
    fail: String,
}

/// Uses everything that a plugin can use, and writes down what it sees.
struct Everything {
    host: Host,
    fail: String,
}

impl Plugin for Everything {
    const NAME: &'static str = "Everything";
    const PHASES: &'static [Phase] =
        &[Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt, Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Opened, Event::Closed, Event::Settled];
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{"fail":{}}}"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        match config.fail.as_str() {
            "create" => Err("fail: not\ntoday".to_owned()),
            "panic" => panic!("not at all"),
            _ => Ok(Self { host, fail: config.fail }),
        }
    }

    fn start(&self) -> Result<(), String> {
        if self.fail == "start" { Err("no such directory".to_owned()) } else { Ok(()) }
    }

    fn opened(&self, txn: Transaction<'_>) {
        self.host.debug(format_args!("opened {}", txn.session_id()));
    }

    fn connect(&self, txn: Transaction<'_>) -> Verdict {
        assert_eq!((txn.helo(), txn.sender()), (None, None));
        if txn.remote_ip() == "192.0.2.66" { Verdict::DISCONNECT } else { Verdict::CONTINUE }
    }

    fn helo(&self, mut txn: Transaction<'_>) -> Verdict {
        assert_eq!(txn.set_subject("too early"), Err(Refused::Unsupported));
        let helo = txn.helo().unwrap_or_default().to_owned();
        assert_eq!(txn.set_note(Scope::Session, "helo", helo.as_bytes()), Ok(()));
        Verdict::CONTINUE
    }

    fn mail(&self, txn: Transaction<'_>) -> Verdict {
        assert_eq!(txn.recipients().len(), 0);
        let parameters: Vec<_> = txn.sender_parameters().collect();
        assert_eq!(parameters, [("BODY", Some("8BITMIME"))]);
        match txn.sender_domain() {
            Some("refused.example") => Verdict::reject(Reply::new(550, "5.7.1", "Not you")),
            _ => Verdict::CONTINUE,
        }
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        assert_eq!(txn.body(), b"");
        for to in txn.recipients() {
            let (local_part, domain) = (to.local_part(), to.domain());
            self.host.debug(format_args!("rcpt <{}> {local_part} at {domain}", to.address()));
        }
        match txn.recipients().next_back().map(crate::Recipient::local_part) {
            Some("un known") => Verdict::REJECT,
            _ => Verdict::CONTINUE,
        }
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let answer = txn.header("x-answer").map(<[u8]>::to_vec).unwrap_or_default();
        assert_eq!(txn.note(Scope::Session, "helo"), Some(&b"client.example.com"[..]));
        assert_eq!(txn.add_header("X Y", "breaks"), Err(Refused::BadValue));
        assert_eq!(txn.add_header("X:", "breaks"), Err(Refused::BadValue));
        assert_eq!(txn.add_header("X-Two", "1\r\nX-Three: 2"), Err(Refused::BadValue));
        assert_eq!(txn.add_header("X-Folded", "1\r\n 2"), Ok(()));
        assert_eq!(txn.remove_header("x-answer"), usize::from(!answer.is_empty()));
        assert_eq!(txn.set_delivery_header("Delivered-To: x"), Err(Refused::BadValue));
        assert_eq!(txn.set_delivery_header("Delivered-To: x\r\n"), Ok(()));
        assert_eq!(txn.set_queued_id("not printable\n"), Err(Refused::BadValue));
        assert_eq!((txn.push_hash("abc"), txn.set_subject("S")), (Ok(()), Ok(())));
        assert_eq!(txn.set_note(Scope::Mail, "seen", b"yes"), Ok(()));
        assert_eq!(txn.set_recipient(9, &Verdict::REJECT), Err(Refused::BadValue));
        self.host.observe("size", txn.body().len() as f64);
        self.host.gauge("load", 0.5);
        txn.log(Level::Info, format_args!("each: {}", txn.answers_each()));
        match answer.as_slice() {
            b"panic" => panic!("gone wrong"),
            b"contradict" => Verdict::reject(Reply::new(250, "", "yes and no")),
            b"pend" => Verdict::PENDING,
            b"first only" => {
                let full = Verdict::defer(Reply::new(452, "4.2.2", "Full"));
                assert_eq!(txn.set_recipient(1, &full), Ok(()));
                Verdict::CONTINUE
            }
            b"late" => {
                let held = txn.hold();
                let thread = std::thread::spawn(|| {
                    held.map(|held| {
                        held.log(Level::Warn, format_args!("late"));
                        held.complete(Verdict::ACCEPT);
                    })
                });
                assert!(thread.join().is_ok());
                Verdict::PENDING
            }
            b"held and refused" => {
                if let Some(held) = txn.hold() {
                    held.complete(Verdict::accept(Reply::new(250, "2.0.0", "by whoever holds it")));
                }
                Verdict::reject(Reply::new(550, "5.0.0", "by the call"))
            }
            _ => Verdict::CONTINUE,
        }
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        assert!(txn.hold().is_none(), "nobody waits for it");
        self.host.count("settled", 1);
        Verdict::DEFER
    }

    fn closed(&self, _: Transaction<'_>) {
        self.host.debug(format_args!("closed"));
    }
}

fn everything() -> Harness<Everything> {
    Harness::new("{}").unwrap()
}

fn mail() -> Mail {
    Mail::new().from_parameters("BODY=8BITMIME")
}

#[test]
fn a_message_goes_through_all_phases() {
    let harness = everything();
    let mut client = harness.connect(Session::new());
    let delivery = client.deliver(mail().subject("hello").body("Hello.\r\n"));
    assert_eq!(*delivery, Verdict::CONTINUE, "nobody awaits settled");
    let stored = "Delivered-To: x\r\nX-Folded: 1\r\n 2\r\nSubject: hello\r\n\r\nHello.\r\n";
    assert_eq!(String::from_utf8_lossy(&delivery.mail.stored()), stored);
    assert_eq!(delivery.mail.header("subject").as_deref(), Some("hello"));
    assert_eq!(delivery.mail.hashes(), ["abc"]);
    assert_eq!(delivery.mail.subject().as_deref(), Some("S"));
    assert_eq!(delivery.mail.note(Scope::Mail, "seen").as_deref(), Some(&b"yes"[..]));
    assert!(delivery.mail.queued_id().starts_with("mail-"));
    assert_eq!((harness.histogram("size").len(), harness.gauge("load")), (1, Some(0.5)));
    assert_eq!(harness.counter("settled"), 1);
    assert!(!harness.has_logged("closed"));
    drop(client);
    assert!(harness.has_logged("closed"));
}

#[test]
fn answers_are_read_as_the_daemon_reads_them() {
    let harness = everything();
    for (answer, kind) in [
        ("panic", Kind::Fault("panicked in save: gone wrong".to_owned())),
        ("contradict", Kind::Fault("chose the reply 250 for the verdict Reject".to_owned())),
        ("pend", Kind::Fault("answered PENDING without a hold".to_owned())),
        ("late", Kind::Accept),
    ] {
        let delivery = harness.deliver(mail().header("X-Answer", answer));
        assert_eq!(delivery.kind, kind);
        assert_eq!(delivery.mail.header("X-Answer"), None);
    }
}

/// Another thread may be at the transaction by then: nothing that a safe plugin returns makes its SDK touch it.
#[test]
fn a_verdict_behind_a_hold_touches_nothing() {
    let harness = everything();
    let delivery = harness.deliver(mail().header("X-Answer", "held and refused"));
    assert_eq!(delivery.kind, Kind::Accept);
    assert_eq!(delivery.text(), Some("by whoever holds it"));
    assert!(harness.has_logged("PENDING"), "{:?}", harness.log());
}

#[test]
fn a_refusal_ends_the_way() {
    let harness = everything();
    let mut refused = harness.connect(Session::new().remote_ip("192.0.2.66"));
    assert_eq!(*refused.answer(), Verdict::DISCONNECT);
    assert_eq!(refused.deliver(mail()).kind, Kind::Disconnect);

    let sender = harness.deliver(mail().from("a@refused.example"));
    assert_eq!((sender.code(), sender.text()), (Some(550), Some("Not you")));

    let some = harness.deliver(mail().to("\"un known\"@example.net").to("b@example.net"));
    assert!(some.is_accepted());
    assert_eq!(some.refused.len(), 1);
    assert!(harness.deliver(mail().to("\"un\\ known\"@example.net")).is_rejected());
    assert_eq!(harness.counter("settled"), 1);
}

#[test]
fn recipients_are_merged_unless_the_client_hears_of_each() {
    let harness = everything();
    let mail = || mail().header("X-Answer", "first only").to("a@b.example").to("c@d.example");
    let smtp = harness.deliver(mail());
    assert_eq!((smtp.code(), smtp.answer_to(0).code()), (Some(452), Some(452)));
    let mut client = harness.connect(Session::new().lmtp().tls("TLSv1.3"));
    let lmtp = client.deliver(mail());
    assert!(lmtp.is_accepted() && lmtp.answer_to(0).is_accepted());
    assert_eq!(lmtp.answer_to(1).to_string(), "Defer: 452 4.2.2 Full");
}

/// As in the daemon: see `Recipient::domain`.
#[test]
fn a_bare_postmaster_is_at_the_server() {
    let harness = everything();
    let mut client = harness.connect(Session::new().server_name("mx.test"));
    assert!(client.deliver(mail().to("PostMaster")).is_accepted());
    assert!(harness.has_logged("rcpt <PostMaster@mx.test> PostMaster at mx.test"));
}

#[test]
fn a_bad_configuration_is_the_harness_error() {
    for (config, error) in [
        (r#"{"fail": "create"}"#, "fail: not today"),
        (r#"{"fail": "panic"}"#, "panicked in create: not at all"),
        (r#"{"fail": "start"}"#, "no such directory"),
        (r#"{"fail": 5}"#, "fail: invalid type: integer `5`, expected a string"),
        (r#"{"fial": ""}"#, "fial: not among the properties in CONFIG_SCHEMA of Everything"),
        ("[]", "the configuration must be a JSON object"),
    ] {
        assert_eq!(Harness::<Everything>::new(config).err().as_deref(), Some(error));
    }
}

#[test]
#[should_panic(expected = "does not name Rcpt in PHASES")]
fn a_phase_that_is_not_named_is_never_asked() {
    struct SaveOnly;
    impl Plugin for SaveOnly {
        const NAME: &'static str = "SaveOnly";
        const PHASES: &'static [Phase] = &[Phase::Save];
        type Config = crate::NoConfig;
        fn create(_: Host, _: crate::NoConfig) -> Result<Self, String> {
            Ok(Self)
        }
    }
    let harness = Harness::<SaveOnly>::new("{}").unwrap();
    harness.begin(Mail::new()).ask(Phase::Rcpt);
}

#[test]
fn lines_about_a_transaction_have_its_session() {
    let harness = everything();
    let mut client = harness.connect(Session::new().lmtp());
    client.deliver(mail().header("X-Answer", "late"));
    let opened = harness.log().remove(0);
    assert_eq!((opened.text.as_str(), opened.session), ("opened session-1", None));
    for (level, text) in [(Level::Info, "each: true"), (Level::Warn, "late")] {
        let (text, session) = (text.to_owned(), Some("session-1".to_owned()));
        assert!(harness.log().contains(&LogLine { level, module: String::new(), text, session }));
    }
}

#[test]
fn the_log_has_a_level() {
    let harness = everything();
    harness.set_log_level(Level::Info);
    drop(harness.connect(Session::new()));
    assert_eq!(harness.log(), []);
}

#[test]
fn the_time_left_ends_before_the_deadline() {
    /// Leaves it as the queued id.
    struct Waiting;
    impl Plugin for Waiting {
        const NAME: &'static str = "Waiting";
        const PHASES: &'static [Phase] = &[Phase::Save];
        type Config = crate::NoConfig;
        fn create(_: Host, _: crate::NoConfig) -> Result<Self, String> {
            Ok(Self)
        }
        fn save(&self, mut txn: Transaction<'_>) -> Verdict {
            let left = txn.time_left().as_millis().to_string();
            txn.set_queued_id(&left).unwrap();
            Verdict::UNSTORED
        }
    }
    let harness = Harness::<Waiting>::new("{}").unwrap();
    for (deadline, left) in [(30_000, "29000"), (4_000, "3000"), (2_000, "1500"), (0, "0")] {
        let mut client = harness.connect(Session::new().deadline_ms(deadline));
        let mut transit = client.begin(Mail::new());
        let answer = transit.ask(Phase::Save);
        assert_eq!((transit.queued_id().as_str(), answer.code()), (left, Some(451)));
    }
}
