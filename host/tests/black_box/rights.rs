//! As whom the daemon runs and what is left to it. What needs root is seen when the tests run as root, as in CI.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::unistd::geteuid;
use serde_json::json;

use crate::support::{Daemon, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Nobody's, on any machine.
const USER: u32 = 64_242;
const GROUP: u32 = 64_243;

/// Whether this can be seen here; says so when not.
fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("not root: what happens after a start as root was not seen");
    }
    root
}

/// A directory below that of the daemon, which belongs to the user.
fn users_directory(setup: &Setup, name: &str) -> String {
    let dir = setup.dir().join(name);
    fs::create_dir(&dir).expect("our own directory");
    chown(&dir, Some(USER), Some(GROUP)).expect("root may");
    dir.to_str().expect("UTF-8").to_owned()
}

/// One that root starts and that becomes another; the user may look into its directory.
fn for_a_user(setup: Setup) -> Setup {
    fs::set_permissions(setup.dir(), Permissions::from_mode(0o755)).expect("our own directory");
    let mail = users_directory(&setup, "mail");
    setup
        .top("user", USER.to_string())
        .top("group", GROUP.to_string())
        .backend("maildir_path", format!("{mail}/[user]"))
}

/// A port that only root may bind, on an address that nobody uses.
fn privileged() -> String {
    let free = (600..1024).map(|port| format!("127.42.25.{}:{port}", port % 250 + 1));
    let mut free = free.filter(|address| TcpListener::bind(address).is_ok());
    free.next().expect("a free port below 1024")
}

/// The lines of all its threads that begin with a word, each once.
fn of_all_threads(daemon: &Daemon, word: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("it runs") {
        let status = task.expect("readable").path().join("status");
        // A thread may have ended meanwhile.
        let text = fs::read_to_string(status).unwrap_or_default();
        lines.extend(text.lines().filter(|line| line.starts_with(word)).map(str::to_owned));
    }
    assert!(lines.len() >= 3, "more than one thread: {lines:?}");
    lines.dedup();
    lines
}

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let found = fs::metadata(path).expect("there");
    (found.uid(), found.gid())
}

#[test]
fn root_binds_and_becomes_another_in_all_threads_for_good() {
    if !is_root() {
        return;
    }
    let setup = for_a_user(Setup::new());
    let log = users_directory(&setup, "log");
    let (listen, log_file) = (privileged(), format!("{log}/smtp.log"));
    let lmtp = setup.dir().join("lmtp.sock");
    let users_own = format!("{log}/smtp.sock");
    let setup = setup
        .server("listen_interface", listen.as_str())
        .server("log_file", log_file.as_str())
        .top("pid_file", format!("{log}/pid"))
        .another_server(json!({
            "is_enabled": true, "listen_interface": format!("unix:{}", lmtp.display()),
            "unix_owner": format!(":{GROUP}"), "unix_mode": "0660", "protocol": "lmtp",
        }))
        .another_server(json!({
            "is_enabled": true, "listen_interface": format!("unix:{users_own}"),
        }));
    let daemon = setup.start();
    daemon.log().wait_for(&format!("has become {USER} (uid {USER}, gid {GROUP})"));
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");

    let four = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
    assert_eq!(of_all_threads(&daemon, "Uid:"), [format!("Uid:\t{}", four(USER))]);
    assert_eq!(of_all_threads(&daemon, "Gid:"), [format!("Gid:\t{}", four(GROUP))]);
    assert_eq!(of_all_threads(&daemon, "Groups:"), [format!("Groups:\t{GROUP} ")]);
    for capabilities in ["CapEff:", "CapPrm:", "CapAmb:"] {
        let none = format!("{capabilities}\t0000000000000000");
        assert_eq!(of_all_threads(&daemon, capabilities), [none]);
    }
    // What it has made is the user's; the socket is whose root has given it to, where nobody else could have interfered.
    assert_eq!(owner(daemon.maildir("test").join("new")), (USER, GROUP));
    assert_eq!(owner(&log_file), (USER, GROUP));
    assert_eq!(owner(format!("{log}/pid")), (USER, GROUP));
    assert_eq!(owner(&lmtp), (0, GROUP));
    assert_eq!(owner(&users_own), (USER, GROUP));

    // It lives on: logs are opened anew, the configuration is read anew, another socket is bound.
    fs::rename(&log_file, format!("{log_file}.1")).expect("there");
    daemon.signal(nix::sys::signal::Signal::SIGUSR1);
    daemon.log().wait_for("log files opened anew");
    assert_eq!(owner(&log_file), (USER, GROUP));
    daemon.edit(|config| {
        config["servers"][1] = json!({ "is_enabled": true, "listen_interface": "127.0.0.1:0" });
    });
    daemon.reload().expect("nothing of it needs root");
    // What root has bound is closed and needs root again.
    daemon.edit(|config| config["servers"][0]["listen_interface"] = privileged().into());
    let ports = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if ports.is_ok_and(|first| first.trim() == "1024") {
        let errors = daemon.reload().expect_err("a port below 1024");
        assert!(errors[0].contains("ports below 1024 need root"), "{errors:?}");
    }
    daemon.client().expect("NOOP", "250 ");
    daemon.stop();
    assert!(!Path::new(&log).join("pid").exists());
}

