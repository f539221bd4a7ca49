//! Greetings: `store` is a script of what the store says; what we have said is looked at behind it.

use std::sync::Arc;

use guerrilla_stream_pool::Address;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::config::Config;

/// A store's certificate, which is its own authority.
fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(vec!["store.test".to_owned()]).unwrap()
}

fn tls(mode: &str, authority: &rcgen::Certificate) -> Tls {
    tls_with(json!({ "lmtp_tls": mode }), authority)
}

fn tls_with(mut config: serde_json::Value, authority: &rcgen::Certificate) -> Tls {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    config["lmtp_address"] = "store.test:24".into();
    config["lmtp_tls_ca_file"] = json!(file.path());
    let config: Config = serde_json::from_value(config).unwrap();
    Tls::new(&config, &Address::Tcp("store.test:24".to_owned())).unwrap().unwrap()
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    acceptor_for(certificate, WebPkiClientVerifier::no_client_auth())
}

fn acceptor_for(
    certificate: &rcgen::CertifiedKey<rcgen::KeyPair>,
    clients: Arc<dyn ClientCertVerifier>,
) -> TlsAcceptor {
    let key = certificate.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    Arc::new(config).into()
}

fn pair() -> (Box<dyn Stream>, DuplexStream) {
    let (ours, store) = duplex(64 * 1024);
    (Box::new(ours), store)
}

async fn says(io: &mut (impl Stream + ?Sized), text: &str) {
    io.write_all(text.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
}

async fn hears(io: &mut (impl Stream + ?Sized), expected: &str) {
    let mut line = String::new();
    // One octet at a time: what is behind the line is TLS.
    BufReader::with_capacity(1, io).read_line(&mut line).await.unwrap();
    assert_eq!(line.trim_end(), expected);
}

/// What comes until we close.
async fn rest(mut io: DuplexStream) -> String {
    let mut rest = String::new();
    io.read_to_string(&mut rest).await.unwrap();
    rest
}

#[tokio::test]
async fn behind_starttls_all_is_asked_anew() {
    let certificate = certificate();
    let tls = tls("starttls", &certificate.cert);
    let (ours, mut store) = pair();
    let store = async move {
        says(&mut store, "220 store.test\r\n").await;
        hears(&mut store, "LHLO mx.test").await;
        says(&mut store, "250-store.test\r\n250-SMTPUTF8\r\n250 STARTTLS\r\n").await;
        hears(&mut store, "STARTTLS").await;
        says(&mut store, "220 2.0.0 Go on\r\n").await;
        let mut store = acceptor(&certificate).accept(store).await.unwrap();
        hears(&mut store, "LHLO mx.test").await;
        says(&mut store, "250-store.test\r\n250 PIPELINING\r\n").await;
    };
    let (greeted, ()) = tokio::join!(greet(ours, "mx.test", Some(&tls)), store);
    let offer = greeted.map(|connection| connection.offer).unwrap();
    assert_eq!(offer, Offer { pipelining: true, ..Offer::default() });
}

#[tokio::test]
async fn implicit_tls_comes_before_the_greeting() {
    let certificate = certificate();
    let tls = tls("implicit", &certificate.cert);
    let (ours, store) = pair();
    let store = async move {
        let mut store = acceptor(&certificate).accept(store).await.unwrap();
        says(&mut store, "220 store.test\r\n").await;
        hears(&mut store, "LHLO mx.test").await;
        says(&mut store, "250 store.test\r\n").await;
    };
    let (greeted, ()) = tokio::join!(greet(ours, "mx.test", Some(&tls)), store);
    assert_eq!(greeted.map(|connection| connection.offer).unwrap(), Offer::default());
}

#[tokio::test]
async fn a_store_that_wants_a_certificate_of_ours_gets_it() {
    let (certificate, ours) = (certificate(), certificate());
    let directory = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    std::fs::write(&cert, ours.cert.pem()).unwrap();
    std::fs::write(&key, ours.signing_key.serialize_pem()).unwrap();
    let config = json!({
        "lmtp_tls": "implicit", "lmtp_tls_cert_file": cert, "lmtp_tls_key_file": key
    });
    let tls = tls_with(config, &certificate.cert);
    let mut clients = RootCertStore::empty();
    clients.add(ours.cert.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider).build().unwrap();
    let (ours, store) = pair();
    let store = async move {
        let mut store = acceptor_for(&certificate, clients).accept(store).await.unwrap();
        says(&mut store, "220 store.test\r\n").await;
        hears(&mut store, "LHLO mx.test").await;
        says(&mut store, "250 store.test\r\n").await;
    };
    let (greeted, ()) = tokio::join!(greet(ours, "mx.test", Some(&tls)), store);
    assert_eq!(greeted.map(|connection| connection.offer).unwrap(), Offer::default());
}

#[tokio::test]
async fn a_store_that_another_authority_has_vouched_for_hears_nothing() {
    let (certificate, other) = (certificate(), certificate());
    let tls = tls("implicit", &other.cert);
    let (ours, store) = pair();
    let store = async move { assert!(acceptor(&certificate).accept(store).await.is_err()) };
    let (greeted, ()) = tokio::join!(greet(ours, "mx.test", Some(&tls)), store);
    let error = greeted.err().unwrap().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_the_clear() {
    let tls = tls("starttls", &certificate().cert);
    let (ours, mut store) = pair();
    says(&mut store, "220 store.test\r\n250-store.test\r\n250 PIPELINING\r\n").await;
    let greeted = greet(ours, "mx.test", Some(&tls)).await;
    assert!(matches!(greeted.err(), Some(Lost::NoTls)));
    assert_eq!(rest(store).await, "LHLO mx.test\r\n");
}

#[tokio::test]
async fn a_refused_starttls_is_the_end() {
    let tls = tls("starttls", &certificate().cert);
    let (ours, mut store) = pair();
    says(&mut store, "220 store.test\r\n250-store.test\r\n250 STARTTLS\r\n454 4.7.0 No\r\n").await;
    let greeted = greet(ours, "mx.test", Some(&tls)).await;
    assert!(matches!(greeted.err(), Some(Lost::Refused(454, _))));
    assert_eq!(rest(store).await, "LHLO mx.test\r\nSTARTTLS\r\n");
}

#[tokio::test]
async fn what_was_put_behind_the_reply_to_starttls_is_not_taken_for_the_stores() {
    let tls = tls("starttls", &certificate().cert);
    for injected in ["250-store.test\r\n250 SMTPUTF8\r\n", "2"] {
        let (ours, mut store) = pair();
        says(&mut store, "220 store.test\r\n250-store.test\r\n250 STARTTLS\r\n220 Go on\r\n").await;
        says(&mut store, injected).await;
        let greeted = greet(ours, "mx.test", Some(&tls)).await;
        assert!(matches!(greeted.err(), Some(Lost::Injected)), "{injected:?}");
        assert_eq!(rest(store).await, "LHLO mx.test\r\nSTARTTLS\r\n");
    }
}
