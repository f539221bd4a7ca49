//! SIGHUP: what changes, for whom, and that a bad configuration changes nothing.

use std::fs;
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Control, Daemon, EndOfLoad, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

fn server(listen: &str) -> Value {
    json!({ "is_enabled": true, "listen_interface": listen, "host_name": "second.example" })
}

fn servers(config: &mut Value) -> &mut Vec<Value> {
    config["servers"].as_array_mut().expect("an array")
}

#[track_caller]
fn assert_refused(daemon: &Daemon, parts: &[&str]) {
    let refused = daemon.reload().expect_err("to be refused");
    for part in parts {
        assert!(refused.iter().any(|line| line.contains(part)), "{part} in {refused:?}");
    }
}

#[test]
fn without_a_change_nothing_changes() {
    let daemon = Setup::new().start();
    let mut client = daemon.client();
    assert_eq!(daemon.reload().expect("reloaded"), [""; 0]);
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

/// go-guerrilla: immediate, also for open connections. A transaction that has begun keeps what it began with.
#[test]
fn allowed_hosts_count_from_the_next_transaction_on() {
    let daemon = Setup::new().start();
    let (mut open, mut idle) = (daemon.client(), daemon.client());
    open.expect("MAIL FROM:<a@example.com>", "250");
    daemon.edit(|config| config["allowed_hosts"] = json!(["new.test"]));
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(changes, ["config_change:allowed_hosts", "config_change:new_config"]);
    open.expect("RCPT TO:<test@example.test>", "250");
    open.expect("RSET", "250");
    for client in [&mut open, &mut idle] {
        client.expect("MAIL FROM:<a@example.com>", "250");
        client.expect("RCPT TO:<test@example.test>", "550 5.7.1 ");
        client.expect("RCPT TO:<test@new.test>", "250");
    }
    daemon.stop();
}

#[test]
fn servers_come_and_go() {
    let daemon = Setup::new().start();
    let mut old = daemon.client();
    daemon.edit(|config| servers(config).push(server("127.0.0.2:0")));
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(changes, ["config_change:new_config", "server_change:new_server 127.0.0.2:0"]);
    let second = daemon.new_address();
    let mut client = Client::introduced(second);
    client.envelope("a@example.com", &["test@example.test"]);
    client.expect("DATA", "354");

    daemon.edit(|config| servers(config)[1]["is_enabled"] = false.into());
    let changes = daemon.reload().expect("reloaded");
    assert!(changes.contains(&"server_change:stop_server 127.0.0.2:0".to_owned()), "{changes:?}");
    assert!(TcpStream::connect(second).is_err(), "nobody listens");
    // The message in hand is finished and answered.
    client.send(MESSAGE);
    client.expect(".", "250 2.0.0 ");
    client.expect_reply("421 ");
    client.expect_end();

    // Disabled, then removed: go-guerrilla's signals were dead from here on.
    daemon.edit(|config| drop(servers(config).pop()));
    let changes = daemon.reload().expect("reloaded");
    assert!(changes.contains(&"server_change:remove_server 127.0.0.2:0".to_owned()), "{changes:?}");
    daemon.edit(|config| servers(config).push(server("127.0.0.3:0")));
    daemon.reload().expect("reloaded");
    Client::introduced(daemon.new_address()).expect("QUIT", "221 ");
    old.expect("NOOP", "250 ");
    daemon.stop();
}

/// The new address contains the old one: both cannot be bound at once by two programs, but by us.
#[test]
fn a_server_moves_to_an_address_that_contains_its_own() {
    let daemon = Setup::new().start();
    let port = daemon.address().port();
    for listen in
        [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}")]
    {
        daemon.edit(|config| servers(config)[0]["listen_interface"] = listen.as_str().into());
        daemon.reload().expect("reloaded");
        Client::introduced(([127, 0, 0, 1], port).into()).expect("QUIT", "221 ");
    }
    daemon.stop();
}

#[test]
fn settings_of_a_server_are_for_those_who_come() {
    let daemon = Setup::new().start();
    let mut old = daemon.client();
    daemon.edit(|config| {
        let server = &mut servers(config)[0];
        server["max_size"] = 1000.into();
        server["host_name"] = "renamed.example".into();
        server["max_clients"] = 2.into();
    });
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(
        changes,
        [
            "config_change:new_config",
            "server_change:max_clients 127.0.0.1:0",
            "server_change:update_config 127.0.0.1:0"
        ]
    );
    let mut new = daemon.client();
    new.expect("MAIL FROM:<a@example.com> SIZE=2000", "552 5.3.4 ");
    old.expect("MAIL FROM:<a@example.com> SIZE=2000", "250 ");
    // Who was there before counts.
    Client::connect(daemon.address()).expect_reply("421 ");
    assert!(new.ask("EHLO again.example").starts_with("250-renamed.example "));
    daemon.stop();
}

#[test]
fn the_timeout_of_one_server_is_not_that_of_another() {
    let daemon = Setup::new().another_server(server("127.0.0.2:0")).start();
    daemon.edit(|config| servers(config)[1]["timeout"] = 1.into());
    daemon.reload().expect("reloaded");
    let [first, second] = [0, 1].map(|server| daemon.addresses()[server]);
    let mut patient = Client::introduced(first);
    let mut hurried = Client::introduced(second);
    hurried.expect_reply("421 4.4.2 ");
    patient.expect("NOOP", "250 ");
    daemon.stop();
}

#[test]
fn the_pid_file_moves() {
    let setup = Setup::without_plugins();
    let [old, new] = ["old.pid", "new.pid"].map(|name| setup.dir().join(name));
    let daemon = setup.top("pid_file", "old.pid").start();
    daemon.edit(|config| config["pid_file"] = "no/such/dir".into());
    assert_refused(&daemon, &["pid_file no/such/dir: "]);
    assert!(old.exists());
    daemon.edit(|config| config["pid_file"] = "new.pid".into());
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(changes, ["config_change:new_config", "config_change:pid_file"]);
    assert_eq!(fs::read_to_string(&new).expect("written"), daemon.pid().to_string());
    assert!(!old.exists(), "the old one is removed");
    daemon.stop();
    assert!(!new.exists());
}

/// It is locked by the daemon itself, which is no reason to refuse another name for it.
#[test]
fn the_pid_file_under_another_name() {
    let setup = Setup::without_plugins();
    std::os::unix::fs::symlink(".", setup.dir().join("here")).expect("our own directory");
    let file = setup.dir().join("daemon.pid");
    let daemon = setup.top("pid_file", "daemon.pid").start();
    for name in ["./daemon.pid", "here/daemon.pid", "daemon.pid"] {
        daemon.edit(|config| config["pid_file"] = name.into());
        daemon.reload().unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        assert_eq!(fs::read_to_string(&file).expect("still there"), daemon.pid().to_string());
    }
    daemon.edit(|config| config["pid_file"] = "here/daemon.pid".into());
    daemon.reload().expect("reloaded");
    daemon.stop();
    assert!(!file.exists());
}

/// What the log is to say, and what makes a configuration that bad.
type Wrong = (&'static [&'static str], Box<dyn Fn(&mut Value)>);

