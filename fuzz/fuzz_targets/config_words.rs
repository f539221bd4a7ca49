//! The little languages inside the config: durations, networks, interfaces, names, chains, patterns
//! of hosts. What is written out is read back the same.
#![no_main]

use std::net::IpAddr;

use guerrilla::config::{AllowedHosts, ChainSpec, HostName, Listen, Network, closest, duration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // A config and a name that a client asks for.
    let (word, asked) = text.split_once('\n').unwrap_or((text, "mail.test"));
    let _ = duration::parse(word);
    let _ = closest(word, ["max_size", "max_clients", "listen_interface"]);
    if let Ok(network) = word.parse::<Network>() {
        assert_eq!(network.to_string().parse(), Ok(network));
        if let Ok(address) = asked.parse::<IpAddr>() {
            assert!(network.contains(address) || !network.is_everything() || mixed(word, address));
        }
    }
    if let Ok(listen) = word.parse::<Listen>() {
        assert_eq!(listen.to_string().parse(), Ok(listen));
    }
    if let Ok(name) = word.parse::<HostName>() {
        assert_eq!(name.as_str(), word);
        assert!(word.is_ascii() && !word.contains(|c: char| c.is_ascii_control() || c == ' '));
    }
    if let Ok(chain) = ChainSpec::parse(word) {
        assert_eq!(
            ChainSpec::parse(&chain.names.join("|")).map(|again| again.names),
            Ok(chain.names)
        );
    }
    let (hosts, _) = AllowedHosts::new(word.split(','));
    assert_eq!(hosts.allows(asked), hosts.allows(&asked.to_ascii_uppercase()), "case counts");
});

/// `0.0.0.0/0` holds no IPv6 address, nor `::/0` an IPv4 one.
fn mixed(network: &str, address: IpAddr) -> bool {
    network.contains(':') != address.to_canonical().is_ipv6()
}
