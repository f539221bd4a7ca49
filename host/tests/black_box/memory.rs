//! Memory that does not grow with what clients send.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::support::{Client, Daemon, Setup, Usage};

const TO: [&str; 1] = ["test@example.test"];

/// Bytes of the largest message here, nearly.
const GIGABYTE: usize = 1 << 30;

/// Bytes of a message that is sent at once.
const PIECE: usize = 1 << 20;

/// KiB that are not much.
const MODEST: u64 = 64 << 10;

/// The most memory that a process has been seen with, in KiB.
struct Peak {
    usage: Usage,
    most: u64,
}

impl Peak {
    fn of(daemon: &Daemon) -> Self {
        let mut peak = Self { usage: daemon.usage(), most: 0 };
        peak.look();
        peak
    }

    fn look(&mut self) {
        self.most = self.most.max(self.usage.anonymous());
    }

    /// Looks again and again until a reply comes; the reply.
    #[track_caller]
    fn look_until_reply(&mut self, client: &mut Client) -> String {
        while !client.hears_within(std::time::Duration::from_millis(10)) {
            self.look();
        }
        client.reply()
    }
}

/// A piece of a large message, with lines that tell the place, and the same as it is stored.
fn piece(number: usize) -> (String, String) {
    let mut piece = format!("piece {number:8}\r\n");
    while piece.len() + 72 <= PIECE {
        piece
            .push_str("0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    }
    let stored = piece.replace("\r\n", "\n");
    (piece, stored)
}

#[test]
fn a_message_of_a_gigabyte_costs_disk_and_not_memory() {
    // Not the system's temporary directory, which may be memory.
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory");
    let room = statvfs(disk.path()).expect("a file system");
    let room = room.blocks_available() * room.fragment_size();
    let pieces = GIGABYTE / PIECE;
    // Once in the spool and once in the maildir.
    assert!(room > 5 * GIGABYTE as u64 / 2, "{room} bytes are no room for a gigabyte, twice");
    let path = |name: &str| disk.path().join(name).to_str().expect("UTF-8").to_owned();
    let daemon = Setup::new()
        .server("max_size", 2 * GIGABYTE)
        .top("spool_dir", path(""))
        .backend("maildir_path", path("[user]"))
        .backend("gw_save_timeout", "300s")
        .start();
    let mut client = daemon.client();
    let mut peak = Peak::of(&daemon);
    let before = peak.most;
    client.envelope("a@example.com", &TO);
    client.expect("DATA", "354 ");
    for number in 0..pieces {
        client.send(piece(number).0);
        peak.look();
    }
    client.send(".\r\n");
    let reply = peak.look_until_reply(&mut client);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    println!(
        "RssAnon {before} KiB before, at most {} KiB with a message of {pieces} MiB",
        peak.most
    );
    assert!(peak.most < MODEST, "{} KiB", peak.most);
    expect_stored(&disk.path().join("test/new"), pieces);
    daemon.stop();
}

/// Wants one mail that ends in these pieces.
#[track_caller]
fn expect_stored(maildir: &Path, pieces: usize) {
    let mut mails = std::fs::read_dir(maildir).expect("a maildir");
    let mail = mails.next().expect("a mail").expect("readable").path();
    let mut file = File::open(mail).expect("readable");
    let mut expected = piece(0).1;
    let length = file.metadata().expect("an open file").len();
    let header = length.checked_sub((pieces * expected.len()) as u64).expect("all of it");
    let header_read = file.by_ref().take(header).read_to_end(&mut Vec::new());
    assert_eq!(header_read.expect("readable"), usize::try_from(header).expect("a small header"));
    let mut found = vec![0; expected.len()];
    for number in 0..pieces {
        file.read_exact(&mut found).expect("readable");
        expected.replace_range(..14, &format!("piece {number:8}"));
        assert!(found == expected.as_bytes(), "piece {number} is not as it was sent");
    }
}

#[test]
fn beyond_max_memory_mail_is_deferred_and_everything_recovers() {
    let daemon = Setup::new()
        .top("max_memory", 1 << 20)
        .top("spool_threshold", 1 << 20)
        .server("max_clients", 60)
        .start();
    let (address, mut peak) = (daemon.address(), Peak::of(&daemon));
    let before = peak.most;
    let half = "x".repeat(998) + "\r\n";
    let half = half.repeat(100);
    let mut clients: Vec<_> = (0..50).map(|_| Client::introduced(address)).collect();
    let mut let_in = Vec::new();
    let mut deferred = 0;
    for mut client in clients.drain(..) {
        client.expect("MAIL FROM:<a@example.com> SIZE=10000000", "250 ");
        client.expect("RCPT TO:<test@example.test>", "250 ");
        let reply = client.ask("DATA");
        if reply.starts_with("354 ") {
            client.send(&half);
            let_in.push(client);
        } else {
            assert!(reply.starts_with("452 4.3.1 "), "{reply}");
            deferred += 1;
            clients_are_still_heard(&mut client);
        }
        peak.look();
    }
    let mut taken = 0;
    for client in &mut let_in {
        client.send(&half);
        client.send(".\r\n");
        let reply = peak.look_until_reply(client);
        if reply.starts_with("250 2.0.0 ") {
            taken += 1;
        } else {
            assert!(reply.starts_with("452 4.3.1 "), "{reply}");
            deferred += 1;
        }
    }
    println!(
        "max_memory 1 MiB, 50 mails of 200 kB: {taken} taken, {deferred} deferred, RssAnon {before} KiB before, at most {} KiB",
        peak.most
    );
    assert!(taken >= 1 && deferred >= 1 && taken + deferred == 50, "{taken} and {deferred}");
    assert_eq!(daemon.mails("test").len(), taken, "what is acknowledged is kept");
    for client in &mut let_in {
        let reply = client.mail("a@example.com", &TO, &half.repeat(2));
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    peak.look();
    let grown = peak.most - before;
    assert!(grown < 16 << 10, "{grown} KiB more than before");
    daemon.stop();
}

/// A large message goes to a file; what processors make of it is memory all the same.
#[test]
fn notes_and_long_headers_count_as_bodies_do() {
    let daemon = Setup::chain("HeadersParser|Compressor|MailDir")
        .top("max_memory", 256 << 10)
        .top("spool_threshold", 32 << 10)
        .start();
    let mut client = daemon.client();
    // Sixteen thousand fields in 64 KiB.
    let reply = client.mail("a@example.com", &TO, &format!("{}\r\nx\r\n", "a:\r\n".repeat(16_384)));
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    daemon.log().wait_for("message not kept: max_memory is used up");
    // Six bits in each byte, so that two thirds are left of it.
    let mut state = 1_u32;
    let mut letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + (state >> 26) as u8)
    };
    let line = |letter: &mut dyn FnMut(usize) -> char| (0..70).map(letter).collect::<String>();
    let lines: Vec<_> = (0..8000).map(|_| line(&mut letter) + "\r\n").collect();
    let reply = client.mail("a@example.com", &TO, &format!("\r\n{}", lines.concat()));
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    daemon.log().wait_for("not compressed: ");
    let reply = client.mail("a@example.com", &TO, "Subject: x\r\n\r\nx\r\n");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[track_caller]
fn clients_are_still_heard(client: &mut Client) {
    client.expect("RSET", "250 ");
    client.expect("NOOP", "250 ");
}

#[test]
fn clients_that_have_sent_mail_and_stay_cost_no_more_than_others() {
    let daemon = Setup::without_plugins().server("max_clients", 60).start();
    let body = ("x".repeat(998) + "\r\n").repeat(200);
    let mut clients: Vec<_> = (0..50).map(|_| daemon.client()).collect();
    let before = daemon.usage().anonymous();
    for client in &mut clients {
        let reply = client.mail("a@example.com", &TO, &body);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    let grown = daemon.usage().anonymous().saturating_sub(before);
    println!("50 clients that have sent 200 kB each and stay: {grown} KiB");
    assert!(grown < 50 * 64, "{grown} KiB for 50 clients that are idle");
    daemon.stop();
}
