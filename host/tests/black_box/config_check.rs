//! `config check`: what it says of every config of the repository, that it says what `serve` says, and that it leaves
//! no trace.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Plugin, Setup, complaints, guerrillad};

/// Exit code and lines of `config check` in a directory.
#[track_caller]
fn check(dir: &Path, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut process = guerrillad(dir, [&["config", "check"], args].concat());
    let code = process.exit_code();
    assert_eq!(process.stderr.text(), "", "{args:?}");
    (code, process.stdout.lines())
}

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string());
    let mut names: Vec<String> = names.map(|name| name.expect("UTF-8")).collect();
    names.sort();
    names
}

/// Each file has its exact lines beside it. `BLESS=1` writes them anew, to be read before they are committed.
#[test]
fn every_broken_file_and_what_is_said_of_it() {
    let dir = configs().join("broken");
    let before = names(&dir);
    for name in before.iter().filter(|name| name.ends_with(".json")) {
        let (code, lines) = check(&dir, &["-c", name]);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let expected = dir.join(name.replace(".json", ".expected"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &text).expect("our own sources");
        }
        assert_eq!(text, fs::read_to_string(&expected).expect(name), "{name}");
        let refused = lines.iter().any(|line| line.starts_with(&format!("{name}: error: ")));
        assert_eq!(code, Some(if refused { 78 } else { 0 }), "{name}");
    }
    if std::env::var_os("BLESS").is_none() {
        assert_eq!(names(&dir), before, "nothing is made");
    }
}

