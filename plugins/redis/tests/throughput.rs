//! What batches gain, told (not judged: the machine may be busy), against a private redis-server that syncs every write.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use guerrilla_plugin_api::testkit::{Harness, Mail};
use guerrilla_plugin_api::{Batched, Phase, Verdict};
use redis::Redis;

/// A redis-server on a Unix socket, ended with the test.
struct Server(Child);

impl Server {
    fn start(dir: &Path, socket: &Path) -> Self {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]);
        command.arg("--dir").arg(dir).arg("--unixsocket").arg(socket).stdout(Stdio::null());
        let server =
            Self(command.spawn().expect("redis-server runs (Debian package redis-server)"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already needs neither.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mail(number: usize) -> Mail {
    Mail::new().queued_id(&format!("m{number}")).subject("x").body("a line of text\r\n".repeat(128))
}

#[test]
fn messages_alone_and_together_are_all_stored() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("redis.sock");
    let _server = Server::start(dir.path(), &socket);
    let config = serde_json::json!({
        "redis_interface": format!("unix:{}", socket.display()),
        "redis_expire_seconds": 600,
        "redis_connections": 1,
    });
    let redis = Harness::<Batched<Redis>>::new(config).unwrap();

    let begun = Instant::now();
    for number in 0..ALONE {
        assert!(redis.deliver(mail(number)).is_accepted());
    }
    let alone = ALONE as f64 / begun.elapsed().as_secs_f64();

    let mut mails: Vec<_> = (ALONE..ALONE + TOGETHER).map(|n| redis.begin(mail(n))).collect();
    let begun = Instant::now();
    for mail in &mut mails {
        assert_eq!(mail.submit(Phase::Save), None);
    }
    for mail in &mut mails {
        assert_eq!(mail.wait(), Verdict::CONTINUE);
    }
    let together = TOGETHER as f64 / begun.elapsed().as_secs_f64();

    println!(
        "redis, 2 kB messages, appendfsync always: {together:.0} a second in batches, {alone:.0} one by one"
    );
    assert_eq!(redis.counter("stored"), (ALONE + TOGETHER) as u64);
}

const ALONE: usize = 300;
const TOGETHER: usize = 5000;
