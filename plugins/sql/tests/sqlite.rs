//! The processor as the daemon calls it, with a database of SQLite, read by SQLite's own client.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use guerrilla_plugin_api::testkit::{Harness, Mail, Session};
use guerrilla_plugin_api::{Batched, Phase, Verdict};
use serde_json::{Value, json};
use sql::Sql;
use tempfile::TempDir;

type Store = Harness<Batched<Sql>>;

/// A database that is not there yet.
fn database() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("mail.sqlite");
    (dir, path)
}

fn store(path: &Path, more: Value) -> Result<Store, String> {
    let mut config = json!({ "sql_dsn": path, "primary_mail_host": "mx.example.com" });
    for (key, value) in more.as_object().expect("an object") {
        config[key] = value.clone();
    }
    Harness::new(config)
}

/// What SQLite's client answers.
#[track_caller]
fn ask(path: &Path, sql: &str) -> String {
    // Closing a database locks it for a moment.
    let mut client = Command::new("sqlite3");
    client.arg("-bail").args(["-cmd", ".timeout 10000"]).arg(path).arg(format!("\n{sql}"));
    let output = client.stdin(Stdio::null()).output().expect("sqlite3 is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

fn numbered(number: usize) -> Mail {
    Mail::new().queued_id(&format!("m{number}")).subject(&format!("mail {number}")).body("Hi.\r\n")
}

#[test]
fn a_new_file_has_large_pages_and_an_old_one_is_taken_as_it_is() {
    let (_dir, path) = database();
    drop(store(&path, json!({})).unwrap());
    assert_eq!(ask(&path, "PRAGMA page_size"), "8192");
    let (_dir, path) = database();
    ask(&path, "PRAGMA page_size = 1024; CREATE TABLE own (x); INSERT INTO own VALUES (1)");
    assert!(store(&path, json!({})).unwrap().deliver(numbered(1)).is_accepted());
    assert_eq!(ask(&path, "PRAGMA page_size; SELECT count(*) FROM new_mail"), "1024\n1");
}

#[test]
fn every_column_has_what_the_readme_says() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    let mail = Mail::new()
        .from("sender@example.com")
        .to("one@example.net")
        .to("two@example.net")
        .queued_id("q1")
        .header("To", "\"John Smith\" <john@example.org>, b@example.org")
        .header("Reply-To", "=?utf-8?q?J=C3=B6rg?= <joerg@example.org>")
        .header("Sender", "x")
        .header("Message-ID", "<id.1@example.com>")
        .header("Content-Type", "text/plain;\r\n charset=utf-8")
        .subject("=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
        .body("Body\r\n");
    let session = Session::new().remote_ip("2001:db8:1:2:3:4:5:6").tls("TLSv1.3");
    assert!(store.connect(session).deliver(mail).is_accepted());
    let columns = "\"to\", \"from\", subject, body, spam_score, hash, content_type, recipient, has_attach, hex(ip_addr), \
                   return_path, is_tls, message_id, reply_to, sender";
    let row = |recipient: &str| {
        format!(
            "john@example.org|sender@example.com|Grüße||0.0|q1|text/plain; charset=utf-8|{recipient}|0|\
             20010DB8000100020003000400050006|sender@example.com|1|id.1@example.com|joerg@example.org|"
        )
    };
    let rows = ask(&path, &format!("SELECT {columns} FROM new_mail ORDER BY mail_id"));
    assert_eq!(rows, [row("one@example.net"), row("two@example.net")].join("\n"));
    let whole =
        ask(&path, "SELECT count(DISTINCT mail), length(min(mail)), typeof(mail) FROM new_mail");
    let length = "To: \"John Smith\" <john@example.org>, b@example.org\r\n\
                  Reply-To: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nSender: x\r\n\
                  Message-ID: <id.1@example.com>\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\
                  Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nBody\r\n"
        .len();
    assert_eq!(whole, format!("1|{length}|blob"));
    let recent =
        "SELECT abs(strftime('%s', date) - strftime('%s', 'now')) < 600 FROM new_mail LIMIT 1";
    assert_eq!(ask(&path, recent), "1");
    assert_eq!(ask(&path, "PRAGMA journal_mode"), "wal");
}

#[test]
fn fields_that_hung_go_guerrilla_are_stored_like_others() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    for value in ["a", "foo bar", "\"q\"", "A:B", " ", "<", "a@", "@", "(", "\u{fc}@\u{fc}.example"]
    {
        let mail =
            Mail::new().header("To", value).header("Reply-To", value).header("Sender", value);
        assert!(store.deliver(mail.header("Message-ID", value)).is_accepted(), "{value:?}");
    }
    assert_eq!(ask(&path, "SELECT count(*) FROM new_mail WHERE \"to\" = recipient"), "9");
    // A message without an identifier gets one.
    assert!(store.deliver(Mail::new().to("last@example.net").queued_id("q")).is_accepted());
    let id = ask(&path, "SELECT message_id FROM new_mail WHERE recipient = 'last@example.net'");
    assert_eq!(id, "q.last@mx.example.com");
}

#[test]
fn what_other_processors_have_done_is_taken_over() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    let mut compressed = store.begin(Mail::new().to("gzip@example.net").body("long\r\n"));
    compressed.set_note("zlib-compressor", b"\x78\x01\x00");
    assert_eq!(compressed.ask(Phase::Save), Verdict::CONTINUE);
    let mut elsewhere = store.begin(Mail::new().to("redis@example.net").body("long\r\n"));
    elsewhere.set_note("redis", b"redis");
    assert_eq!(elsewhere.ask(Phase::Save), Verdict::CONTINUE);
    let mut refused = store.begin(Mail::new().to("a@example.net").to("b@example.net"));
    refused.set_recipient(0, Verdict::REJECT);
    assert_eq!(refused.ask(Phase::Save), Verdict::CONTINUE);
    let rows = ask(
        &path,
        "SELECT recipient, body, hex(substr(mail, 1, 3)) FROM new_mail ORDER BY mail_id",
    );
    assert_eq!(rows, "gzip@example.net|gzip|780100\nredis@example.net|redis|\nb@example.net||0D0A");
}

