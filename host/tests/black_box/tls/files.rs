//! The files: kinds of keys, what cannot be used, and what changes under way.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::client::{TlsClient, config};
use super::pki::replace;
use super::s_client::s_client;
use super::{BOTH, Kind, Mode, Pair, Pki, log_lines, pki, setup, tls};
use crate::support::{Daemon, EndOfLoad, PATIENCE};

#[test]
fn keys_of_every_form_are_taken() {
    let (pki, ec) = pki();
    let rsa = pki.server("rsa", &["mail.example.test"], Kind::Rsa);
    for (pair, arguments, mark) in [
        (&ec, &["pkey"][..], "BEGIN PRIVATE KEY"),
        (&ec, &["ec"], "BEGIN EC PRIVATE KEY"),
        (&rsa, &["pkey"], "BEGIN PRIVATE KEY"),
        (&rsa, &["rsa", "-traditional"], "BEGIN RSA PRIVATE KEY"),
    ] {
        let pair = pki.convert(pair, "converted", arguments);
        assert!(fs::read_to_string(&pair.key).unwrap().contains(mark), "{mark}");
        let daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
        s_client(daemon.address(), Mode::Always, &[]).expect_served();
        daemon.stop();
    }
}

#[test]
fn what_cannot_be_used_is_named_and_nothing_starts() {
    let (pki, good) = pki();
    let other = pki.server("other", &["other.example.test"], Kind::P256);
    let missing = pki.ca().with_file_name("missing");
    let empty = pki.file("empty", "");
    let broken =
        pki.file("broken", "-----BEGIN CERTIFICATE-----\nMII!\n-----END CERTIFICATE-----\n");
    let encrypted = pki.convert(&good, "encrypted", &["ec", "-aes128", "-passout", "pass:x"]).key;
    let pkcs8 = pki.convert(&good, "pkcs8", &["pkey", "-aes128", "-passout", "pass:x"]).key;
    let with = |certificate: &Path, key: &Path| Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let no_file = "No such file or directory (os error 2)".to_owned();
    let at = "servers[0].tls";
    for (pair, expected) in [
        (
            with(&missing, &good.key),
            format!("{at}.public_key_file {}: {no_file}", missing.display()),
        ),
        (
            with(&good.certificate, &missing),
            format!("{at}.private_key_file {}: {no_file}", missing.display()),
        ),
        (
            with(&empty, &good.key),
            format!(
                "{at}.public_key_file {}: no certificate in it; a PEM file with BEGIN CERTIFICATE is expected",
                empty.display()
            ),
        ),
        (
            with(&good.certificate, &good.certificate),
            format!(
                "{at}.private_key_file {}: no private key in it; a PEM file with BEGIN PRIVATE KEY, BEGIN RSA PRIVATE KEY or BEGIN EC PRIVATE KEY is expected",
                good.certificate.display()
            ),
        ),
        (
            with(&broken, &good.key),
            format!("{at}.public_key_file {}: not well-formed PEM: ", broken.display()),
        ),
        (
            with(&good.certificate, &encrypted),
            format!("{at}.private_key_file {}: the key is encrypted; ", encrypted.display()),
        ),
        (
            with(&good.certificate, &pkcs8),
            format!("{at}.private_key_file {}: the key is encrypted; ", pkcs8.display()),
        ),
        (
            with(&good.certificate, &other.key),
            format!(
                "{at}.private_key_file {} is not the key of the certificate in public_key_file {}",
                other.key.display(),
                good.certificate.display()
            ),
        ),
    ] {
        for mode in BOTH {
            let (code, lines) = setup(tls(mode, &pair, json!({}))).refused();
            assert_eq!(code, Some(78), "{lines:?}");
            assert!(lines.len() == 1 && lines[0].starts_with(&expected), "{expected}\n{lines:?}");
        }
    }
    let more = json!({ "certificates": [with(&other.certificate, &missing).json()] });
    let (code, lines) = setup(tls(Mode::StartTls, &good, more)).refused();
    assert_eq!(
        (code, lines),
        (
            Some(78),
            vec![format!("{at}.certificates[0].private_key_file {}: {no_file}", missing.display())]
        )
    );
    let more = json!({ "root_cas_file": &empty });
    let (code, lines) = setup(tls(Mode::StartTls, &good, more)).refused();
    assert_eq!(code, Some(78));
    assert!(
        lines[0].starts_with(&format!("{at}.root_cas_file {}: ", empty.display())),
        "{lines:?}"
    );
}

#[test]
fn a_server_that_is_switched_off_needs_no_files() {
    let nowhere = Pair { certificate: "/nowhere.crt".into(), key: "/nowhere.key".into() };
    let off = json!({
        "is_enabled": false,
        "listen_interface": "127.0.0.2:0",
        "tls": tls(Mode::Always, &nowhere, json!({})),
    });
    let daemon = crate::support::Setup::without_plugins().another_server(off).start();
    daemon.client().expect("QUIT", "221 ");
    daemon.stop();
}

/// Connects until a certificate with this name is shown.
#[track_caller]
fn wait_for_certificate(daemon: &Daemon, name: &str) {
    let begin = Instant::now();
    loop {
        let seen = s_client(daemon.address(), Mode::Always, &["-brief"]).expect_served();
        if seen.contains(&format!("Peer certificate: CN = {name}\n")) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "still another certificate: {seen:?}");
    }
}

