//! The page's files and the last messages, as a browser gets them. What it makes of them is seen in a real one
//! (`tests/admin/page.py`).

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{MESSAGE, page, with_admin};
use crate::support::Setup;

fn fields(socket: &Path, path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "30", "--output", "/dev/null", "--dump-header", "-"]);
    curl.arg("--unix-socket").arg(socket).arg(format!("http://localhost{path}"));
    let output = curl.output().expect("curl runs (Debian package curl)");
    String::from_utf8(output.stdout).expect("UTF-8").to_lowercase()
}

#[test]
fn each_file_comes_with_a_policy() {
    let daemon = with_admin(Setup::without_plugins());
    let socket = daemon.dir().join("admin.sock");
    let (code, html) = page(&socket, "/");
    assert_eq!(code, 200);
    let linked = html.split("\"page/").skip(1).filter_map(|rest| rest.split('"').next());
    let files: Vec<String> = linked.map(|name| format!("/page/{name}")).collect();
    assert_eq!(files.len(), 2, "{html}");
    for path in files.iter().map(String::as_str).chain(["/"]) {
        let fields = fields(&socket, path);
        for field in [
            "http/1.1 200",
            "content-security-policy: default-src 'none'; script-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
        ] {
            assert!(fields.contains(field), "{path}: {field} in:\n{fields}");
        }
        assert!(!fields.contains("unsafe"), "{fields}");
    }
    assert_eq!(page(&socket, "/page/../../Cargo.toml").0, 404);
    daemon.stop();
}

#[test]
fn the_last_messages_are_told_with_their_envelopes_only() {
    let daemon = with_admin(Setup::without_plugins());
    let socket = daemon.dir().join("admin.sock");
    let mut client = daemon.client();
    for number in 0..7 {
        let to: Vec<String> = (0..=number).map(|n| format!("u{n}@example.test")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        client.mail(&format!("\"<b>{number}\"@example.com"), &to, MESSAGE);
    }
    let asked = |path: &str| -> Vec<Value> {
        let (code, text) = page(&socket, path);
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let all = asked("/messages");
    assert_eq!(all.len(), 7);
    assert_eq!(all[0]["sender"], "\"<b>6\"@example.com");
    assert_eq!(
        (all[0]["rcpts"].as_u64(), all[0]["recipients"][4].as_str()),
        (Some(7), Some("u4@example.test"))
    );
    assert_eq!(all[0]["size"], MESSAGE.len());
    assert_eq!(all[0]["verdict"], "accepted");
    assert!(all.iter().all(|message| message["content"].is_null()));
    assert_eq!(asked("/messages?limit=2").len(), 2);
    let found = asked("/messages?q=%3CB%3E3");
    assert_eq!((found.len(), &found[0]["sender"]), (1, &all[3]["sender"]));

    daemon.edit(|config| config["admin_show_bodies"] = true.into());
    assert_eq!(daemon.reload().expect("reloaded")[0], "config_change:admin");
    client.mail("b@example.com", &["u@example.test"], MESSAGE);
    assert_eq!(asked("/messages?limit=1")[0]["content"], MESSAGE);
    daemon.stop();
}
