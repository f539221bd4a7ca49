//! The answer to EHLO, under any settings: what is offered works, what is not offered is refused.
//!
//! **Standards:** RFC 5321 2.2.1, 4.1.1.1; RFC 3030 3; RFC 6531 3.1.
#![no_main]

use guerrilla_fuzz::driver::{Driver, Policy};
use guerrilla_fuzz::input::Input;
use guerrilla_fuzz::replies;
use guerrilla_smtp::{PeerTraits, Protocol, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (settings, peer) = Input::new(data).settings();
    let settings = Settings {
        max_rcpt: settings.max_rcpt.max(1),
        max_errors: 0,
        max_unrecognised: 0,
        ..settings
    };
    if settings.tls_required && !peer.tls {
        return; // nothing but STARTTLS works, and the list is honest about what comes then
    }
    let offered = keywords(&greeted(&settings, peer).written);
    for (keyword, needed) in NEEDS {
        let listed = |word: &str| offered.iter().any(|offer| offer == word);
        assert!(!listed(keyword) || listed(needed), "{keyword} without {needed}: {offered:?}");
    }
    let coded = offered.iter().any(|word| word == "ENHANCEDSTATUSCODES");
    for (keyword, probe) in PROBES {
        let mut driver = greeted(&settings, peer);
        let before = driver.written.len();
        driver.feed(probe.as_bytes());
        if *keyword != "XCLIENT" {
            // The answer to that is a greeting, which has no enhanced code.
            replies::check_enhanced(&driver.written[before..], coded);
        }
        let code = *replies::codes(&driver.written).last().expect("a reply");
        let works = !matches!(code, 500 | 502 | 503 | 550 | 555);
        let listed = offered.iter().any(|word| word == keyword);
        assert_eq!(works, listed, "{keyword}: offered {offered:?}, but the answer is {code}");
    }
});

/// A keyword, and what is refused without it.
const PROBES: &[(&str, &str)] = &[
    ("8BITMIME", "MAIL FROM:<a@b.test> BODY=8BITMIME\r\n"),
    ("BINARYMIME", "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n"),
    ("CHUNKING", "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 0\r\n"),
    ("DSN", "MAIL FROM:<a@b.test> RET=HDRS ENVID=x\r\n"),
    ("DSN", "MAIL FROM:<>\r\nRCPT TO:<c@d.test> NOTIFY=NEVER ORCPT=rfc822;c@d.test\r\n"),
    ("HELP", "HELP\r\n"),
    ("PRDR", "MAIL FROM:<a@b.test> PRDR\r\n"),
    ("REQUIRETLS", "MAIL FROM:<a@b.test> REQUIRETLS\r\n"),
    ("SIZE", "MAIL FROM:<a@b.test> SIZE=1\r\n"),
    ("SMTPUTF8", "MAIL FROM:<\u{e9}@b.test> SMTPUTF8\r\n"),
    ("STARTTLS", "STARTTLS\r\n"),
    ("XCLIENT", "XCLIENT ADDR=192.0.2.1\r\n"),
    ("XFORWARD", "XFORWARD ADDR=192.0.2.1\r\n"),
];

/// RFC 3030 3; RFC 6531 3.1, item 8.
const NEEDS: &[(&str, &str)] = &[("BINARYMIME", "CHUNKING"), ("SMTPUTF8", "8BITMIME")];

fn greeted(settings: &Settings, peer: PeerTraits) -> Driver {
    let hello = if settings.protocol == Protocol::Lmtp { "LHLO" } else { "EHLO" };
    let mut driver = Driver::new(settings.clone(), peer, Policy::default());
    driver.feed(format!("{hello} c.test\r\n").as_bytes());
    driver
}

/// The first words of the lines behind the greeting and the name of the host.
fn keywords(written: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(written);
    let lines = text.lines().skip(2);
    lines.filter_map(|line| line.get(4..)?.split(' ').next().map(str::to_owned)).collect()
}