#[test]
fn changed_files_are_picked_up_under_load_and_broken_ones_are_not() {
    let (pki, pair) = pki();
    let fresh = pki.server("fresh", &["fresh.example.test", "mail.example.test"], Kind::Rsa);
    let more = json!({ "certificate_check_interval": "1ms" });
    let daemon = setup(tls(Mode::Always, &pair, more)).start();
    let config = config(&pki);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    TlsClient::connect(daemon.address(), Mode::Always, &config)
                        .expect("QUIT", "221 ");
                }
            });
        }
        let _ending = EndOfLoad(&ended);
        wait_for_certificate(&daemon, "mail.example.test");
        pair.replace_with(&fresh);
        wait_for_certificate(&daemon, "fresh.example.test");
        daemon.log().wait_for("the certificate files have changed and are in use");
        replace(&pair.certificate, b"no certificate");
        // Between certificate and key the pair may have been seen once as none.
        let line = daemon.log().wait_for("no certificate in it");
        assert!(line.contains("cannot be used, the old ones stay: "), "{line}");
        wait_for_certificate(&daemon, "fresh.example.test");
    });
    let complaints = log_lines(daemon, "no certificate in it");
    assert_eq!(complaints.len(), 1, "once for each change");
}

/// SIGHUP looks at the files at once. Ones that cannot be used refuse the whole reload, and those in use stay.
#[test]
fn a_reload_takes_new_files_or_nothing() {
    let (pki, pair) = pki();
    let fresh = pki.server("fresh", &["fresh.example.test", "mail.example.test"], Kind::Rsa);
    let more = json!({ "certificate_check_interval": "0s" });
    let daemon = setup(tls(Mode::Always, &pair, more)).start();
    wait_for_certificate(&daemon, "mail.example.test");
    assert_eq!(daemon.reload().expect("reloaded"), [""; 0], "the same files are no change");
    let mut old = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    pair.replace_with(&fresh);
    let changes = daemon.reload().expect("reloaded");
    assert_eq!(changes, ["server_change:tls_config 127.0.0.1:0"]);
    wait_for_certificate(&daemon, "fresh.example.test");
    old.expect("NOOP", "250 ");
    replace(&pair.certificate, b"no certificate");
    let refused = daemon.reload().expect_err("to be refused");
    let expected = format!("servers[0].tls.public_key_file {}: ", pair.certificate.display());
    assert!(refused.iter().any(|line| line.starts_with(&expected)), "{refused:?}");
    wait_for_certificate(&daemon, "fresh.example.test");
    daemon.stop();
}

#[test]
fn a_change_voids_tickets() {
    let (pki, pair) = pki();
    let config = config(&pki);
    let more = json!({ "certificate_check_interval": "1ms" });
    let daemon = setup(tls(Mode::Always, &pair, more)).start();
    let connect = || TlsClient::connect(daemon.address(), Mode::Always, &config);
    let resumed = |mut client: TlsClient| {
        client.expect("QUIT", "221 ");
        client.is_resumed()
    };
    assert!(!resumed(connect()));
    assert!(resumed(connect()));
    // The same certificate in a new file.
    replace(&pair.certificate, &fs::read(&pair.certificate).unwrap());
    let begin = Instant::now();
    while resumed(connect()) {
        assert!(begin.elapsed() < PATIENCE);
    }
    daemon.log().wait_for("the certificate files have changed and are in use");
    daemon.stop();
}

/// A self-signed pair with these dates.
fn dated(pki: &Pki, name: &str, years: [i32; 2]) -> Pair {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    [params.not_before, params.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    Pair {
        certificate: pki.file(&format!("{name}.crt"), &certificate.pem()),
        key: pki.file(&format!("{name}.key"), &key.serialize_pem()),
    }
}

#[test]
fn a_certificate_out_of_its_time_is_used_and_named() {
    let (pki, good) = pki();
    let early = dated(&pki, "early.example.test", [4000, 4001]);
    let late = dated(&pki, "late.example.test", [2019, 2020]);
    let more = json!({ "certificate_check_interval": "1ms", "certificates": [late.json()] });
    let file = early.certificate.clone();
    let daemon = setup(tls(Mode::Always, &early, more)).start();
    daemon.log().wait_for(&format!(
        "public_key_file {}: the certificate of CN=early.example.test is not valid before 4000-01-01T00:00:00Z",
        file.display()
    ));
    daemon.log().wait_for(&format!(
        "public_key_file {}: the certificate of CN=late.example.test has expired on 2020-01-01T00:00:00Z",
        late.certificate.display()
    ));
    wait_for_certificate(&daemon, "early.example.test");
    // Read again, it is told again; of a good one nothing is said.
    early.replace_with(&good);
    wait_for_certificate(&daemon, "mail.example.test");
    daemon.log().wait_for("the certificate files have changed and are in use");
    assert_eq!(daemon.log().with("has expired on 2020-01-01").len(), 2);
    assert_eq!(log_lines(daemon, "the certificate of").len(), 3);
}