/// In a directory of root's the file is root's: another's would be a way to have root signal any process.
#[test]
fn a_pid_file_in_a_directory_of_roots_is_emptied_at_the_end() {
    if !is_root() {
        return;
    }
    let setup = for_a_user(Setup::new());
    let pid_file = setup.dir().join("daemon.pid");
    let path = pid_file.to_str().expect("UTF-8").to_owned();
    let mut daemon = setup.top("pid_file", path).start();
    assert_eq!(owner(&pid_file), (0, 0));
    let pid = fs::read_to_string(&pid_file).expect("there");
    assert_eq!(pid, daemon.pid().to_string());
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    assert_eq!(fs::read_to_string(&pid_file).expect("only root could remove it"), "");
}

#[test]
fn what_the_user_cannot_use_is_told_at_the_start() {
    if !is_root() {
        return;
    }
    // In a directory of root's that nobody else may write to.
    for (key, told) in [
        ("spool_dir", "spool_dir "),
        ("log_file", "log_file: cannot open "),
        ("plugins_crash_file", "plugins_crash_file "),
        ("plugins_runtime_dir", "plugin runtime directory "),
    ] {
        let setup = for_a_user(Setup::new());
        let closed = setup.dir().join("closed");
        fs::create_dir(&closed).expect("our own directory");
        let place = if key.ends_with("_file") { closed.join("file") } else { closed };
        let place = place.to_str().expect("UTF-8").to_owned();
        let (code, lines) = match key {
            "log_file" => setup.server(key, place).refused(),
            _ => setup.top(key, place).refused(),
        };
        assert_eq!(code, Some(78), "{lines:?}");
        assert!(lines.len() == 1 && lines[0].contains(told), "{lines:?}");
        assert!(lines[0].contains("Permission denied"), "{lines:?}");
    }
    // A configuration that only root can read lets it start, and says what will come of it.
    let setup = for_a_user(Setup::new());
    let config = setup.write_config();
    let mode = |mode| fs::set_permissions(&config, Permissions::from_mode(mode));
    mode(0o600).expect("our own file");
    let daemon = setup.start();
    daemon.log().wait_for("reloads will be refused, for the user cannot read it: ");
    daemon.stop();
}

#[test]
fn users_that_cannot_be_had() {
    let (code, lines) = Setup::without_plugins().top("user", "no such user").refused();
    assert_eq!(code, Some(78));
    assert_eq!(lines, ["user: there is no user \"no such user\" on this machine"]);
    if !is_root() {
        return;
    }
    // Root in name only.
    let bare = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
    let setup = for_a_user(Setup::without_plugins()).started_by(&bare);
    let (code, lines) = setup.refused();
    assert_eq!(code, Some(78));
    assert!(
        lines.len() == 1 && lines[0].starts_with(&format!("user: cannot become {USER} (uid")),
        "{lines:?}"
    );
}

#[test]
fn files_are_made_by_the_umask() {
    let setup = Setup::without_plugins().top("umask", "0027");
    let path = setup.dir().join("smtp.sock");
    let daemon = setup.server("listen_interface", format!("unix:{}", path.display())).start();
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    daemon.edit(|config| config["umask"] = "0077".into());
    daemon.reload().expect("reloaded");
    daemon.log().wait_for("WARN  umask: settled at the start; the new value takes effect with");
    daemon.stop();
}

