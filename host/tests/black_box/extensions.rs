//! What EHLO offers is what the configuration of the server says, keyword by keyword, and what it does not offer is refused.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Client, Setup};

/// A switch, the keywords that are gone without it, and a command that is answered otherwise then.
const SWITCHES: [(&str, &[&str], &str, &str); 11] = [
    ("size", &["SIZE"], "MAIL FROM:<a@b.test> SIZE=1", "555 5.5.4 "),
    ("pipelining", &["PIPELINING"], "NOOP", "250 2.0.0 "),
    ("enhanced_status_codes", &["ENHANCEDSTATUSCODES"], "NOOP", "250 OK"),
    (
        "eight_bit_mime",
        &["8BITMIME", "SMTPUTF8", "BINARYMIME"],
        "MAIL FROM:<a@b.test> BODY=8BITMIME",
        "555 5.5.4 ",
    ),
    ("smtputf8", &["SMTPUTF8"], "MAIL FROM:<a@b.test> SMTPUTF8", "555 5.5.4 "),
    ("chunking", &["CHUNKING", "BINARYMIME"], "BDAT 0 LAST", "502 5.5.1 "),
    ("binarymime", &["BINARYMIME"], "MAIL FROM:<a@b.test> BODY=BINARYMIME", "555 5.5.4 "),
    ("dsn", &["DSN"], "MAIL FROM:<a@b.test> RET=HDRS", "555 5.5.4 "),
    ("limits", &["LIMITS"], "NOOP", "250 2.0.0 "),
    ("prdr", &["PRDR"], "MAIL FROM:<a@b.test> PRDR", "555 5.5.4 "),
    ("help", &["HELP"], "HELP", "502 5.5.1 "),
];

/// The keywords that a client is offered.
fn offered(client: &mut Client) -> BTreeSet<String> {
    let reply = client.ask("EHLO client.example");
    let keywords = reply.lines().skip(1).map(|line| line[4..].split(' ').next().unwrap_or(""));
    keywords.map(str::to_owned).collect()
}

#[test]
fn each_has_a_switch_of_its_own() {
    let mut setup = Setup::chain("Honours|Header|MailDir");
    for (index, (switch, ..)) in SWITCHES.iter().enumerate() {
        // Each its own loopback address: port 0 of one address can be named once.
        setup = setup.another_server(json!({
            "is_enabled": true, "listen_interface": format!("127.0.0.{}:0", index + 2),
            "host_name": "mail.example.test", "extensions": { *switch: false },
        }));
    }
    let daemon = setup.start();
    let greeted = |index: usize| {
        let mut client = Client::connect(daemon.addresses()[index]);
        client.expect_reply("220 ");
        client
    };
    let all = offered(&mut greeted(0));
    for (index, (switch, gone, command, answer)) in SWITCHES.iter().enumerate() {
        let mut client = greeted(index + 1);
        let left = offered(&mut client);
        let missing: BTreeSet<&str> = all.difference(&left).map(String::as_str).collect();
        assert_eq!(missing, gone.iter().copied().collect(), "{switch}");
        assert!(left.is_subset(&all), "{switch}: {left:?}");
        client.expect(command, answer);
        // Where it is on, the same command is taken, but for a chunk that belongs to no message.
        let code = if *switch == "chunking" { "503 " } else { "2" };
        let mut client = greeted(0);
        offered(&mut client);
        client.expect(command, code);
    }
    daemon.stop();
}