#[test]
fn messages_that_wait_are_stored_together() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    let mut mails: Vec<_> =
        (0..300).map(|number| store.begin(numbered(number).to("a@example.net"))).collect();
    for mail in &mut mails {
        assert_eq!(mail.submit(Phase::Save), None);
    }
    for mail in &mut mails {
        assert_eq!(mail.wait(), Verdict::CONTINUE);
    }
    assert_eq!(ask(&path, "SELECT count(DISTINCT subject), count(*) FROM new_mail"), "300|300");
    assert_eq!((store.counter("messages"), store.counter("rows")), (300, 300));
    assert!(store.counter("batches") < 100, "{} transactions", store.counter("batches"));
    assert_eq!(store.counter("connections"), 1);
}

/// Several statements in one transaction, by rows and by bytes.
#[test]
fn many_recipients_and_much_mail_are_one_transaction() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    let mail =
        (0..150).fold(Mail::new(), |mail, number| mail.to(&format!("r{number}@example.net")));
    let body = "x".repeat(200 * 1024);
    assert!(store.deliver(mail.body(&body)).is_accepted());
    assert_eq!(
        ask(&path, "SELECT count(DISTINCT recipient), min(length(mail)) FROM new_mail"),
        "150|204802"
    );
    assert_eq!(store.counter("batches"), 1);
}