#[test]
fn landlock_keeps_plugins_from_what_is_not_listed() {
    // The maildirs are elsewhere, and so are the plugins' copies: the daemon's directory has its configuration in it.
    let (mail, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (mail, other) = (mail.expect("a directory"), other.expect("a directory"));
    let at = |place: &tempfile::TempDir| place.path().to_str().expect("UTF-8").to_owned();
    for (listed, reply) in [(&mail, "250 2.0.0 "), (&other, "451 4.")] {
        let setup = Setup::chain("Header|MailDir");
        let runtime = setup.dir().join("runtime");
        fs::create_dir(&runtime).expect("our own directory");
        let runtime = runtime.to_str().expect("UTF-8").to_owned();
        let setup = setup
            .top("landlock", "require")
            .top("landlock_write", json!([at(listed)]))
            .top("spool_dir", runtime.as_str())
            .top("plugins_runtime_dir", runtime.as_str())
            .backend("maildir_path", format!("{}/[user]", at(&mail)));
        let Some(daemon) = under_landlock(setup) else { return };
        let restricted = daemon.log().wait_for("INFO  landlock: restricted; writable: ");
        assert!(restricted.contains(&at(listed)), "{restricted}");
        let found = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(found.starts_with(reply), "{found}");
        // All that the daemon does itself goes on: the configuration is read, plugin files are tried and loaded.
        assert_eq!(daemon.reload(), Ok(Vec::new()));
        let file = daemon.dir().join("plugins/libmaildir.so");
        let mut code = fs::read(&file).expect("there");
        code.extend_from_slice(b"another file, by its content");
        let draft = daemon.dir().join("plugins/draft");
        fs::write(&draft, code).expect("our own directory");
        fs::set_permissions(&draft, Permissions::from_mode(0o755)).expect("our own file");
        fs::rename(&draft, &file).expect("our own directory");
        let changes = daemon.reload().expect("loaded");
        assert!(changes.contains(&"config_change:plugins".to_owned()), "{changes:?}");
        daemon.stop();
    }
}

fn is_landlock_offered() -> bool {
    let offered = fs::read_to_string("/sys/kernel/security/lsm");
    !offered.is_ok_and(|list| !list.split(',').any(|name| name.trim() == "landlock"))
}

/// Starts it, if this kernel can do that at all. Then a refusal is told in one line, which is all that is to be seen.
fn under_landlock(setup: Setup) -> Option<Daemon> {
    if !is_landlock_offered() {
        let (code, lines) = setup.refused();
        assert_eq!(code, Some(78));
        assert!(lines.len() == 1 && lines[0].contains("does not offer it"), "{lines:?}");
        eprintln!("no landlock in this kernel: only the refusal was seen");
        return None;
    }
    Some(setup.start())
}

/// A maildir whose directory cannot be made keeps the daemon from starting: it says why.
#[test]
fn what_landlock_forbids_at_the_start_is_told() {
    let mail = tempfile::tempdir().expect("a directory");
    let setup = Setup::chain("Header|MailDir");
    let runtime = setup.dir().join("runtime");
    fs::create_dir(&runtime).expect("our own directory");
    let runtime = runtime.to_str().expect("UTF-8").to_owned();
    let setup = setup
        .top("landlock", "auto")
        .top("spool_dir", runtime.as_str())
        .top("plugins_runtime_dir", runtime.as_str())
        .backend("maildir_path", format!("{}/made/[user]", mail.path().display()));
    if !is_landlock_offered() {
        return;
    }
    let (code, lines) = setup.refused();
    assert_eq!(code, Some(78), "{lines:?}");
    assert!(
        lines[0].contains("MailDir: cannot start: ") && lines[0].contains("denied"),
        "{lines:?}"
    );
    assert!(
        lines.len() == 2
            && lines[1].starts_with("landlock: is on, ")
            && lines[1].contains("landlock_write"),
        "{lines:?}"
    );
}

#[test]
fn a_listed_path_must_be_there() {
    let setup = Setup::without_plugins().top("landlock", "auto");
    let missing = setup.dir().join("missing").to_str().expect("UTF-8").to_owned();
    let (code, lines) = setup.top("landlock_read", json!([missing])).refused();
    assert_eq!(code, Some(78));
    assert!(lines.len() == 1 && lines[0].starts_with("landlock_read: "), "{lines:?}");
    assert!(lines[0].contains(&missing), "{lines:?}");
}
