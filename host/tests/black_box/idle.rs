//! Many clients that say nothing: what one of them costs.
//!
//! `scripts/measure-idle` does the same with ten thousand and a daemon as it is shipped.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{Client, Setup};

const CLIENTS: u64 = 2000;

/// Bytes that an idle client may cost here: an unoptimised build, and ten times what is aimed at.
const BOUND: u64 = 8 << 10;

#[test]
fn an_idle_client_costs_little() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    // Inherited by the daemon.
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit");
    assert!(hard > CLIENTS + 500, "the hard limit of descriptors is {hard}: see `ulimit -Hn`");
    let daemon = Setup::without_plugins()
        .top("log_level", "info")
        .server("max_clients", CLIENTS + 1)
        .server("timeout", 300)
        .start();
    // What the first ones cost once for all.
    let warm: Vec<Client> = (0..20).map(|_| daemon.client()).collect();
    drop(warm);
    let before = daemon.usage().anonymous();
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|_| Client::admitted(daemon.address())).collect();
    for client in &mut clients {
        client.expect("EHLO client.example", "250");
    }
    let each = daemon.usage().anonymous().saturating_sub(before) * 1024 / CLIENTS;
    println!("{each} bytes of memory for each of {CLIENTS} idle clients");
    assert!(each < BOUND, "{each} bytes");
    let last = clients.last_mut().expect("many");
    last.expect("QUIT", "221 ");
    daemon.stop();
}
