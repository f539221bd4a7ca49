//! Start, pid file, signals, end.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid};
use serde_json::json;

use crate::support::{Client, Control, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn the_pid_file_is_written_locked_and_removed() {
    let setup =
        Setup::without_plugins().flag("-p").flag("daemon.pid").top("pid_file", "ignored.pid");
    let file = setup.dir().join("daemon.pid");
    fs::write(&file, "1234567 left behind by a crash").expect("our own directory");
    let mut daemon = setup.start();
    let pid = fs::read_to_string(&file).expect("written before the daemon is ready");
    assert_eq!(pid, daemon.pid().to_string());
    assert!(!daemon.dir().join("ignored.pid").exists(), "the flag wins");

    let path = file.to_str().expect("UTF-8");
    let (code, lines) = Setup::without_plugins().flag("-p").flag(path).refused();
    assert_eq!(code, Some(1));
    let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
    assert!(line.contains(path) && line.contains("another guerrillad is running"), "{line}");
    assert_eq!(fs::read_to_string(&file).expect("still there"), pid);

    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    assert!(!file.exists());
}

#[test]
fn a_pid_file_that_cannot_be_written() {
    let (code, lines) = Setup::without_plugins().top("pid_file", "no/such/dir/pid").refused();
    assert_eq!(code, Some(1));
    assert!(lines.len() == 1 && lines[0].starts_with("pid_file no/such/dir/pid: "), "{lines:?}");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let daemon = Setup::without_plugins().start();
    // Its sockets let others of the same user join, which must not go unnoticed.
    let ours = daemon.address().to_string();
    for address in [address, ours] {
        let (code, lines) =
            Setup::without_plugins().server("listen_interface", address.as_str()).refused();
        assert_eq!(code, Some(1));
        let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
        for part in ["servers[0].listen_interface", &address, "listen elsewhere"] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    daemon.client().expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn several_servers_in_one_configuration() {
    let daemon = Setup::new()
        .another_server(json!({
                "is_enabled": true, "listen_interface": "127.0.0.2:0", "host_name": "second.example",
            }))
        .another_server(
            json!({ "listen_interface": "127.0.0.3:0", "host_name": "off.example", "is_enabled": false }),
        )
        .start();
    assert_eq!(daemon.addresses().len(), 2);
    for (address, name) in daemon.addresses().iter().zip(["mail.example.test", "second.example"]) {
        let mut client = Client::connect(*address);
        client.expect_reply(&format!("220 {name} "));
        client.expect("EHLO client.example", &format!("250-{name} "));
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    assert_eq!(daemon.mails("test").len(), 2);
    daemon.stop();
}

/// `[::]` serves both families, unless it is told to serve its own only.
#[test]
fn ipv6_alone_and_with_ipv4() {
    for (v6only, ipv4_served) in [(false, true), (true, false)] {
        let daemon = Setup::new()
            .another_server(json!({
                "is_enabled": true, "listen_interface": "[::]:0", "v6only": v6only,
            }))
            .start();
        let port = daemon.addresses()[1].port();
        let (mut ipv6, ipv4) = (
            Client::connect(([0, 0, 0, 0, 0, 0, 0, 1], port).into()),
            SocketAddr::from(([127, 0, 0, 1], port)),
        );
        ipv6.expect_reply("220 ");
        assert_eq!(TcpStream::connect(ipv4).is_ok(), ipv4_served, "v6only {v6only}");
        daemon.stop();
    }
}

#[test]
fn a_unix_socket() {
    let setup = Setup::new();
    let path = setup.dir().join("lmtp.sock");
    let listen = format!("unix:{}", path.display());
    let server = json!({
        "is_enabled": true, "listen_interface": listen, "unix_mode": "0600", "protocol": "lmtp",
        "unix_owner": format!("{}:{}", Uid::current(), Gid::current()),
    });
    let mut daemon = setup.another_server(server).start();
    daemon.log().wait_for(&format!("listening on {listen}"));
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = Client::connect_unix(&path);
    client.expect_reply("220 ");
    client.expect("LHLO client.example", "250");
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(daemon.mails("test").len(), 1);
    daemon.signal(Signal::SIGTERM);
    client.expect_reply("421 4.3.2 ");
    client.expect_end();
    assert_eq!(daemon.exit_code(), Some(0));
}

#[test]
fn a_unix_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let setup = Setup::without_plugins();
    let path = setup.dir().join("smtp.sock");
    let listen = format!("unix:{}", path.display());
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let daemon = setup.server("listen_interface", listen.as_str()).start();
    Client::connect_unix(&path).expect_reply("220 ");
    let (code, lines) =
        Setup::without_plugins().server("listen_interface", listen.as_str()).refused();
    assert_eq!(code, Some(1));
    assert!(lines.len() == 1 && lines[0].contains(&listen), "{lines:?}");
    Client::connect_unix(&path).expect_reply("220 ");
    daemon.stop();
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut daemon = Setup::new().start();
    let mut client = daemon.client();
    client.envelope("a@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send("half a mail\r\n");
    daemon.signal(Signal::SIGTERM);
    daemon.log().wait_for("SIGTERM: no new clients");
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.exit_code(), Some(1));
    daemon.log().wait_for("SIGINT again: ended at once");
    assert_eq!(daemon.mails("test").len(), 0);
    client.expect_end();
}

#[test]
fn signals_that_end_nothing() {
    let daemon = Setup::new().start();
    let mut client = daemon.client();
    for (signal, line) in
        [(Signal::SIGHUP, "reloaded, changes: 0"), (Signal::SIGUSR1, "log files opened anew")]
    {
        daemon.signal(signal);
        daemon.log().wait_for(line);
        client.expect("NOOP", "250 ");
    }
    // A client that goes away in the middle takes nothing with it (SIGPIPE).
    client.envelope("a@example.com", &["test@example.test"]);
    client.send("DATA\r\nhalf");
    drop(client);
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(daemon.mails("test").len(), 1);
    daemon.stop();
}

#[test]
fn a_client_that_stalls_does_not_hold_up_the_end_beyond_its_timeout() {
    let mut daemon = Setup::new().server("timeout", 2).start();
    let mut client = daemon.client();
    client.envelope("a@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send("half a mail\r\n");
    daemon.signal(Signal::SIGTERM);
    client.expect_reply("421 4.");
    client.expect_end();
    assert_eq!(daemon.exit_code(), Some(0));
    assert_eq!(daemon.mails("test").len(), 0);
}

#[test]
fn a_client_that_is_made_to_wait_for_its_errors_is_let_go() {
    let mut daemon = Setup::new().server("max_unrecognised", 1000).start();
    let mut client = daemon.client();
    // Beyond the tenth each waits for a second more: without the signal this takes 1 + 2 + ... + 9 seconds.
    client.send("JUNK\r\n".repeat(19));
    for _ in 0..10 {
        client.expect_reply("500 5.5.");
    }
    let begin = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(20), "after {:?}", begin.elapsed());
}

#[test]
fn what_is_pipelined_behind_a_message_begins_no_other_once_the_daemon_ends() {
    let control = Control::new();
    let mut daemon = Setup::chain("HoldsUntilTold|Header|MailDir").control(&control).start();
    let mut client = daemon.client();
    client.envelope("a@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send(
        "Subject: hello\r\n\r\nHello.\r\n.\r\n\
         MAIL FROM:<a@example.com>\r\nRCPT TO:<test@example.test>\r\nDATA\r\n",
    );
    let waiting = control.waiting_in("held");
    daemon.signal(Signal::SIGTERM);
    daemon.log().wait_for("no longer listening");
    drop(waiting);
    client.expect_reply("250 2.0.0 ");
    client.expect_reply("421 4.3.2 ");
    client.expect_end();
    assert_eq!(daemon.mails("test").len(), 1);
    assert_eq!(daemon.exit_code(), Some(0));
}
