//! Certificates of clients in each of go-guerrilla's five ways to treat them.

use serde_json::json;

use super::s_client::{s_client, showing};
use super::{BOTH, Mode, log_lines, pki, setup, tls};

#[test]
fn who_is_served_and_who_is_known() {
    let (pki, pair) = pki();
    let known = pki.client("known", "/O=Example, Inc./CN=mx.example.com");
    let stranger = pki.stranger("stranger");
    let (ours, theirs) = (showing(&known), showing(&stranger));
    let shown: [(_, &[&str]); 3] = [("none", &[]), ("ours", &ours), ("a stranger's", &theirs)];
    for (auth, served) in [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, true, false]),
        ("RequireAndVerifyClientCert", [false, true, false]),
    ] {
        let verifying = auth.contains("Verify");
        for mode in BOTH {
            let mut more = json!({ "client_auth_type": auth });
            if verifying {
                more["root_cas_file"] = json!(pki.ca());
            }
            let daemon = setup(tls(mode, &pair, more)).start();
            for ((what, arguments), served) in shown.iter().zip(served) {
                for version in ["-tls1_2", "-tls1_3"] {
                    let arguments: Vec<_> = arguments.iter().copied().chain([version]).collect();
                    let seen = s_client(daemon.address(), mode, &arguments);
                    assert_eq!(seen.served(), served, "{auth}, {what}, {version}: {seen:?}");
                }
            }
            let handshakes = log_lines(daemon, " tls version=");
            let name = r" client=CN=mx.example.com,O=Example\, Inc.";
            let names = handshakes.iter().filter(|line| line.ends_with(name)).count();
            assert_eq!(names, if verifying { 2 } else { 0 }, "{auth}: names of the verified only");
            let strangers = handshakes.iter().filter(|line| line.contains("stranger")).count();
            assert_eq!(strangers, 0, "{auth}");
        }
    }
}

#[test]
fn a_resumed_session_keeps_the_name() {
    let (pki, pair) = pki();
    let known = pki.client("known", "/CN=mx.example.com");
    let more =
        json!({ "client_auth_type": "RequireAndVerifyClientCert", "root_cas_file": pki.ca() });
    let daemon = setup(tls(Mode::Always, &pair, more)).start();
    for version in ["-tls1_2", "-tls1_3"] {
        let ticket = pki.file("ticket", "");
        let ticket = ticket.to_str().expect("UTF-8");
        let first: Vec<_> =
            showing(&known).into_iter().chain([version, "-sess_out", ticket]).collect();
        s_client(daemon.address(), Mode::Always, &first).expect_served();
        s_client(daemon.address(), Mode::Always, &[version, "-sess_in", ticket])
            .expect_served()
            .expect("Reused, ");
    }
    let resumed = log_lines(daemon, " resumed=true ");
    assert_eq!(resumed.len(), 2);
    assert!(resumed.iter().all(|line| line.contains(" client=CN=mx.example.com")), "{resumed:?}");
}

#[test]
fn the_kind_is_verify_if_given_when_roots_are_named_and_none_otherwise() {
    let (pki, pair) = pki();
    let stranger = pki.stranger("stranger");
    for (more, served) in [(json!({}), true), (json!({ "root_cas_file": pki.ca() }), false)] {
        let daemon = setup(tls(Mode::StartTls, &pair, more)).start();
        s_client(daemon.address(), Mode::StartTls, &[]).expect_served();
        let seen = s_client(daemon.address(), Mode::StartTls, &showing(&stranger));
        assert_eq!(seen.served(), served, "{seen:?}");
        daemon.stop();
    }
}