#[test]
fn whatever_is_wrong_changes_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("bound").to_string();
    let daemon = Setup::new().start();
    let good = fs::read_to_string(daemon.dir().join("guerrillad.json")).expect("there");
    let mut client = daemon.client();
    let wrongs: [Wrong; 7] = [
        (&["servers[0].max_size"], Box::new(|config| servers(config)[0]["max_size"] = "x".into())),
        (
            &["save_process", "no processor \"MailDri\"", "MailDir"],
            Box::new(|config| config["backend_config"]["save_process"] = "Header|MailDri".into()),
        ),
        (
            &["maildir_path"],
            Box::new(|config| config["backend_config"]["maildir_path"] = json!({"a": 1})),
        ),
        (
            &["FailsToStart: cannot start"],
            Box::new(|config| {
                config["backend_config"]["save_process"] = "MailDir|FailsToStart".into();
            }),
        ),
        (
            &["servers[1].listen_interface", "in use"],
            Box::new(move |config| servers(config).push(server(&taken))),
        ),
        (
            &["servers[0].tls", "/no/such.pem"],
            Box::new(|config| {
                servers(config)[0]["tls"] = json!({"start_tls_on": true,
                    "private_key_file": "/no/such.key", "public_key_file": "/no/such.pem"});
            }),
        ),
        (
            &["log_file: cannot open /no/such/dir/log"],
            Box::new(|config| config["log_file"] = "/no/such/dir/log".into()),
        ),
    ];
    for (parts, spoil) in wrongs {
        daemon.edit(|config| {
            spoil(config);
            // Would be seen, if anything of it were taken.
            config["allowed_hosts"] = json!(["elsewhere.test"]);
        });
        assert_refused(&daemon, parts);
        daemon.put_config(&good);
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{parts:?}: {reply}");
    }
    daemon.put_config("{ not JSON");
    assert_refused(&daemon, &["guerrillad.json: line 1"]);
    fs::remove_file(daemon.dir().join("guerrillad.json")).expect("there");
    assert_refused(&daemon, &["guerrillad.json: cannot be read"]);
    Client::introduced(daemon.address()).expect("QUIT", "221 ");
    daemon.stop();
}

