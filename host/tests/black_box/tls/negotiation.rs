//! Every version, suite and group that is claimed, and the certificate that each name gets.

use serde_json::json;
use tokio_rustls::rustls::crypto::aws_lc_rs::kx_group;

use super::client::{TlsClient, config, config_with_groups};
use super::s_client::s_client;
use super::{BOTH, Kind, Mode, Pki, log_lines, pki, setup, tls};

/// OpenSSL's names beside the registry's.
const SUITES: [(&str, &str, &str); 9] = [
    ("-tls1_3", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    ("-tls1_3", "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    ("-tls1_3", "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
    ("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("-tls1_2", "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

fn choosing<'a>(version: &'a str, suite: &'a str) -> [&'a str; 4] {
    [version, if version == "-tls1_3" { "-ciphersuites" } else { "-cipher" }, suite, "-brief"]
}

#[test]
fn every_suite_is_served_with_either_kind_of_key() {
    let (pki, pair) = pki();
    let rsa = pki.server("rsa", &["mail.example.test"], Kind::Rsa);
    for mode in BOTH {
        let more = json!({ "certificates": [rsa.json()] });
        let daemon = setup(tls(mode, &pair, more)).start();
        for (version, openssl, name) in SUITES {
            let seen = s_client(daemon.address(), mode, &choosing(version, openssl));
            let protocol = if version == "-tls1_3" { "TLSv1.3" } else { "TLSv1.2" };
            seen.expect_served()
                .expect(&format!("Protocol version: {protocol}"))
                .expect(&format!("Ciphersuite: {openssl}"));
            daemon.log().wait_for(&format!("tls version={protocol} cipher={name} "));
        }
        daemon.stop();
    }
}

#[test]
fn every_group_is_served_and_the_hybrid_one_preferred() {
    let pki = Pki::new();
    // An RSA key: with an ECDSA one the groups of a TLS 1.2 client speak of the certificate's curve, too.
    let pair = pki.server("rsa", &["mail.example.test"], Kind::Rsa);
    let daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
    for (openssl, name) in [("P-256", "secp256r1"), ("P-384", "secp384r1"), ("X25519", "X25519")] {
        for (version, cipher) in [
            ("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ] {
            let flag = if version == "TLSv1.3" { "-tls1_3" } else { "-tls1_2" };
            s_client(daemon.address(), Mode::Always, &[flag, "-groups", openssl]).expect_served();
            daemon.log().wait_for(&format!(" tls version={version} cipher={cipher} group={name} "));
        }
    }
    // This OpenSSL does not know it.
    let (hybrid, plain) = (kx_group::X25519MLKEM768, kx_group::X25519);
    for groups in [&[hybrid][..], &[hybrid, plain]] {
        let client = config_with_groups(&pki, groups);
        TlsClient::connect(daemon.address(), Mode::Always, &client).expect("QUIT", "221 ");
    }
    assert_eq!(log_lines(daemon, " group=X25519MLKEM768 ").len(), 2);
}

#[test]
fn what_is_configured_is_offered_and_nothing_else() {
    type Runs = &'static [&'static [&'static str]];
    let (_pki, pair) = pki();
    let refused: [(_, Runs, Runs); 5] = [
        (json!({ "protocols": ["tls1.3"] }), &[&["-tls1_3"]], &[&["-tls1_2"]]),
        (json!({ "protocols": ["tls1.0", "tls1.2"] }), &[&["-tls1_2"]], &[&["-tls1_3"], OLD]),
        (
            json!({ "ciphers": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] }),
            &[&["-tls1_2"], &["-tls1_3"]],
            &[&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]],
        ),
        (
            json!({ "ciphers": ["TLS_AES_256_GCM_SHA384"] }),
            &[&["-tls1_3"]],
            &[&["-tls1_2"], &["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"]],
        ),
        (
            json!({ "curves": ["P384"] }),
            &[&["-groups", "P-384"], &["-groups", "X25519:P-384"]],
            &[&["-groups", "X25519"], &["-tls1_2", "-groups", "P-256"]],
        ),
    ];
    for (more, served, not) in refused {
        let daemon = setup(tls(Mode::Always, &pair, more)).start();
        for arguments in served {
            s_client(daemon.address(), Mode::Always, arguments).expect_served();
        }
        for arguments in not {
            s_client(daemon.address(), Mode::Always, arguments).expect_refused();
        }
        daemon.stop();
    }
}

/// TLS 1.1, with the checks of OpenSSL itself switched off.
const OLD: &[&str] = &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];

#[test]
fn old_versions_are_never_spoken() {
    let (_pki, pair) = pki();
    for mode in BOTH {
        let daemon = setup(tls(mode, &pair, json!({ "protocols": ["tls1.0"] }))).start();
        daemon.log().wait_for("servers[0].tls.protocols: not offered any more");
        for version in ["-tls1", "-tls1_1"] {
            s_client(daemon.address(), mode, &[version, "-cipher", "ALL:@SECLEVEL=0"])
                .expect_refused();
        }
        daemon.log().wait_for(" closed reason=Handshake error=");
        daemon.stop();
    }
}

#[test]
fn whose_order_of_suites_counts() {
    let (_pki, pair) = pki();
    let [first, second] = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"];
    for (ciphers, ours, theirs, chosen) in [
        (&[first, second][..], json!(true), [second, first], first),
        (&[first, second], json!(false), [second, first], second),
        (&[first, second], json!(null), [second, first], first),
        (&[], json!(null), [first, second], second),
        (&[], json!(false), [first, second], first),
    ] {
        let mut more = json!({ "ciphers": ciphers });
        if !ours.is_null() {
            more["prefer_server_cipher_suites"] = ours;
        }
        let daemon = setup(tls(Mode::Always, &pair, more)).start();
        let theirs = theirs.join(":");
        s_client(daemon.address(), Mode::Always, &["-brief", "-ciphersuites", &theirs])
            .expect(&format!("Ciphersuite: {chosen}"));
        daemon.stop();
    }
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let (pki, pair) = pki();
    let second = pki.server("second", &["mx.example.net", "smtp.example.net"], Kind::P256);
    let third = pki.server("third", &["*.example.org"], Kind::P256);
    for mode in BOTH {
        let more = json!({ "certificates": [second.json(), third.json()] });
        let daemon = setup(tls(mode, &pair, more)).start();
        for (asked, shown) in [
            (&["-servername", "mail.example.test"][..], "mail.example.test"),
            (&["-servername", "mx.example.net"], "mx.example.net"),
            (&["-servername", "SMTP.example.net"], "mx.example.net"),
            (&["-servername", "any.example.org"], "*.example.org"),
            (&["-servername", "one.more.example.org"], "mail.example.test"),
            (&["-servername", "example.com"], "mail.example.test"),
            (&["-noservername"], "mail.example.test"),
        ] {
            let arguments: Vec<_> = asked.iter().copied().chain(["-brief"]).collect();
            s_client(daemon.address(), mode, &arguments)
                .expect_served()
                .expect(&format!("Peer certificate: CN = {shown}\n"));
        }
        daemon.log().wait_for(" sni=mx.example.net ");
        daemon.log().wait_for(" sni=- ");
        daemon.stop();
    }
}

#[test]
fn sessions_are_resumed() {
    let (pki, pair) = pki();
    for mode in BOTH {
        let daemon = setup(tls(mode, &pair, json!({}))).start();
        for version in ["-tls1_2", "-tls1_3"] {
            let ticket = pki.file("ticket", "");
            let ticket = ticket.to_str().expect("UTF-8");
            s_client(daemon.address(), mode, &[version, "-sess_out", ticket])
                .expect_served()
                .expect("New, TLSv1.");
            s_client(daemon.address(), mode, &[version, "-sess_in", ticket])
                .expect_served()
                .expect("Reused, TLSv1.");
        }
        // Clients without tickets are remembered by the server.
        let id = pki.file("id", "");
        let id = id.to_str().expect("UTF-8");
        s_client(daemon.address(), mode, &["-tls1_2", "-no_ticket", "-sess_out", id])
            .expect_served();
        s_client(daemon.address(), mode, &["-tls1_2", "-no_ticket", "-sess_in", id])
            .expect("Reused, TLSv1.2");
        assert_eq!(log_lines(daemon, " resumed=true ").len(), 3);
    }
}

#[test]
fn early_data_is_not_taken() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
    let ticket = pki.file("ticket", "");
    let ticket = ticket.to_str().expect("UTF-8");
    s_client(daemon.address(), Mode::Always, &["-tls1_3", "-sess_out", ticket])
        .expect_served()
        .expect("Max Early Data: 0");
    daemon.stop();
}

#[test]
fn the_chain_verifies_for_a_strict_client() {
    let (pki, pair) = pki();
    let config = config(&pki);
    for mode in BOTH {
        let daemon = setup(tls(mode, &pair, json!({}))).start();
        let mut client = TlsClient::connect(daemon.address(), mode, &config);
        client.expect("EHLO client.example", "250-mail.example.test");
        client.expect("QUIT", "221 ");
        daemon.stop();
    }
}
