//! A store whose certificate nobody we trust has vouched for: it will be the same with every attempt, so there are few of them.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use guerrilla_plugin_api::testkit::{Harness, Mail};
use guerrilla_plugin_api::{Async, Level};
use lmtp::Lmtp;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(vec!["store.test".to_owned()]).expect("a certificate")
}

/// Where a store is that begins with a handshake, and how many have come to it.
fn store() -> (String, Arc<AtomicUsize>) {
    let own = certificate();
    let key = own.signing_key.serialize_der().try_into().expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("a certificate with its key");
    let (config, visits) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let counted = Arc::clone(&visits);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a configuration");
            // The client ends it.
            let _ = tls.complete_io(&mut stream.expect("a client"));
        }
    });
    (address, visits)
}

#[test]
fn it_is_tried_once_for_a_mail_and_not_for_each() {
    let (address, visits) = store();
    let authority = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), certificate().cert.pem()).expect("our own file");
    let config = serde_json::json!({
        "lmtp_address": address, "lmtp_tls": "implicit", "lmtp_tls_server_name": "store.test",
        "lmtp_tls_ca_file": authority.path(),
    });
    let lmtp = Harness::<Async<Lmtp>>::new(config).expect("it starts");
    let begun = Instant::now();
    for _ in 0..5 {
        let delivery = lmtp.deliver(Mail::new().to("a@example.net"));
        assert_eq!(delivery.code(), Some(451));
    }
    // The first mail's, and no more than one a second from then on.
    let (visits, most) = (visits.load(Ordering::Relaxed), 1 + begun.elapsed().as_secs());
    assert!((1..=most).contains(&(visits as u64)), "{visits} visits, at most {most} were due");
    let log = lmtp.log();
    let errors: Vec<_> = log.iter().filter(|line| line.level == Level::Error).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].text.contains("certificate"), "{errors:?}");
    assert!(errors[0].text.contains("until that is put right"), "{errors:?}");
}