/// A plugin that never comes to an end of its start does not keep the daemon from ending.
#[test]
fn a_reload_that_hangs_can_be_ended() {
    let control = Control::new();
    let mut daemon = Setup::chain("Header|MailDir").control(&control).start();
    daemon.edit(|config| {
        config["backend_config"]["save_process"] = "Header|HangsInStart|MailDir".into();
    });
    daemon.signal(Signal::SIGHUP);
    let waiting = control.waiting_in("start");
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "the old chain serves: {reply}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    // Who hangs has the log in hand, too.
    daemon.log().wait_for("INFO  ended");
    drop(waiting);
}

/// Every acknowledged message is kept, once, whatever is reloaded meanwhile.
#[test]
fn a_storm_of_reloads_loses_nothing() {
    const RELOADS: usize = 1000;
    let daemon = Setup::new().start();
    let (address, done) = (daemon.address(), std::sync::atomic::AtomicBool::new(false));
    let sent: usize = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut sent = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let mut client = Client::introduced(address);
                        for _ in 0..5 {
                            let reply =
                                client.mail("a@example.com", &["test@example.test"], MESSAGE);
                            assert!(reply.starts_with("250 2.0.0 "), "{reply}");
                            sent += 1;
                        }
                        client.expect("QUIT", "221 ");
                    }
                    sent
                })
            })
            .collect();
        let ending = EndOfLoad(&done);
        for number in 0..RELOADS {
            daemon.edit(|config| {
                config["backend_config"]["save_process"] =
                    ["Header|MailDir", "HeadersParser|MailDir"][number % 2].into();
                config["allowed_hosts"] = json!(["example.test", format!("{number}.test")]);
                servers(config)[0]["max_size"] = (1_000_000 + number).into();
                config["backend_config"]["maildir_line_ending"] =
                    ["lf", "crlf"][number / 2 % 2].into();
            });
            let changes = daemon.reload().expect("reloaded");
            assert!(changes.len() >= 4, "{changes:?}");
        }
        drop(ending);
        senders.into_iter().map(|sender| sender.join().expect("no panic")).sum()
    });
    assert!(sent > 0);
    assert_eq!(daemon.mails("test").len(), sent);
    assert!(daemon.unfinished("test").is_empty());
    daemon.stop();
}

/// One message is in the chain of the old settings while the new ones are taken: it ends where it began.
#[test]
fn a_message_in_flight_ends_in_the_chain_it_began_in() {
    let control = Control::new();
    let daemon = Setup::chain("Header|Hangs|MailDir").control(&control).start();
    let elsewhere = daemon.dir().join("elsewhere");
    let mut client = daemon.client();
    client.envelope("a@example.com", &["test@example.test"]);
    client.expect("DATA", "354");
    client.send(MESSAGE);
    client.send(".\r\n");
    let waiting = control.waiting_in("save");
    daemon.edit(|config| {
        let path = format!("{}/[user]", elsewhere.display());
        config["backend_config"]["maildir_path"] = path.into();
        config["backend_config"]["save_process"] = "Header|MailDir".into();
    });
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(changes, ["config_change:backend_config", "config_change:new_config"]);
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(fs::read_dir(elsewhere.join("test/new")).expect("the new maildir").count(), 1);
    assert_eq!(daemon.mails("test").len(), 0);
    drop(waiting);
    client.expect_reply("250 2.0.0 ");
    assert_eq!(daemon.mails("test").len(), 1, "where it was to go when it began");
    // The old stages end when the last message of theirs has.
    for stage in ["Hangs", "MailDir"] {
        daemon.log().wait_for(&format!("{stage}: its last message is done; stopped"));
    }
    daemon.stop();
}
