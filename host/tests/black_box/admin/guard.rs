//! What a page in a browser on the daemon's machine may not do with an admin interface on loopback.

use std::process::Command;

use crate::support::Setup;

/// The status of an answer.
#[track_caller]
fn asked(url: &str, args: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--max-time",
        "30",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ]);
    let output = curl.args(args).arg(url).output().expect("curl runs (Debian package curl)");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn other_pages_neither_read_nor_reload() {
    // The port is the system's choice, so it is asked from the log.
    let daemon = Setup::without_plugins().top("admin_listen", "127.0.0.1:0").start();
    let line = daemon.log().wait_for("admin interface on ");
    let address = line.rsplit("admin interface on ").next().expect("an address").trim().to_owned();
    let status = format!("http://{address}/status");
    assert_eq!(asked(&status, &[]), "200");
    assert_eq!(asked(&status, &["-H", "Host: evil.example"]), "421");
    assert_eq!(asked(&status, &["-H", "Sec-Fetch-Site: cross-site"]), "403");
    let reload = format!("http://{address}/reload");
    assert_eq!(asked(&reload, &[]), "405", "a GET does nothing");
    assert_eq!(asked(&reload, &["-X", "POST"]), "403");
    let field = ["-X", "POST", "-H", "X-Guerrillad: 1"];
    let other = [&field[..], &["-H", "Origin: http://evil.example"]].concat();
    assert_eq!(asked(&reload, &other), "403");
    // What a browser asks before it would send such a request is not agreed to.
    let before = ["-X", "OPTIONS", "-H", "Origin: http://evil.example"];
    assert_eq!(asked(&reload, &before), "403");
    assert_eq!(daemon.log().with("reloaded").len(), 0);
    assert_eq!(asked(&reload, &field), "200");
    daemon.log().wait_for("reloaded, changes: 0");
    daemon.stop();
}
