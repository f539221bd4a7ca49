//! The arguments of MAIL and RCPT: accepted is what the grammar allows, both commands agree, and an
//! address that was understood is understood again.
#![no_main]

use guerrilla_fuzz::driver::{Driver, Message, Policy};
use guerrilla_fuzz::path::is_path;
use guerrilla_smtp::{PeerTraits, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(data.len());
    let argument = &data[..end];
    if let Ok(text) = str::from_utf8(argument)
        && text.is_ascii()
        && text.ends_with('>')
        && text.len() <= 400
    {
        agrees_with_the_grammar(text);
    }
    let sender = sender(argument, true);
    let recipient = recipient(argument, true);
    for address in sender.iter().chain(&recipient).filter(|address| address.contains('@')) {
        let path = format!("<{address}>");
        assert_eq!(self::recipient(path.as_bytes(), true).as_ref(), Some(address));
        let with_keyword = path + " SMTPUTF8";
        assert_eq!(self::sender(with_keyword.as_bytes(), true).as_ref(), Some(address));
    }
});

/// Without DSN no parameter that is accepted ends with `>`: there is the path and nothing else.
fn agrees_with_the_grammar(text: &str) {
    let bare = text.strip_prefix(' ').unwrap_or(text);
    let from = is_path(text) || bare == "<>";
    let to = is_path(text) || bare.eq_ignore_ascii_case("<postmaster>");
    assert_eq!(sender(text.as_bytes(), false).is_some(), from, "MAIL FROM:{text}");
    assert_eq!(recipient(text.as_bytes(), false).is_some(), to, "RCPT TO:{text}");
}

fn sender(argument: &[u8], dsn: bool) -> Option<String> {
    open(dsn, b"MAIL FROM:", argument).map(|message| message.from)
}

fn recipient(argument: &[u8], dsn: bool) -> Option<String> {
    open(dsn, b"MAIL FROM:<> SMTPUTF8\r\nRCPT TO:", argument)?.rcpt.into_iter().next()
}

/// The transaction after these lines.
fn open(dsn: bool, lines: &[u8], argument: &[u8]) -> Option<Message> {
    let settings = Settings { dsn, ..Settings::default() };
    let mut driver = Driver::new(settings, PeerTraits::default(), Policy::default());
    driver.feed(b"EHLO c.test\r\n");
    driver.feed(lines);
    driver.feed(argument);
    driver.feed(b"\r\n");
    driver.open
}
