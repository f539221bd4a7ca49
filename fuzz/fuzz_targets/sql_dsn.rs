//! The DSN of Go's MySQL driver: what was put together from parts comes apart into them.
#![no_main]

use guerrilla_go_dsn::{Address, GoDsn};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = GoDsn::parse(text) {
        let said = error.to_string();
        assert!(!said.contains('\n'));
    }
    // A password may be anything, the path of a socket anything that closes no parenthesis.
    let (password, path) = text.split_once('\n').unwrap_or((text, "/run/mysql.sock"));
    if path.is_empty() {
        return;
    }
    let parsed = GoDsn::parse(&format!("user:{password}@unix({path})/mail"));
    let parsed = parsed.map(|dsn| (dsn.user, dsn.password, dsn.address, dsn.database));
    if !path.contains(['@', '(']) {
        let whole =
            ("user".into(), Some(password.into()), Address::Unix(path.into()), "mail".into());
        assert!(parsed.is_ok_and(|parsed| parsed == whole));
    }
});
