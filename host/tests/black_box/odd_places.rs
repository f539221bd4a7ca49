//! Files and outputs that are not what they usually are: pipes that nobody has the other end of, full disks, limits of the
//! process. Each is an error line or a 4xx, and neither a wait, nor a panic, nor the end of the daemon.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::support::{Control, Plugin, Process, Setup, complaints, guerrillad, started};

fn pipe(path: &Path) -> String {
    mkfifo(path, Mode::S_IRWXU).expect("our own directory");
    path.display().to_string()
}

/// A command whose words come behind these of a shell.
fn in_shell(script: &str, args: &[&str]) -> Process {
    let starter = ["sh", "-c", script, "sh"].map(str::to_owned);
    started(&starter, Path::new(env!("CARGO_BIN_EXE_guerrillad")), Path::new("/"), args)
}

#[test]
fn a_config_that_is_a_pipe() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = pipe(&dir.path().join("pipe"));
    let mut process = guerrillad(dir.path(), ["serve", "-c", &file]);
    assert_eq!(process.exit_code(), Some(78));
    assert_eq!(
        complaints(&process.stderr),
        [format!("{file}: the file is empty: write at least {{}}")]
    );
    // Somebody writes to this one.
    let mut process = in_shell("echo '{}' | \"$@\" -c /dev/stdin", &["config", "check"]);
    assert_eq!(process.exit_code(), Some(0));
    process.stdout.wait_for("/dev/stdin: ok");
}

#[test]
fn a_config_that_becomes_a_pipe() {
    let mut daemon = Setup::without_plugins().start();
    let config = Path::new(&daemon.config_file()).to_owned();
    fs::remove_file(&config).expect("there");
    pipe(&config);
    let refused = daemon.reload().expect_err("nobody writes to it");
    assert!(refused[0].contains("the file is empty"), "{refused:?}");
    // Whoever holds the other end and writes nothing does not keep the daemon from ending.
    let _writer = fs::OpenOptions::new().read(true).write(true).open(&config).expect("a pipe");
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
}

#[test]
fn a_log_that_is_a_pipe() {
    let setup = Setup::without_plugins();
    let file = pipe(&setup.dir().join("pipe"));
    let config = setup.top("log_file", file.clone());
    let path = config.write_config();
    let mut process = guerrillad(config.dir(), ["serve", "-c", &path]);
    assert_eq!(process.exit_code(), Some(78));
    let [line] = &complaints(&process.stderr)[..] else { panic!("not one line") };
    assert!(
        line.contains(&file) && line.contains("; it is a socket, or a pipe that nobody reads; "),
        "{line}"
    );
}

#[test]
fn a_result_that_cannot_be_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    Plugin::Hello.install(dir.path());
    let file = dir.path().join("libhello_plugin.so").display().to_string();
    for args in [&["version"][..], &["config", "schema"], &["plugins", "inspect", &file]] {
        let mut process = in_shell("exec \"$@\" > /dev/full", args);
        assert_eq!(process.exit_code(), Some(1), "{args:?}");
        let complaints = complaints(&process.stderr);
        assert_eq!(complaints, ["cannot write to stdout: No space left on device (os error 28)"]);
        // A reader that has seen enough is no fault.
        let mut process = in_shell("\"$@\" | true; true", args);
        assert_eq!(
            (process.exit_code(), process.stderr.text().as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

/// A limit of the process for files (`LimitFSIZE=`) is as a full disk.
#[test]
fn a_file_that_may_not_grow() {
    let daemon = Setup::without_plugins()
        .top("spool_threshold", 1000)
        .started_by(&["prlimit", "--fsize=100000"])
        .start();
    let mut client = daemon.client();
    let large = format!("Subject: large\r\n\r\n{}", "a line of a large mail\r\n".repeat(10_000));
    let reply = client.mail("a@example.com", &["test@example.test"], &large);
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    let reply = client.mail("a@example.com", &["test@example.test"], "Subject: x\r\n\r\nx\r\n");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[test]
fn each_problem_of_a_start_is_told_once_and_has_a_line() {
    let setup = || Setup::without_plugins().backend("save_process", "Foo|Bar");
    let told = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("there is no processor"));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.contains("ERROR")), "{text}");
    };
    let stderr = setup();
    let file = stderr.write_config();
    let mut process = guerrillad(stderr.dir(), ["serve", "-c", &file]);
    assert_eq!(process.exit_code(), Some(78));
    told(&process.stderr.text());

    let elsewhere = setup().top("log_file", "log");
    let file = elsewhere.write_config();
    let mut process = guerrillad(elsewhere.dir(), ["serve", "-c", &file]);
    assert_eq!(process.exit_code(), Some(78));
    told(&fs::read_to_string(elsewhere.dir().join("log")).expect("a log"));
    assert_eq!(complaints(&process.stderr).len(), 2);
}

#[test]
fn a_certificate_that_is_a_pipe() {
    let setup = Setup::without_plugins();
    let file = pipe(&setup.dir().join("pipe"));
    let tls = json!({"start_tls_on": true, "public_key_file": file, "private_key_file": file});
    let (code, complaints) = setup.server("tls", tls).refused();
    assert_eq!(code, Some(78));
    let expected = format!("servers[0].tls.public_key_file {file}: is not a regular file");
    assert_eq!(complaints, [expected]);
}

/// Before anybody is served there is nothing to finish.
#[test]
fn a_start_that_hangs_is_ended_by_a_signal() {
    let control = Control::new();
    let setup = Setup::chain("Header|HangsInStart|MailDir").control(&control);
    let mut daemon = setup.spawned();
    let waiting = control.waiting_in("start");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    daemon.log().wait_for("SIGTERM before it has begun to serve: ended");
    drop(waiting);
}