#[test]
fn only_the_message_to_blame_is_deferred() {
    let (_dir, path) = database();
    let columns = include_str!("../schema/sqlite.sql").replace(
        "\"subject\" TEXT NOT NULL",
        "\"subject\" TEXT NOT NULL CHECK (subject NOT LIKE 'bad%')",
    );
    ask(&path, &columns);
    let store = store(&path, json!({})).unwrap();
    let is_bad = |number: usize| number == 7 || number == 40;
    let subject = |number| if is_bad(number) { "bad" } else { "good" };
    let mut mails: Vec<_> = (0..60)
        .map(|number| {
            let mail = Mail::new().queued_id(&format!("m{number}")).subject(subject(number));
            store.begin(mail.to(&format!("a{number}@example.net")).to("b@example.net"))
        })
        .collect();
    for mail in &mut mails {
        assert_eq!(mail.submit(Phase::Save), None);
    }
    for (number, mail) in mails.iter_mut().enumerate() {
        let answer = mail.wait();
        let expected = if is_bad(number) { Some(451) } else { None };
        assert_eq!((answer.is_accepted(), answer.code()), (!is_bad(number), expected), "m{number}");
    }
    assert_eq!(ask(&path, "SELECT count(*), count(DISTINCT recipient) FROM new_mail"), "116|59");
    assert!(
        store.has_logged(": m7 (hash m7) not stored: ") && store.has_logged(": m40 (hash m40) not"),
        "{:?}",
        store.log()
    );
    assert_eq!(store.counter("failed"), 2);
}

#[test]
fn a_locked_database_is_waited_for_until_the_deadline() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    let lock = lock(&path);
    let began = std::time::Instant::now();
    let answer = store.connect(Session::new().deadline_ms(1500)).deliver(numbered(1));
    assert_eq!((answer.is_deferred(), answer.code()), (true, Some(451)));
    assert!(began.elapsed().as_millis() < 1500, "{:?}", began.elapsed());
    unlock(lock);
    assert!(store.deliver(numbered(2)).is_accepted());
    assert_eq!(ask(&path, "SELECT subject FROM new_mail"), "mail 2");
}

/// They wait in one batch behind another message, and the one has far less time than the other.
#[test]
fn one_whose_time_ends_does_not_take_the_others_along() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    let lock = lock(&path);
    let [mut first, mut brief, mut patient] = [800, 2000, 30_000].map(|milliseconds| {
        let mut client = store.connect(Session::new().deadline_ms(milliseconds));
        client.begin(Mail::new().subject(&milliseconds.to_string()))
    });
    for mail in [&mut first, &mut brief, &mut patient] {
        assert_eq!(mail.submit(Phase::Save), None);
    }
    assert!(first.wait().is_deferred());
    let answer = brief.wait();
    assert_eq!((answer.is_deferred(), answer.code()), (true, Some(451)));
    unlock(lock);
    assert!(patient.wait().is_accepted(), "{:?}", store.log());
    assert_eq!(ask(&path, "SELECT subject FROM new_mail"), "30000");
}

/// Nobody else writes to it until [`unlock`].
fn lock(path: &Path) -> Child {
    let mut client = Command::new("sqlite3");
    client.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = client.spawn().expect("sqlite3 is installed");
    let to = other.stdin.as_mut().expect("a pipe");
    to.write_all(b"BEGIN IMMEDIATE;\nSELECT 'locked';\n").expect("sqlite3 reads");
    let mut line = String::new();
    let mut from = BufReader::new(other.stdout.as_mut().expect("a pipe"));
    from.read_line(&mut line).expect("sqlite3 answers");
    assert_eq!(line, "locked\n");
    other
}

/// Ends the client, which undoes what it has begun.
fn unlock(mut other: Child) {
    drop(other.stdin.take());
    other.wait().expect("sqlite3 ends");
}

#[test]
fn a_database_that_is_replaced_is_opened_anew() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    ask(&path, "DROP TABLE new_mail");
    let answer = store.deliver(numbered(1));
    assert_eq!((answer.is_deferred(), answer.code()), (true, Some(451)));
    assert!(store.has_logged("no such table"), "{:?}", store.log());
    ask(&path, include_str!("../schema/sqlite.sql"));
    assert!(store.deliver(numbered(2)).is_accepted());
    assert_eq!(store.counter("connections"), 2);
}

