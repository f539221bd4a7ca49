//! The processor against a FastCGI server of the test's own, which does on cue what PHP-FPM does once a year.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use fastcgi::FastCgi;
use guerrilla_plugin_api::testkit::{Harness, Mail, Session};
use guerrilla_plugin_api::{Async, Phase};
use serde_json::{Value, json};

use server::{Act, prints, records, saved, serve, server};

mod server;

fn config(address: &str, more: Value) -> Value {
    let mut config = json!({
        "fcgi_connection_type": "tcp",
        "fcgi_connection_address": address,
        "fcgi_script_filename_save": "/scripts/save.php",
        "fcgi_script_filename_validate": "/scripts/validate.php",
    });
    let more = more.as_object().expect("an object").clone();
    config.as_object_mut().expect("an object").extend(more);
    config
}

fn processor(address: &str, more: Value) -> Harness<Async<FastCgi>> {
    Harness::new(config(address, more)).expect("a processor")
}

/// A mail on a connection of which the daemon says that it waits so long.
fn save_within(processor: &Harness<Async<FastCgi>>, ms: u64, mail: Mail) -> Option<u16> {
    let mut client = processor.connect(Session::new().deadline_ms(ms));
    client.begin(mail).ask(Phase::Save).code()
}

fn save(processor: &Harness<Async<FastCgi>>) -> Option<u16> {
    processor.begin(Mail::new()).ask(Phase::Save).code()
}

