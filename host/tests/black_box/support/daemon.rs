//! A daemon with a configuration of its own, in a directory of its own.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Client;
use super::control::Control;
use super::plugins::Plugin;
use super::process::{Output, Process, started};
use super::usage::Usage;

/// What a daemon is to be started with.
///
/// Unless said otherwise it takes mail for `example.test` at one port of 127.0.0.1 and keeps it with the real MailDir
/// plugin in a maildir for each user.
pub(crate) struct Setup {
    config: Value,
    dir: TempDir,
    flags: Vec<String>,
    starter: Vec<String>,
    program: PathBuf,
}

impl Setup {
    /// Every mail is kept.
    pub(crate) fn new() -> Self {
        Self::chain("HeadersParser|Header|Hasher|MailDir")
    }

    /// With this `save_process`, and the files of the MailDir and the misbehaving plugin at hand.
    pub(crate) fn chain(save_process: &str) -> Self {
        let setup = Self::without_plugins().backend("save_process", save_process);
        let path = |name: &str| setup.dir().join(name).to_str().expect("UTF-8").to_owned();
        let (maildir, record) = (path("mail/[user]"), path("record"));
        for plugin in [Plugin::MailDir, Plugin::Misbehaving] {
            plugin.install(&setup.plugins_dir());
        }
        setup
            .backend("maildir_path", maildir)
            .backend("maildir_user_map", "*=-1:-1")
            .backend("misbehaving_record", record)
    }

    /// With the built-in processors only; mail is kept nowhere.
    pub(crate) fn without_plugins() -> Self {
        let dir = tempfile::Builder::new().prefix("guerrillad-test-").tempdir();
        let setup = Self {
            config: json!({
                "log_file": "stderr",
                "log_level": "debug",
                "allowed_hosts": ["example.test"],
                "servers": [{
                    "is_enabled": true,
                    "listen_interface": "127.0.0.1:0",
                    "host_name": "mail.example.test",
                }],
                "backend_config": {
                    "save_process": "HeadersParser|Header|Hasher|Debugger",
                    "log_received_mails": false,
                },
            }),
            dir: dir.expect("a temporary directory"),
            flags: Vec::new(),
            starter: Vec::new(),
            program: env!("CARGO_BIN_EXE_guerrillad").into(),
        };
        let plugins = setup.plugins_dir();
        fs::create_dir(&plugins).expect("a fresh directory");
        fs::set_permissions(&plugins, Permissions::from_mode(0o755)).expect("our own directory");
        setup
    }

    /// Sets a key of the file's top level.
    pub(crate) fn top(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config[key] = value.into();
        self
    }

    /// Sets a key of the server.
    pub(crate) fn server(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config["servers"][0][key] = value.into();
        self
    }

    /// Adds a second server, and so on.
    pub(crate) fn another_server(mut self, server: Value) -> Self {
        self.config["servers"].as_array_mut().expect("an array").push(server);
        self
    }

    /// Sets a key of `backend_config`.
    pub(crate) fn backend(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config["backend_config"][key] = value.into();
        self
    }

    /// Lets plugins that wait, wait for this test.
    pub(crate) fn control(self, control: &Control) -> Self {
        self.backend("misbehaving_control", control.path())
    }

    /// Adds a flag of `serve`.
    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Lets a program start it: its words, behind which the daemon's own come. It must execute them in its own place.
    pub(crate) fn started_by(mut self, words: &[&str]) -> Self {
        self.starter = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Starts another build of the daemon.
    pub(crate) fn program(self, program: &Path) -> Self {
        Self { program: program.to_owned(), ..self }
    }

    /// The daemon's directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where its plugins are.
    pub(crate) fn plugins_dir(&self) -> PathBuf {
        self.dir().join("plugins")
    }

    /// Starts it and waits until it serves.
    #[track_caller]
    pub(crate) fn start(self) -> Daemon {
        let process = self.spawn();
        process.stderr.wait_for(" ready");
        let addresses = process
            .stderr
            .with("listening on ")
            .iter()
            .filter_map(|line| line.split("listening on ").nth(1)?.split(' ').next()?.parse().ok())
            .collect();
        Daemon { process, addresses, dir: self.dir }
    }

    /// Starts it without looking at what it says: its log is elsewhere.
    pub(crate) fn spawned(self) -> Daemon {
        let process = self.spawn();
        Daemon { process, addresses: Vec::new(), dir: self.dir }
    }

    /// Starts it without a log, to be refused: exit code and the lines that the command has complained with.
    #[track_caller]
    pub(crate) fn refused(self) -> (Option<i32>, Vec<String>) {
        let silent = self.top("log_file", "off");
        let mut process = silent.spawn();
        let code = process.exit_code();
        (code, complaints(&process.stderr))
    }

    /// Writes the config file; its path.
    pub(crate) fn write_config(&self) -> String {
        let file = self.dir().join(CONFIG);
        fs::write(&file, self.config.to_string()).expect("our own directory");
        file.display().to_string()
    }

    fn spawn(&self) -> Process {
        let (file, plugins) = (self.write_config(), self.plugins_dir().display().to_string());
        let usual = ["serve", "-c", &file, "--plugins-dir", &plugins];
        let flags = self.flags.iter().map(String::as_str);
        started(&self.starter, &self.program, self.dir(), usual.into_iter().chain(flags))
    }
}

/// The configuration file.
const CONFIG: &str = "guerrillad.json";

/// The lines that a command has complained with, in its own name.
#[track_caller]
pub(crate) fn complaints(stderr: &Output) -> Vec<String> {
    let text = stderr.text();
    let lines = text.strip_prefix("guerrillad: ").unwrap_or_else(|| panic!("complaint:\n{text}"));
    lines.lines().map(str::to_owned).collect()
}

/// A daemon that serves.
pub(crate) struct Daemon {
    process: Process,
    addresses: Vec<SocketAddr>,
    dir: TempDir,
}

impl Daemon {
    pub(crate) fn log(&self) -> &Output {
        &self.process.stderr
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it takes of the machine.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.pid())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where its first TCP server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where all of its TCP servers listen, in the order of the configuration.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A client that has been greeted and has said EHLO.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::introduced(self.address())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its configuration file.
    pub(crate) fn config_file(&self) -> String {
        self.dir().join(CONFIG).display().to_string()
    }

