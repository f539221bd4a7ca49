use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use super::*;
use guerrilla_plugin_api::testkit::{Harness, Kind, Mail};

/// A service that answers by the path it is asked for, until the test's process ends; its address.
fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut client in listener.incoming().map(Result::unwrap) {
            let mut request = String::new();
            BufReader::new(&client).read_line(&mut request).unwrap();
            let answer = match request.trim_end() {
                "GET /recipients/a%40example%2Ecom HTTP/1.0" => "HTTP/1.1 200 OK\r\n\r\n",
                "GET /recipients/%22x%20y%2F%2E%2E%22%40example%2Ecom HTTP/1.0" => {
                    "HTTP/1.0 200 \r\n\r\n"
                }
                "GET /recipients/broken%40example%2Ecom HTTP/1.0" => "HTTP/1.1 500 Oh\r\n\r\n",
                "GET /recipients/odd%40example%2Ecom HTTP/1.0" => "220 mx.example.com ESMTP\r\n",
                "GET /recipients/silent%40example%2Ecom HTTP/1.0" => {
                    silent.push(client);
                    continue;
                }
                _ => "HTTP/1.1 404 Not Found\r\n\r\n",
            };
            client.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

fn asking(service: &str, timeout_ms: u64) -> Harness<Async<RecipientService>> {
    let config = serde_json::json!({
        "recipient_service": service,
        "recipient_service_timeout_ms": timeout_ms,
    });
    Harness::new(config).unwrap()
}

#[test]
fn the_service_decides() {
    let plugin = asking(&service(), 60_000);
    for (to, kind, code) in [
        ("a@example.com", Kind::Continue, None),
        ("\"x y/..\"@example.com", Kind::Continue, None),
        ("b@example.com", Kind::Reject, Some(550)),
        ("broken@example.com", Kind::Defer, Some(451)),
        ("odd@example.com", Kind::Defer, Some(451)),
    ] {
        let delivery = plugin.deliver(Mail::new().to(to));
        assert_eq!((&delivery.kind, delivery.code()), (&kind, code), "{to}");
    }
    assert_eq!(plugin.counter("unknown"), 1);
    for line in ["answered 500", "does not speak HTTP"] {
        assert!(plugin.has_logged(line), "{:?}", plugin.log());
    }
}

#[test]
fn silence_defers() {
    let plugin = asking(&service(), 50);
    let delivery = plugin.deliver(Mail::new().to("silent@example.com"));
    assert_eq!(delivery.code(), Some(451));
    assert!(plugin.has_logged("does not answer"));
}

#[test]
fn who_waits_keeps_nobody_else_waiting() {
    let plugin = asking(&service(), 60_000);
    let mut silent = plugin.begin(Mail::new().to("silent@example.com"));
    assert_eq!(silent.submit(Phase::Rcpt), None);
    assert!(plugin.deliver(Mail::new().to("a@example.com")).is_accepted());
    plugin.stop();
    assert!(silent.wait().is_deferred());
}

#[test]
fn nobody_there_defers() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(asking(&gone, 60_000).deliver(Mail::new()).is_deferred());
}

#[test]
fn a_service_without_a_port_is_a_mistake() {
    let config = serde_json::json!({ "recipient_service": "localhost" });
    let error = Harness::<Async<RecipientService>>::new(config).err().unwrap();
    assert!(error.starts_with("recipient_service: \"localhost\" has no port"), "{error}");
}
