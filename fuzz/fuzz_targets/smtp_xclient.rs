//! The arguments of XCLIENT and XFORWARD: what was understood, written anew, is understood the same.
#![no_main]

use guerrilla_fuzz::driver::{Driver, Policy};
use guerrilla_smtp::{PeerTraits, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(data.len());
    for verb in ["XCLIENT ", "XFORWARD "] {
        let line = [verb.as_bytes(), &data[..end]].concat();
        if let Some(canonical) = understood(&line) {
            // Encoded in full it may be longer than a line may be.
            if canonical.len() <= 510 {
                assert_eq!(understood(canonical.as_bytes()).as_deref(), Some(&*canonical));
            }
        }
    }
});

fn understood(line: &[u8]) -> Option<String> {
    let settings = Settings { xclient: true, xforward: true, ..Settings::default() };
    let peer = PeerTraits { trusted_proxy: true, tls: false };
    let mut driver = Driver::new(settings, peer, Policy::default());
    driver.feed(line);
    driver.feed(b"\r\n");
    driver.proxy_command
}