/// A copy of a sample in a directory that has all that it names of the machine.
fn sample(path: &Path) -> Setup {
    let setup = Setup::without_plugins();
    let dir = setup.dir();
    let plugin = setup.plugins_dir().join("maildir.so");
    fs::copy(Plugin::MailDir.file(), &plugin).expect("our own directory");
    Command::new("chmod").arg("755").arg(&plugin).status().expect("coreutils");
    let digest = Sha256::digest(fs::read(&plugin).expect("just written"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for name in ["mail.example.com", "mx.example.net"] {
        let made =
            rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        fs::write(dir.join(format!("{name}.crt")), made.cert.pem()).expect("our own directory");
        let key = made.signing_key.serialize_pem();
        fs::write(dir.join(format!("{name}.key")), key).expect("our own directory");
    }
    fs::copy(dir.join("mail.example.com.crt"), dir.join("roots.pem")).expect("our own directory");
    let here = |name: &str| dir.join(name).display().to_string();
    let text = fs::read_to_string(path)
        .expect("a sample")
        .replace("/usr/lib/guerrillad/plugins", &here("plugins"))
        .replace("/var/lib/guerrillad", &here(""))
        .replace("/run/guerrillad", &here(""))
        .replace("/var/run", &here(""))
        .replace("/var/log", &here(""))
        .replace(r#""user": "guerrillad""#, &format!(r#""user": "{}""#, geteuid()))
        .replace(r#""group": "mail""#, &format!(r#""group": "{}""#, getegid()))
        .replace("/var/mail", &here(""))
        .replace(&"0".repeat(64), &digest);
    fs::write(dir.join("sample.json"), text).expect("our own directory");
    setup
}

/// The lines of a sample without the file's name.
#[track_caller]
fn said(path: &Path, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let setup = sample(path);
    let (code, lines) = check(setup.dir(), &[&["-c", "sample.json"], args].concat());
    let cut = |line: String| line.trim_start_matches("sample.json: ").to_owned();
    (code, lines.into_iter().map(cut).collect())
}

#[test]
fn every_sample_is_taken() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let without_warning = [
        (configs().join("every-key.json"), &[][..]),
        (repository.join("goguerrilla.conf.sample"), &[]),
        (repository.join("contrib/demo.conf.json"), &["--plugins-dir", "plugins"]),
    ];
    for (path, args) in without_warning {
        assert_eq!(said(&path, args), (Some(0), vec!["ok".to_owned()]), "{}", path.display());
    }
    for (name, warnings) in [("go-guerrilla-sample.json", 7), ("go-guerrilla-stale.json", 18)] {
        let (code, lines) = said(&configs().join(name), &[]);
        let warned = lines.iter().filter(|line| line.starts_with("warning: ")).count();
        assert_eq!((code, warned, lines.len()), (Some(0), warnings, warnings + 1), "{lines:#?}");
    }
    let (code, lines) = said(&repository.join("contrib/demo.conf.json"), &[]);
    assert_eq!(code, Some(78));
    let hint = "there is no processor \"MailDir\"; is its .so in the plugins directory (--plugins-dir, plugins_dir)?";
    assert_eq!(lines[0], format!("error: backend_config.validate_process: {hint}"));
}

#[test]
fn it_says_what_serve_says() {
    let setup = Setup::chain("Header|Nobody|archive|MailDir|Recorder|Debugger|Hasher")
        .backend("processors", json!({"archive": {"use": "maildir", "maildir_path": 7}}))
        .backend("validate_process", "Header")
        .backend("maildir_line_ending", "cr")
        .backend("misbehaving_record", json!({"file": "missing"}))
        .backend("hasher", "SHA1")
        .top("log_file", "off");
    let file = setup.write_config();
    let (code, lines) = check(setup.dir(), &["-c", &file, "--plugins-dir", "plugins"]);
    assert_eq!(code, Some(78));
    let mark = format!("{file}: error: ");
    let errors = lines.iter().filter_map(|line| line.strip_prefix(&mark));
    let errors: Vec<String> = errors.map(str::to_owned).collect();
    let (code, served) = setup.refused();
    assert_eq!(code, Some(78));
    assert_eq!(errors, served);
    assert_eq!(errors.len(), 7, "{errors:#?}");
}

#[test]
fn no_plugin_is_run_and_no_daemon_disturbed() {
    let daemon = Setup::chain("Header|MailDir").top("pid_file", "pid").start();
    let dir = daemon.dir().to_owned();
    let port = daemon.address().port();
    daemon.edit(|config| {
        config["servers"][0]["listen_interface"] = json!(format!("127.0.0.1:{port}"));
        config["backend_config"]["save_process"] = json!("PanicsInCreate|Header|MailDir");
        config["log_file"] = json!("new.log");
    });
    let before = names(&dir);
    let (code, lines) = check(&dir, &["-c", "guerrillad.json", "--plugins-dir", "plugins"]);
    assert_eq!((code, &lines[..]), (Some(0), &["guerrillad.json: ok".to_owned()][..]));
    assert_eq!(names(&dir), before);
    daemon.stop();
}

#[test]
fn as_json() {
    let (code, lines) = check(&configs().join("broken"), &["-c", "chains.json", "--json"]);
    assert_eq!(code, Some(78));
    let report: Value = serde_json::from_str(&lines.concat()).expect("JSON");
    assert_eq!((&report["file"], &report["ok"]), (&json!("chains.json"), &json!(false)));
    assert_eq!(report["errors"][0]["at"], "backend_config.processors.archive");
    let message = report["errors"][0]["message"].as_str().expect("a string");
    assert!(message.starts_with("there is no processor \"MailDir\""), "{message}");
}

#[test]
fn without_a_file_the_defaults_are_checked() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (code, lines) = check(dir.path(), &[]);
    let note = "defaults: warning: no config file (goguerrilla.conf.json): the defaults hold";
    assert_eq!((code, &lines[..]), (Some(0), &[note.to_owned(), "defaults: ok".to_owned()][..]));
    let (code, lines) = check(dir.path(), &["-c", "missing.json"]);
    assert_eq!(code, Some(78));
    let expected = "missing.json: error: cannot be read: No such file or directory (os error 2)";
    assert_eq!(lines, [expected]);
}

#[test]
fn a_log_that_cannot_be_written() {
    for (target, why) in
        [("no/log", "directory no: No such file or directory"), ("plugins", "it is a directory")]
    {
        let setup = Setup::without_plugins().top("log_file", target);
        let file = setup.write_config();
        let (code, lines) = check(setup.dir(), &["-c", &file]);
        let expected = format!("{file}: error: log_file: cannot write {target}: {why}");
        assert_eq!((code, &lines[..]), (Some(78), &[expected][..]));
        let mut serve = guerrillad(setup.dir(), ["serve", "-c", &file]);
        assert_eq!(serve.exit_code(), Some(78));
        assert!(complaints(&serve.stderr)[0].starts_with("log_file: cannot open"));
    }
}

/// Rights are not all: a file system may make no files, or let nothing in it be run.
#[test]
fn directories_that_no_file_can_be_made_in() {
    for (key, target) in [
        ("spool_dir", "/proc"),
        ("log_file", "/proc/log"),
        ("pid_file", "/proc/pid"),
        ("plugins_crash_file", "/sys/crashes"),
        ("plugins_runtime_dir", "/proc"),
    ] {
        let setup = Setup::new().top(key, target);
        let file = setup.write_config();
        let (code, lines) = check(setup.dir(), &["-c", &file, "--plugins-dir", "plugins"]);
        assert_eq!(code, Some(78), "{key}: {lines:?}");
        let errors: Vec<_> = lines.iter().filter(|line| line.contains(": error: ")).collect();
        assert_eq!(errors.len(), 1, "{key}: {lines:?}");
        assert!(errors[0].contains(target) && errors[0].contains(key), "{lines:?}");
        let serve = ["serve", "-c", &file, "--plugins-dir", "plugins"];
        let mut serve = guerrillad(setup.dir(), serve);
        assert!(matches!(serve.exit_code(), Some(1 | 78)), "{key}");
    }
}

/// A service's directory below /run is there only while the service runs.
#[test]
fn a_directory_that_the_service_manager_makes() {
    let missing = "/run/guerrillad-is-not-running/pid";
    let setup = Setup::without_plugins().top("pid_file", missing);
    let (code, lines) = check(setup.dir(), &["-c", &setup.write_config()]);
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(
        lines[0].contains("warning: pid_file: ") && lines[0].contains("RuntimeDirectory"),
        "{lines:?}"
    );
}

/// The errors of `config check` without the file's name, for a setup that `serve` refuses, too.
#[track_caller]
fn refused_by_both(setup: Setup) -> Vec<String> {
    let file = setup.write_config();
    let (code, lines) = check(setup.dir(), &["-c", &file, "--plugins-dir", "plugins"]);
    assert_eq!(code, Some(78), "{lines:?}");
    let mark = format!("{file}: error: ");
    let errors = lines.iter().filter_map(|line| line.strip_prefix(&mark)).map(str::to_owned);
    let errors = errors.collect();
    let mut serve = guerrillad(setup.dir(), ["serve", "-c", &file, "--plugins-dir", "plugins"]);
    assert!(matches!(serve.exit_code(), Some(1 | 78)), "{}", serve.stderr.text());
    errors
}

#[test]
fn rights_and_sockets_that_cannot_be_had() {
    let plain = Setup::without_plugins;
    let unix = |setup: Setup| {
        let path = format!("unix:{}/a.sock", setup.dir().display());
        setup.server("listen_interface", path)
    };
    let nowhere = "cannot listen on unix:/nonexist/a: there is no directory /nonexist; make it";
    for (setup, expected) in [
        (plain().top("user", "nobodyx"), "user: there is no user \"nobodyx\" on this machine"),
        (
            plain().top("user", "root").top("group", "nobodyx"),
            "group: there is no group \"nobodyx\" on this machine",
        ),
        (
            unix(plain()).server("unix_owner", "nobodyx"),
            "servers[0].unix_owner: there is no user \"nobodyx\" on this machine",
        ),
        (
            unix(plain()).server("unix_owner", ":nobodyx"),
            "servers[0].unix_owner: there is no group \"nobodyx\" on this machine",
        ),
        (
            plain().server("listen_interface", "unix:/nonexist/a"),
            format!("servers[0].listen_interface: {nowhere}").as_str(),
        ),
        (
            plain().top("admin_listen", "unix:/nonexist/a"),
            format!("admin_listen: {nowhere}").as_str(),
        ),
        (
            plain()
                .server("listen_interface", "127.0.0.1:24525")
                .another_server(json!({ "is_enabled": true, "listen_interface": ":24525" })),
            "servers[1].listen_interface: [::]:24525 is taken by servers[0]; each server needs its own",
        ),
        (
            plain().server("listen_interface", ":24525").top("admin_listen", "127.0.0.1:24525"),
            "admin_listen: 127.0.0.1:24525 is taken by servers[0]; it needs an address of its own",
        ),
    ] {
        assert_eq!(refused_by_both(setup), [expected]);
    }
    let listed = plain().top("landlock", "auto").top("landlock_write", json!(["/nonexist"]));
    let errors = refused_by_both(listed);
    assert!(errors.len() == 1 && errors[0].starts_with("landlock_write: "), "{errors:?}");
    assert!(errors[0].contains("/nonexist"), "{errors:?}");
}

/// `serve` says what is missing, where the system only says that something is.
#[test]
fn a_socket_in_a_directory_that_is_not_there() {
    for (at, setup) in [
        (
            "servers[0].listen_interface",
            Setup::without_plugins().server("listen_interface", "unix:/nonexist/a"),
        ),
        ("admin_listen", Setup::without_plugins().top("admin_listen", "unix:/nonexist/a")),
    ] {
        let (code, lines) = setup.refused();
        let why = "cannot listen on unix:/nonexist/a: there is no directory /nonexist; make it";
        assert_eq!((code, &lines[..]), (Some(1), &[format!("{at}: {why}")][..]));
    }
}

/// What root may write another user may not.
#[test]
fn files_are_looked_at_as_the_user_that_the_daemon_becomes() {
    if !geteuid().is_root() {
        eprintln!("not root: nobody else can be become");
        return;
    }
    let setup = Setup::without_plugins().top("user", "64242").top("group", "64243");
    let dir = setup.dir().to_owned();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("our own directory");
    let log = dir.join("smtp.log");
    let errors = refused_by_both(setup.top("log_file", log.to_str().expect("UTF-8")));
    let why = format!("directory {}: Permission denied", dir.display());
    assert_eq!(errors, [format!("log_file: cannot write {}: {why}", log.display())]);
    // What root does before it becomes that user is looked at as root; what the user cannot read is a warning.
    let setup = Setup::without_plugins().top("user", "64242").top("group", "64243");
    let dir = setup.dir().to_owned();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("our own directory");
    let socket = dir.join("smtp.sock");
    let setup = setup
        .top("pid_file", dir.join("pid").to_str().expect("UTF-8"))
        .server("listen_interface", format!("unix:{}", socket.display()));
    let file = setup.write_config();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("our own file");
    let (code, lines) = check(&dir, &["-c", &file, "--plugins-dir", "plugins"]);
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(lines[0].contains("warning: reloads will be refused, "), "{lines:?}");
    assert_eq!(lines[1..], [format!("{file}: ok")]);
}

#[test]
fn certificates_out_of_their_time_and_pairs_that_are_none() {
    let setup = Setup::without_plugins();
    let write = |name: &str, text: String| {
        let path = setup.dir().join(name);
        fs::write(&path, text).expect("our own directory");
        path.to_str().expect("UTF-8").to_owned()
    };
    let pair = |name: &str, until: i32| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        let certificate = write(&format!("{name}.crt"), certificate.pem());
        (certificate, write(&format!("{name}.key"), key.serialize_pem()))
    };
    let (old, old_key) = pair("old", 2020);
    let (new, new_key) = pair("new", 2999);
    let tls = |extra: &str| {
        json!({
            "start_tls_on": true, "public_key_file": new, "private_key_file": new_key,
            "certificates": [{ "public_key_file": old, "private_key_file": extra }],
        })
    };
    let setup = setup.server("tls", tls(&old_key));
    let file = setup.write_config();
    let (code, lines) = check(setup.dir(), &["-c", &file]);
    let at = "servers[0].tls.certificates[0].public_key_file";
    let warning = format!("{file}: warning: {at}: {old}: the certificate of ");
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(lines.len() == 2 && lines[0].starts_with(&warning), "{lines:?}");
    assert!(lines[0].ends_with(" has expired on 2020-01-01T00:00:00Z"), "{lines:?}");
    let setup = setup.server("tls", tls(&new_key));
    let file = setup.write_config();
    let (code, lines) = check(setup.dir(), &["-c", &file]);
    let at = "servers[0].tls.certificates[0].private_key_file";
    let why = format!("{new_key} is not the key of the certificate in public_key_file {old}");
    assert_eq!((code, &lines[..]), (Some(78), &[format!("{file}: error: {at}: {why}")][..]));
    let (_, lines) = setup.refused();
    assert_eq!(lines, [format!("{at} {why}")]);
}

/// Whoever names it wants to see something.
#[test]
fn a_debugger_that_logs_nothing_is_told_of() {
    let warning = "backend_config.log_received_mails: left out, which is false in a backend_config: Debugger logs no message; set it to true, or to false to say so";
    for (value, warned) in [(json!(null), true), (json!(true), false), (json!(false), false)] {
        let setup = Setup::without_plugins().backend("log_received_mails", value);
        let file = setup.write_config();
        let (code, lines) = check(setup.dir(), &["-c", &file]);
        let expected = warned.then(|| format!("{file}: warning: {warning}"));
        let expected: Vec<_> = expected.into_iter().chain([format!("{file}: ok")]).collect();
        assert_eq!((code, lines), (Some(0), expected));
        let daemon = setup.start();
        assert_eq!(daemon.log().with(warning).len(), usize::from(warned));
        daemon.stop();
    }
}