#[test]
fn a_recipient_is_asked_for_as_go_guerrilla_does() {
    let (address, requests) = server(vec![Act::Answer(prints("PASS")), Act::Answer(prints("NO"))]);
    let processor = processor(&address, json!({}));
    let mut mail = processor.begin(Mail::new().to("\"a b\"+c@example.net"));
    assert_eq!(mail.ask(Phase::Rcpt).code(), None);
    let expected = [
        ("SCRIPT_FILENAME", "/scripts/validate.php"),
        ("SERVER_SOFTWARE", "Go-guerrilla fastcgi"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("QUERY_STRING", "rcpt_to=%22a+b%22%2Bc%40example.net"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("CONTENT_LENGTH", "0"),
    ];
    let request = requests.recv().unwrap();
    let params = request.params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert_eq!(params.collect::<Vec<_>>(), expected);
    assert!(request.stdin.is_empty());
    let refused = mail.ask(Phase::Rcpt);
    assert_eq!(refused.code(), Some(550));
    assert_eq!((processor.counter("passed"), processor.counter("unknown")), (1, 1));
}

#[test]
fn a_message_is_sent_as_go_guerrilla_does() {
    let (address, requests) = server(vec![saved()]);
    let params = json!({"fcgi_params": {"TOKEN": "s3cret", "LONG": "x".repeat(70_000)}});
    let processor = processor(&address, params);
    let mail = Mail::new().from("a@example.com").to("b@example.net").to("c@example.net");
    let mut mail = processor.begin(mail.raw("Subject: x\r\n\r\na=b&c\r\n"));
    assert_eq!(mail.ask(Phase::Save).code(), None);
    let request = requests.recv().unwrap();
    let form = "body=Subject%3A+x%0D%0A%0D%0Aa%3Db%26c%0D%0A&helo=client.example.com&mail_from=a%40example.com\
                &rcpt_to_0=b%40example.net&rcpt_to_1=c%40example.net&remote_ip=192.0.2.1&subject=&tls_on=false";
    assert_eq!(String::from_utf8_lossy(&request.stdin), form);
    let params: BTreeMap<_, _> = request.params.iter().cloned().collect();
    assert_eq!(params.len(), request.params.len(), "no name comes twice");
    assert_eq!(params["LONG"].len(), 70_000);
    let others = params.iter().filter(|(name, _)| *name != "LONG");
    let others: Vec<_> = others.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("CONTENT_LENGTH", &*form.len().to_string()),
        ("CONTENT_TYPE", "application/x-www-form-urlencoded"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_FILENAME", "/scripts/save.php"),
        ("SERVER_SOFTWARE", "Go-guerrilla fastcgi"),
        ("TOKEN", "s3cret"),
    ];
    assert_eq!(others, expected);
    assert!(!processor.has_logged("s3cret"));
}

#[test]
fn recipients_that_an_earlier_stage_has_refused_are_left_out() {
    let (address, requests) = server(vec![saved()]);
    let processor = processor(&address, json!({}));
    let mut client = processor.connect(Session::new().lmtp().tls("TLSv1.3"));
    let mut mail = client.begin(Mail::new().to("a@example.net").to("b@example.net"));
    mail.set_recipient(0, guerrilla_plugin_api::Verdict::REJECT);
    assert_eq!(mail.ask(Phase::Save).code(), None);
    let form = String::from_utf8(requests.recv().unwrap().stdin).unwrap();
    assert!(form.contains("&rcpt_to_0=b%40example.net&remote_ip"), "{form}");
    assert!(form.ends_with("&tls_on=true"), "{form}");
}

#[test]
fn a_long_message_is_sent_octet_for_octet_in_both_formats() {
    let message = "Subject: long\r\n\r\n".to_owned() + &"0123 &=%\u{e4}\r\n".repeat(200_000);
    for format in ["urlencoded", "multipart"] {
        let (address, requests) = server(vec![saved()]);
        let processor = processor(&address, json!({"fcgi_body_format": format}));
        assert_eq!(save_within(&processor, 60_000, Mail::new().raw(&message)), None);
        let request = requests.recv().unwrap();
        assert_eq!(request.param("CONTENT_LENGTH"), request.stdin.len().to_string(), "{format}");
        let sent = String::from_utf8(request.stdin).unwrap();
        let kind =
            request.params.iter().find(|(name, _)| name == "CONTENT_TYPE").unwrap().1.clone();
        if let Some(boundary) = kind.strip_prefix("multipart/form-data; boundary=") {
            let body = sent.split(&format!("\r\n--{boundary}\r\n")).next().unwrap();
            assert_eq!(body.split_once("\r\n\r\n").unwrap().1, message);
            assert!(sent.len() < message.len() + 2000);
        } else {
            assert_eq!(sent.matches("0123+%26%3D%25%C3%A4%0D%0A").count(), 200_000);
        }
    }
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let (address, requests) = server(vec![saved(), saved(), saved()]);
    let processor = processor(&address, json!({"fcgi_keep_alive_seconds": 60}));
    for _ in 0..3 {
        assert_eq!(save(&processor), None);
        let request = requests.recv().unwrap();
        // Connection 0 was the start's look whether anybody is there.
        assert_eq!((request.connection, request.keep), (1, true));
    }
    assert_eq!(processor.counter("connected"), 1);
}

#[test]
fn a_kept_connection_is_closed_after_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let processor = processor(&address, json!({"fcgi_keep_alive_seconds": 1}));
    let server = thread::spawn(move || {
        let (_probe, _) = listener.accept().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let (seen, _requests) = channel();
        assert!(serve(&mut stream, &mut [saved()].into_iter(), 1, &seen));
        let begun = Instant::now();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
        begun.elapsed()
    });
    assert_eq!(save(&processor), None);
    let kept = server.join().unwrap().as_secs_f64();
    assert!(kept > 0.5, "closed after {kept} s");
}

#[test]
fn without_keep_alive_each_request_has_a_connection() {
    let answer = records(&prints("SAVED"));
    let (address, requests) = server(vec![Act::Close(answer.clone()), Act::Close(answer)]);
    let processor = processor(&address, json!({"fcgi_keep_alive_seconds": 0}));
    for connection in 1..3 {
        assert_eq!(save(&processor), None);
        let request = requests.recv().unwrap();
        assert_eq!((request.connection, request.keep), (connection, false));
    }
}

#[test]
fn a_kept_connection_that_breaks_before_an_answer_is_retried_once() {
    let (address, requests) = server(vec![saved(), Act::Close(vec![]), saved()]);
    let processor_of_one = processor(&address, json!({"fcgi_keep_alive_seconds": 60}));
    assert_eq!(save(&processor_of_one), None);
    assert_eq!(save(&processor_of_one), None);
    let connections: Vec<usize> =
        requests.iter().take(3).map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
    assert_eq!(processor_of_one.counter("retried"), 1);

    let (address, requests) =
        server(vec![saved(), Act::Close(vec![]), Act::Close(vec![]), saved()]);
    let processor_of_two = processor(&address, json!({"fcgi_keep_alive_seconds": 60}));
    assert_eq!(save(&processor_of_two), None);
    assert_eq!(save(&processor_of_two), Some(451));
    assert_eq!(requests.iter().take(3).count(), 3);
    assert!(processor_of_two.has_logged("closed the connection before any answer"));
    assert_eq!(save(&processor_of_two), None, "the next mail works");
}

#[test]
fn what_breaks_otherwise_defers_and_is_not_repeated() {
    let half = records(&prints("SAVED"));
    let half = half[..half.len() - 5].to_vec();
    for (act, said) in [
        (Act::Close(vec![]), "before any answer"),
        (Act::Close(half), "in the middle of an answer"),
        (Act::Close(b"HTTP/1.1 400 Bad Request\r\n".to_vec()), "not FastCGI: version 72"),
        (Act::Answer(vec![(3, vec![0, 0, 0, 0, 2, 0, 0, 0])]), "OVERLOADED"),
        (Act::Answer(vec![(3, vec![0, 0, 0, 0, 1, 0, 0, 0])]), "CANT_MPX_CONN"),
        (
            Act::Answer(vec![(6, b"SAVED".to_vec()), (3, vec![0; 8])]),
            "prints no header but \"SAVED\"",
        ),
        (
            Act::Answer(vec![(6, b"A: b\n\nSAVED".to_vec()), (3, vec![0, 0, 0, 1, 0, 0, 0, 0])]),
            "exit status 1",
        ),
    ] {
        let (address, requests) = server(vec![act, saved()]);
        let processor = processor(&address, json!({}));
        assert_eq!(save(&processor), Some(451), "{said}");
        assert!(processor.has_logged(said), "{said}: {:?}", processor.log());
        assert_eq!(processor.counter("deferred"), 1);
        assert_eq!(save(&processor), None, "the next mail works");
        assert_eq!(requests.iter().take(2).count(), 2);
        assert_eq!(processor.counter("retried"), 0);
    }
}

#[test]
fn a_server_that_answers_before_it_has_read_all_is_heard() {
    let mut answer = prints("too big");
    answer.insert(0, (7, b"POST Content-Length exceeds the limit\n".to_vec()));
    let (address, _requests) = server(vec![Act::AnswerEarly(answer), saved()]);
    let processor = processor(&address, json!({}));
    // More than the buffers of a connection hold.
    let mail = Mail::new().body("x".repeat(30_000_000));
    assert_eq!(save_within(&processor, 60_000, mail), Some(451));
    assert!(
        processor.has_logged("/scripts/save.php: STDERR: POST Content-Length exceeds the limit")
    );
    assert!(processor.has_logged("prints \"too big\" instead of SAVED"));
    assert_eq!(save(&processor), None, "on a connection of its own");
}

#[test]
fn half_a_message_is_never_saved() {
    let (address, _requests) = server(vec![Act::AnswerEarly(prints("SAVED"))]);
    let processor = processor(&address, json!({}));
    let mail = Mail::new().body("x".repeat(30_000_000));
    assert_eq!(save_within(&processor, 60_000, mail), Some(451));
    assert!(processor.has_logged("prints SAVED before it can have read the message"));
}

#[test]
fn the_deadline_of_the_transaction_is_kept() {
    let (address, _requests) = server(vec![Act::Silence, saved()]);
    let processor = processor(&address, json!({}));
    assert_eq!(save_within(&processor, 200, Mail::new()), Some(451));
    assert!(processor.has_logged("does not answer in time"));
    assert_eq!(save(&processor), None);
}

#[test]
fn who_finds_no_connection_free_is_deferred() {
    let (address, requests) = server(vec![Act::Silence]);
    let processor = processor(&address, json!({"fcgi_connections": 1}));
    let mut first = processor.begin(Mail::new());
    assert_eq!(first.submit(Phase::Save), None);
    requests.recv().unwrap();
    assert_eq!(save_within(&processor, 100, Mail::new()), Some(451));
    assert!(processor.has_logged("all connections are in use (fcgi_connections)"));
    processor.stop();
    assert!(first.wait().is_deferred());
}

#[test]
fn nobody_there_defers_until_somebody_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let processor = processor(&address, json!({}));
    assert!(processor.has_logged("mail is deferred until it is there"), "{:?}", processor.log());
    assert_eq!(save_within(&processor, 200, Mail::new()), Some(451));
    assert!(processor.has_logged("cannot be reached: "));

    let mut waiting = processor.begin(Mail::new());
    assert_eq!(waiting.submit(Phase::Save), None);
    let listener = TcpListener::bind(&address).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (seen, _requests) = channel();
        serve(&mut stream, &mut [saved()].into_iter(), 0, &seen)
    });
    assert_eq!(waiting.wait().code(), None);
    assert!(processor.has_logged("is back"));
}