#[test]
fn statements_of_the_operators_own() {
    let (_dir, path) = database();
    ask(&path, "CREATE TABLE box (who TEXT, what BLOB, rest TEXT, UNIQUE (who, rest))");
    let values = "(?8, ?5, coalesce(?1, ?2, ?3, ?4, ?6, ?7, ?9, ?10, ?11, ?12, ?13, ?14, 'a?'))";
    let refused = store(
        &path,
        json!({ "sql_insert": "INSERT INTO box (who, what, rest) VALUES", "sql_values": values }),
    );
    // Numbers would mean the same arguments in each row.
    assert!(refused.err().unwrap().starts_with("sql_values: "));
    let values = "(lower(?), ?, ? || ? || ? || ? || ? || ? || ? || ? || ? || ? || ? || ?) ON CONFLICT DO NOTHING";
    let config = json!({ "sql_insert": "INSERT INTO box (who, what, rest) VALUES", "sql_values": values,
                         "sql_create_table": false });
    let store = store(&path, config).unwrap();
    for _ in 0..2 {
        let mail =
            numbered(1).header("To", "A@EXAMPLE.ORG").to("x@example.net").to("y@example.net");
        assert!(store.deliver(mail).is_accepted());
    }
    assert_eq!(ask(&path, "SELECT who, count(*) FROM box"), "a@example.org|2");
}

#[test]
fn what_cannot_be_used_is_explained_at_the_start() {
    let (dir, path) = database();
    ask(&path, "CREATE TABLE other (x)");
    for (more, says) in [
        (json!({ "sql_create_table": false }), "no such table: new_mail"),
        (json!({ "mail_table": "other" }), "has no column named date"),
        (json!({ "mail_table": " " }), "mail_table: is empty"),
        (json!({ "sql_values": "(?)" }), "sql_values: has 1 markers"),
        (json!({ "sql_insert": "INSRT INTO x VALUES" }), "syntax error"),
        (json!({ "sql_max_conn_lifetime": "soon" }), "30m"),
        (json!({ "sql_driver": "oracle" }), "sql_driver"),
        (
            json!({ "sql_dsn": dir.path().join("no/where.sqlite") }),
            "no/where.sqlite: cannot connect: ",
        ),
        (json!({ "sql_dsn": 4711 }), "sql_dsn: expected a string"),
    ] {
        let error = store(&path, more).err().unwrap();
        assert!(error.contains(says) && !error.contains('\n'), "{says}: {error}");
    }
}

#[test]
fn the_log_says_where_it_stores() {
    let (_dir, path) = database();
    let store = store(&path, json!({})).unwrap();
    assert!(store.has_logged(&format!("stores in sqlite {}", path.display())), "{:?}", store.log());
}

/// As with a server that is restarting: it is not the configuration's fault.
#[test]
fn a_database_that_others_use_at_the_start_is_waited_for() {
    let (_dir, path) = database();
    ask(&path, "PRAGMA journal_mode = wal");
    let lock = lock(&path);
    let store = store(&path, json!({})).unwrap();
    let says = format!("sqlite {}: ", path.display());
    assert!(store.has_logged(&says) && store.has_logged("mail is deferred"), "{:?}", store.log());
    let answer = store.connect(Session::new().deadline_ms(800)).deliver(numbered(1));
    assert_eq!((answer.is_deferred(), answer.code()), (true, Some(451)));
    unlock(lock);
    assert!(store.deliver(numbered(2)).is_accepted(), "{:?}", store.log());
    assert_eq!(ask(&path, "SELECT subject FROM new_mail"), "mail 2");
}

#[test]
fn old_connections_are_replaced_and_idle_ones_closed() {
    for more in [json!({ "sql_max_conn_lifetime": "1ms" }), json!({ "sql_max_idle_conns": 0 })] {
        let (_dir, path) = database();
        let store = store(&path, more.clone()).unwrap();
        for number in 0..3 {
            std::thread::park_timeout(std::time::Duration::from_millis(3));
            assert!(store.deliver(numbered(number)).is_accepted());
        }
        assert_eq!(ask(&path, "SELECT count(*) FROM new_mail"), "3");
        assert_eq!(store.counter("connections"), 4, "{more}");
    }
}
