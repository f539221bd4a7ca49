//! The admin interface, asked by curl and read by Prometheus's own tool.

mod commands;
mod connections;
mod grafana;
mod guard;
mod metrics;
mod page;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Control, Daemon, PATIENCE, Setup};

pub(crate) use metrics::await_metric;

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Asks for a page: status and text.
#[track_caller]
fn page(socket: &Path, path: &str) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "30", "--write-out", "\n%{http_code}", "--unix-socket"]);
    curl.arg(socket).arg(format!("http://localhost{path}"));
    let output = curl.output().expect("curl runs (Debian package curl)");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (text, code) = text.rsplit_once('\n').expect("a status");
    (code.parse().expect("a number"), text.to_owned())
}

/// The daemon of a setup, with an admin interface in its directory.
pub(crate) fn with_admin(setup: Setup) -> Daemon {
    let socket = setup.dir().join("admin.sock");
    setup.top("admin_listen", format!("unix:{}", socket.display())).start()
}

#[test]
fn figures_of_servers_stages_and_plugins() {
    let daemon = with_admin(Setup::chain("Header|Panics|MailDir"));
    let socket = daemon.dir().join("admin.sock");
    for sender in ["fine@example.com", "fine@example.com", "wrong@example.com"] {
        daemon.client().mail(sender, &["test@example.test"], MESSAGE);
    }
    daemon.reload().expect("reloaded");
    let (code, text) = page(&socket, "/metrics");
    assert_eq!(code, 200);
    for line in [
        r#"guerrillad_messages_total{listener="127.0.0.1:0",verdict="accepted"} 2"#,
        r#"guerrillad_messages_total{listener="127.0.0.1:0",verdict="deferred"} 1"#,
        r#"guerrillad_connections_opened_total{listener="127.0.0.1:0"} 3"#,
        r#"guerrillad_reloads_total{outcome="done"} 1"#,
        r#"guerrillad_plugin_delivered_total{processor="MailDir"} 2"#,
        "guerrillad_ready 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in:\n{text}");
    }
    let stage = |name: &str, rest: &str| {
        let line = text.lines().find(|line| {
            line.starts_with(&format!("guerrillad_{name}{{stage=\"Panics\"")) && line.contains(rest)
        });
        line.unwrap_or_else(|| panic!("{name} {rest} in:\n{text}")).rsplit(' ').next()
    };
    assert_eq!(stage("stage_calls_total", r#"phase="save",status="continue""#), Some("2"));
    assert_eq!(stage("stage_faults_total", r#"kind="panics""#), Some("1"));
    assert_eq!(stage("stage_lost_workers", "generation=\"1\""), Some("0"));
    assert_eq!(stage("stage_call_seconds_count", "plugin=\"misbehaving-plugin\""), Some("3"));
    daemon.stop();
}

/// Whoever scrapes must be able to read it.
#[test]
fn promtool_has_nothing_to_object_to() {
    let daemon = with_admin(Setup::new());
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    let (_, text) = page(&daemon.dir().join("admin.sock"), "/metrics");
    checked_by_promtool(daemon.dir(), &text);
    daemon.stop();
}

/// Lets Prometheus's own tool read the metrics.
#[track_caller]
fn checked_by_promtool(dir: &Path, text: &str) {
    // promtool checks the older form, in which a counter is described by the name its lines have.
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    assert!(counters.len() >= 6, "{text}");
    let older = counters.iter().fold(text.to_owned(), |text, name| {
        let described =
            |word: &str| (format!("# {word} {name} "), format!("# {word} {name}_total "));
        let ((help, helps), (kind, kinds)) = (described("HELP"), described("TYPE"));
        text.replace(&help, &helps).replace(&kind, &kinds)
    });
    let file = dir.join("metrics");
    std::fs::write(&file, older).expect("our own directory");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(std::fs::File::open(&file).expect("there"));
    let output = promtool.output().expect("promtool runs (Debian package prometheus)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn ready_while_mail_is_taken_and_kept() {
    let control = Control::new();
    let daemon = with_admin(Setup::chain("Header|PanicsInline|Hangs|MailDir").control(&control));
    let socket = daemon.dir().join("admin.sock");
    assert_eq!(page(&socket, "/healthz").0, 200);
    assert_eq!(page(&socket, "/readyz"), (200, "ready\n".to_owned()));
    // A breaker that is open.
    let mut client = daemon.client();
    let begin = Instant::now();
    // A pause has an end, which may come before it is looked for; the next one is twice as long.
    let why = loop {
        client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
        match page(&socket, "/readyz") {
            (503, why) => break why,
            (code, _) => assert!(code == 200 && begin.elapsed() < PATIENCE, "{code}"),
        }
    };
    assert_eq!(why, "PanicsInline has failed too often and is not called for now\n");
    daemon.stop();

    // A daemon that is ending.
    let daemon = with_admin(Setup::chain("Hangs|MailDir").control(&control));
    let socket = daemon.dir().join("admin.sock");
    let mut client = daemon.client();
    client.envelope("wrong@example.com", &["test@example.test"]);
    client.expect("DATA", "354");
    client.send(format!("{MESSAGE}.\r\n"));
    let waiting = control.waiting_in("save");
    daemon.signal(Signal::SIGTERM);
    daemon.log().wait_for("no longer listening");
    let (code, why) = page(&socket, "/readyz");
    assert_eq!((code, why.trim()), (503, "no server is enabled, or the daemon is ending"));
    assert_eq!(page(&socket, "/healthz").0, 200);
    drop(waiting);
    client.expect_reply("250 2.0.0 ");
    let mut daemon = daemon;
    assert_eq!(daemon.exit_code(), Some(0));
}

/// A chain that defers whatever it is asked takes no mail, however well the daemon runs.
#[test]
fn not_ready_while_a_chain_is_deferred_for_a_plugin_that_is_not_loaded() {
    let absent = "is not built in, and this is the safe mode";
    for (key, chain, name) in [
        ("save_process", "Header|MailDir", "MailDir"),
        ("mail_process", "Policy", "Policy"),
        ("validate_process", "Policy", "Policy"),
    ] {
        let setup = Setup::chain("HeadersParser|Header|Debugger").backend(key, chain);
        let daemon = with_admin(setup.flag("--safe-mode"));
        let socket = daemon.dir().join("admin.sock");
        let why = format!(
            "{key}: processor {name} {absent}: whatever this chain is asked is deferred (451)"
        );
        assert_eq!(page(&socket, "/readyz"), (503, format!("{why}\n")), "{key}");
        let status: Value = serde_json::from_str(&page(&socket, "/status").1).expect("JSON");
        assert_eq!((&status["ready"], &status["unready"]), (&false.into(), &why.into()));
        assert_eq!(page(&socket, "/healthz").0, 200);
        daemon.stop();
    }
    let built_in = Setup::chain("HeadersParser|Header|Debugger").flag("--safe-mode");
    let daemon = with_admin(built_in);
    assert_eq!(page(&daemon.dir().join("admin.sock"), "/readyz"), (200, "ready\n".to_owned()));
    daemon.stop();
}

#[test]
fn status_is_json_and_the_interface_moves_by_reload() {
    let daemon = with_admin(Setup::new());
    let socket = daemon.dir().join("admin.sock");
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    let (code, text) = page(&socket, "/status");
    let status: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, 200);
    assert_eq!(status["ready"], true);
    assert_eq!(status["servers"][0]["messages"]["accepted"], 1);
    assert_eq!(status["chains"]["save"][3], "MailDir");
    assert_eq!(page(&socket, "/nothing").0, 404);

    let moved = daemon.dir().join("moved.sock");
    daemon.edit(|config| config["admin_listen"] = format!("unix:{}", moved.display()).into());
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(changes, ["config_change:admin", "config_change:new_config"]);
    assert_eq!(page(&moved, "/healthz").0, 200);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&moved).expect("there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "for the daemon's user alone");
    daemon.stop();
}