#[test]
fn a_chain_that_asks_for_a_script_that_is_not_there_defers() {
    let mut config = config("127.0.0.1:1", json!({}));
    config.as_object_mut().unwrap().remove("fcgi_script_filename_save");
    let processor = Harness::<Async<FastCgi>>::new(config).unwrap();
    assert_eq!(save(&processor), Some(451));
    assert!(processor.has_logged("fcgi_script_filename_save is not set"));
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    for (more, said) in [
        (
            json!({"fcgi_connection_address": "localhost"}),
            "fcgi_connection_address: \"localhost\" has no port",
        ),
        (
            json!({"fcgi_script_filename_save": "", "fcgi_script_filename_validate": ""}),
            "fcgi_script_filename_save: empty",
        ),
        (
            json!({"fcgi_params": {"REMOTE_ADDR": "x"}}),
            "fcgi_params: \"REMOTE_ADDR\" is set by the processor",
        ),
        (json!({"fcgi_params": {"T": {"file": "/nonexistent"}}}), "fcgi_params.T: /nonexistent: "),
        (json!({"fcgi_body_format": "json"}), "fcgi_body_format: "),
        (json!({"fcgi_connections": 0}), "fcgi_connections: "),
    ] {
        let error = Harness::<Async<FastCgi>>::new(config("127.0.0.1:1", more)).err().unwrap();
        assert!(error.starts_with(said), "{error}");
    }
}
