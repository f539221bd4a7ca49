//! A whole connection, whatever the client sends and however it is cut: no panic, well-formed
//! replies, every promise to the driver kept, and the same outcome as in one piece.
#![no_main]

use guerrilla_fuzz::driver::{Driver, Policy};
use guerrilla_fuzz::input::{Input, pieces};
use guerrilla_fuzz::replies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (settings, peer) = input.settings();
    let policy = Policy { refuse_every: input.byte() };
    let cuts = input.cuts();
    let run = |cuts: &[u8]| {
        let mut driver = Driver::new(settings.clone(), peer, policy);
        pieces(cuts, input.rest).for_each(|piece| driver.feed(piece));
        driver
    };
    let cut = run(cuts);
    replies::codes(&cut.written);
    if !settings.enhanced_status_codes {
        replies::check_enhanced(&cut.written, false);
    }
    if settings.start_tls {
        return; // what is glued behind STARTTLS ends the session, by design
    }
    let whole = run(&[]);
    assert_eq!(cut.written.escape_ascii().to_string(), whole.written.escape_ascii().to_string());
    assert_eq!(cut.accepted, whole.accepted);
    assert_eq!(cut.closed, whole.closed);
});