    /// Changes its configuration file, as an editor does: at once and as a whole.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let file = self.dir().join(CONFIG);
        let text = fs::read(&file).expect("written at the start");
        let mut config = serde_json::from_slice(&text).expect("our own JSON");
        change(&mut config);
        self.put_config(&config.to_string());
    }

    /// Puts this text in the place of its configuration file.
    pub(crate) fn put_config(&self, text: &str) {
        let draft = self.dir().join("draft");
        fs::write(&draft, text).expect("our own directory");
        fs::rename(&draft, self.dir().join(CONFIG)).expect("our own directory");
    }

    /// Sends SIGHUP and waits for the outcome: the lines that tell of changes, or why there are none.
    #[track_caller]
    pub(crate) fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        let outcomes = || self.log().with("reloaded, ").len();
        let (before, done) = (self.log().lines(), outcomes());
        self.signal(Signal::SIGHUP);
        self.log().wait_for_so_many(done + 1, "reloaded, ");
        let lines = self.log().lines().split_off(before.len());
        let behind = |mark: &str| {
            let behind = lines.iter().filter_map(|line| Some(line.split_once(mark)?.1.to_owned()));
            behind.collect::<Vec<_>>()
        };
        if lines.iter().any(|line| line.contains("not reloaded, ")) {
            return Err(behind("ERROR "));
        }
        let mut told = behind("INFO  ");
        told.retain(|line| line.contains("_change:"));
        told.sort();
        Ok(told)
    }

    /// Where it has begun to listen since the start, in that order.
    pub(crate) fn new_address(&self) -> SocketAddr {
        let lines = self.log().with("listening on ");
        let new = lines.iter().rfind(|line| !line.contains("no longer"));
        let address = new.and_then(|line| line.split("listening on ").nth(1)?.split(' ').next());
        address.expect("a line").parse().expect("an address")
    }

    /// Waits for its end; the exit code.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.exit_code()
    }

    /// Asks it to end, and wants it to end well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.exit_code(), Some(0), "exit code");
    }

    /// The maildir of a user.
    pub(crate) fn maildir(&self, user: &str) -> PathBuf {
        self.dir().join("mail").join(user)
    }

    /// The mails of a user, oldest first.
    pub(crate) fn mails(&self, user: &str) -> Vec<String> {
        let mut files = files(&self.maildir(user).join("new"));
        files.sort();
        let read = |path: &PathBuf| fs::read(path).expect("a mail");
        files.iter().map(read).map(|mail| String::from_utf8_lossy(&mail).into_owned()).collect()
    }

    /// Whether anything of a user's mail is unfinished.
    pub(crate) fn unfinished(&self, user: &str) -> Vec<PathBuf> {
        files(&self.maildir(user).join("tmp"))
    }

    /// What the Recorder has been told.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir().join("record")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    /// A Python client of `tests/clients` against the first server and this user's maildir.
    pub(crate) fn script(&self, script: &str, args: &[&str]) -> Command {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let mut command = Command::new("python3");
        // -B: nothing is written beside the sources.
        command.arg("-B").arg(clients.join(script));
        command.arg("--port").arg(self.address().port().to_string());
        command.arg("--maildir").arg(self.maildir("test")).args(args);
        command
    }
}

/// The files of a directory; none when it is not there.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.expect("readable").path()).collect()
}
