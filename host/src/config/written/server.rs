//! One element of `servers`, written down.

use std::collections::BTreeMap;

use super::{Object, duration, target};
use crate::config::json::Json;
use crate::config::reference::Source;
use crate::config::tls_names::{CIPHER_SUITES, CLIENT_AUTH, CURVES, Names, VERSIONS};
use crate::config::{BareNewline, KeyPair, Listen, Protocol, ProxyProtocol, Server, Tls, TlsMode};

pub(super) fn written(server: &Server, index: usize, places: &BTreeMap<String, Source>) -> Json {
    let mut object = Object::at(&format!("servers[{index}]"), places);
    object.put("is_enabled", server.enabled);
    object.put("listen_interface", server.listen.to_string());
    match &server.listen {
        // Elsewhere they have no effect.
        Listen::Tcp { address, v6only } if address.is_ipv6() => object.put("v6only", *v6only),
        Listen::Tcp { .. } => {}
        Listen::Unix { mode, owner, .. } => {
            object.put("unix_mode", mode.map(|mode| format!("{mode:04o}")));
            object.put("unix_owner", owner.as_deref());
        }
    }
    object.put("socket_name", server.socket_name.as_deref());
    object.put("host_name", server.host_name.as_str());
    object.put("protocol", protocol(server.protocol));
    object.put("max_size", server.max_size);
    object.put("timeout", server.timeout.as_secs());
    object.put("session_timeout", server.session_timeout.as_secs());
    object.put("min_data_rate", server.min_data_rate);
    object.put("max_clients", u64::from(server.max_clients));
    let limits = &server.limits;
    object.put("max_clients_per_ip", u64::from(limits.max_clients_per_ip));
    object.put("max_connects_per_minute", u64::from(limits.max_connects_per_minute));
    object.put("max_rcpt", u64::from(limits.max_rcpt));
    object.put("max_errors", u64::from(limits.max_errors));
    object.put("max_unrecognised", u64::from(limits.max_unrecognised));
    object.put("max_messages", u64::from(limits.max_messages));
    object.put("log_file", target(&server.log));
    object.put("require_helo", server.require_helo);
    object.put("bare_newline", bare_newline(server.bare_newline));
    object.put("greet_delay", duration::written(server.greet_delay.unwrap_or_default()));
    object.put("extensions", extensions(server, index, places));
    object.put("proxy_protocol", proxy_protocol(server.proxy_protocol));
    object.put("xclient_on", server.xclient);
    object.put("xforward_on", server.xforward);
    let proxies = server.trusted_proxies.iter().map(|network| network.to_string().into());
    object.put("trusted_proxies", Json::List(proxies.collect()));
    object.put("tls", tls(&server.tls, index, places));
    object.json()
}

fn extensions(server: &Server, index: usize, places: &BTreeMap<String, Source>) -> Json {
    let mut object = Object::at(&format!("servers[{index}].extensions"), places);
    let switches = &server.extensions;
    object.put("pipelining", switches.pipelining);
    object.put("eight_bit_mime", switches.eight_bit_mime);
    object.put("smtputf8", switches.smtputf8);
    object.put("chunking", switches.chunking);
    object.put("binarymime", switches.binarymime);
    object.put("dsn", switches.dsn);
    object.put("limits", switches.limits);
    object.put("requiretls", switches.requiretls);
    object.put("size", switches.size);
    object.put("enhanced_status_codes", switches.enhanced_status_codes);
    object.put("prdr", switches.prdr);
    object.put("help", switches.help);
    object.json()
}

fn tls(tls: &Tls, index: usize, places: &BTreeMap<String, Source>) -> Json {
    let mut object = Object::at(&format!("servers[{index}].tls"), places);
    let (starts, always, pair) = match &tls.mode {
        TlsMode::Off => (false, false, None),
        TlsMode::StartTls(pair) => (true, false, Some(pair)),
        TlsMode::Always(pair) => (false, true, Some(pair)),
    };
    object.put("start_tls_on", starts);
    object.put("tls_always_on", always);
    object.put("tls_required", tls.required);
    object.put("public_key_file", pair.map(|pair| &pair.certificate_chain));
    object.put("private_key_file", pair.map(|pair| &pair.private_key));
    let pairs = tls.certificates.iter().map(|pair| {
        let KeyPair { certificate_chain, private_key } = pair;
        let files = [("public_key_file", certificate_chain), ("private_key_file", private_key)];
        Json::Object(files.map(|(key, path)| (key.to_owned(), path.into())).to_vec())
    });
    object.put("certificates", Json::List(pairs.collect()));
    let interval = tls.check_interval.unwrap_or_default();
    object.put("certificate_check_interval", duration::written(interval));
    object.put("protocols", names(VERSIONS, &[tls.versions.min, tls.versions.max]));
    object.put("ciphers", names(CIPHER_SUITES, &tls.cipher_suites));
    object.put("curves", names(CURVES, &tls.groups));
    object.put("prefer_server_cipher_suites", tls.prefer_server_order);
    object.put("client_auth_type", name(CLIENT_AUTH, tls.client_auth));
    object.put("root_cas_file", tls.client_roots.as_deref());
    object.json()
}

fn names<T: Copy + PartialEq>(names: &Names<T>, items: &[T]) -> Json {
    Json::List(items.iter().map(|item| name(names, *item)).collect())
}

/// What the file calls something; whatever a config holds has a name there.
fn name<T: Copy + PartialEq>(names: &Names<T>, item: T) -> Json {
    names.iter().find(|(_, meant)| *meant == Some(item)).map(|(name, _)| *name).into()
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Smtp => "smtp",
        Protocol::Lmtp => "lmtp",
    }
}

fn proxy_protocol(proxy_protocol: ProxyProtocol) -> &'static str {
    match proxy_protocol {
        ProxyProtocol::Off => "off",
        ProxyProtocol::Accept => "accept",
        ProxyProtocol::Require => "require",
    }
}

fn bare_newline(bare_newline: BareNewline) -> &'static str {
    match bare_newline {
        BareNewline::Reject => "reject",
        BareNewline::Normalize => "normalize",
    }
}
