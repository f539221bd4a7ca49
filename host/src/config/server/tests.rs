use super::super::{Config, ConfigError, Problem, TlsMode};
use super::*;

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// The server with these members beside `is_enabled` and a `listen_interface` of its own.
fn check(members: &str) -> Result<(Server, Vec<String>), Vec<String>> {
    let text = format!(
        r#"{{"servers": [{{"is_enabled": true, "listen_interface": "127.0.0.1:2526", {members}}}],
             "backend_config": {{"save_process": "A"}}}}"#
    );
    match Config::from_json(&text, "x") {
        Ok(loaded) => Ok((loaded.config.servers[0].clone(), lines(&loaded.warnings))),
        Err(ConfigError::Invalid { problems, .. }) => Err(lines(&problems)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_is_left_out_has_the_default() {
    let usual = Server::new("127.0.0.1:2526".parse().unwrap());
    for members in [
        r#""tls": {}"#,
        r#""max_messages": 0, "max_clients_per_ip": 0, "max_connects_per_minute": 0"#,
        r#""host_name": "", "log_file": "", "protocol": "", "bare_newline": "", "greet_delay": """#,
        r#""greet_delay": "0", "extensions": null, "trusted_proxies": []"#,
    ] {
        assert_eq!(check(members), Ok((usual.clone(), vec![])), "{members}");
    }
    let limits = [("max_size", 10_485_760), ("timeout", 30), ("session_timeout", 3600)];
    let more = [("min_data_rate", 100), ("max_clients", 100), ("max_rcpt", 100)];
    let errors = [("max_errors", 20), ("max_unrecognised", 5)];
    for (key, default) in limits.into_iter().chain(more).chain(errors) {
        let (server, warnings) = check(&format!(r#""{key}": 0"#)).unwrap();
        assert_eq!(server, usual, "{key}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let expected = format!("servers[0].{key}: 0 means the default, {default}, and switches");
        assert!(warnings[0].starts_with(&expected), "{warnings:?}");
    }
    assert_eq!(usual.max_size, 10_485_760);
    assert_eq!(usual.timeout, Duration::from_secs(30));
    assert_eq!((usual.max_clients, usual.limits.max_rcpt), (100, 100));
    assert_eq!((usual.limits.max_errors, usual.limits.max_unrecognised), (20, 5));
    assert_eq!((usual.limits.max_messages, usual.limits.max_clients_per_ip), (0, 0));
    assert!(usual.require_helo && !usual.xclient && usual.trusted_proxies.is_empty());
    assert_eq!(usual.tls.mode, TlsMode::Off);
}

#[test]
fn every_key_is_taken_over() {
    let (server, warnings) = check(
        r#""HOST_NAME": "mail.example.com", "max_size": 1000000, "timeout": 180, "max_clients": 1000,
           "log_file": "/var/log/mail.log", "xclient_on": true, "xforward_on": false, "max_rcpt": 200, "max_errors": 3,
           "max_unrecognised": 4, "max_messages": 5, "max_clients_per_ip": 6,
           "max_connects_per_minute": 7, "proxy_protocol": "require",
           "session_timeout": 100, "min_data_rate": 200, "require_helo": false,
           "bare_newline": "Normalize", "greet_delay": "1.5s", "protocol": "LMTP",
           "trusted_proxies": ["10.0.0.0/8", "::1"],
           "extensions": {"pipelining": false, "eight_bit_mime": false, "smtputf8": false,
               "chunking": false, "dsn": false, "limits": false, "requiretls": false, "size": false,
               "enhanced_status_codes": false, "prdr": false, "help": false}"#,
    )
    .unwrap();
    assert_eq!(warnings, [""; 0]);
    let expected = Server {
        host_name: "mail.example.com".parse().unwrap(),
        max_size: 1_000_000,
        timeout: Duration::from_secs(180),
        max_clients: 1000,
        log: LogTarget::File("/var/log/mail.log".into()),
        xclient: true,
        limits: Limits {
            max_rcpt: 200,
            max_errors: 3,
            max_unrecognised: 4,
            max_messages: 5,
            max_clients_per_ip: 6,
            max_connects_per_minute: 7,
        },
        require_helo: false,
        bare_newline: BareNewline::Normalize,
        greet_delay: Some(Duration::from_millis(1500)),
        protocol: Protocol::Lmtp,
        proxy_protocol: ProxyProtocol::Require,
        session_timeout: Duration::from_secs(100),
        min_data_rate: 200,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
        extensions: Extensions {
            pipelining: false,
            eight_bit_mime: false,
            smtputf8: false,
            chunking: false,
            binarymime: false,
            dsn: false,
            limits: false,
            requiretls: false,
            size: false,
            enhanced_status_codes: false,
            prdr: false,
            help: false,
        },
        ..Server::new("127.0.0.1:2526".parse().unwrap())
    };
    assert_eq!(server, expected);
}

#[test]
fn xforward_goes_with_xclient_unless_it_is_said() {
    for (members, xclient, xforward, trusted) in [
        (r#""max_rcpt": 100"#, false, false, false),
        (r#""xclient_on": true"#, true, true, true),
        (r#""xclient_on": true, "xforward_on": false"#, true, false, true),
        (r#""xforward_on": true"#, false, true, true),
    ] {
        let (server, _) = check(members).unwrap();
        assert_eq!((server.xclient, server.xforward), (xclient, xforward), "{members}");
        assert_eq!(!server.trusted_proxies.is_empty(), trusted, "{members}");
    }
}

#[test]
fn the_listener_takes_its_options() {
    let v6only = |v6only| Listen::Tcp { address: "[::]:25".parse().unwrap(), v6only };
    let unix = |mode| Listen::Unix { path: "/run/g.sock".into(), mode, owner: None };
    for (members, expected) in [
        (r#""listen_interface": ":25""#, v6only(false)),
        (r#""listen_interface": ":25", "v6only": true"#, v6only(true)),
        (r#""listen_interface": "unix:/run/g.sock""#, unix(None)),
        (r#""listen_interface": "unix:/run/g.sock", "unix_mode": "0660""#, unix(Some(0o660))),
    ] {
        assert_eq!(check(members).unwrap().0.listen, expected, "{members}");
    }
}

#[test]
fn settings_without_effect_are_warned_of() {
    let twice = "servers[0].listen_interface: given more than once, the last one counts";
    for (members, expected) in [
        (
            r#""v6only": true"#,
            &["servers[0].v6only: has no effect: 127.0.0.1:2526 is not an IPv6 address"][..],
        ),
        (
            r#""unix_mode": "600""#,
            &["servers[0].unix_mode: has no effect: 127.0.0.1:2526 is not a Unix socket"],
        ),
        (
            r#""listen_interface": "unix:/a", "v6only": true"#,
            &[twice, "servers[0].v6only: has no effect: unix:/a is not an IPv6 address"],
        ),
        (
            r#""max_rcpt": 10"#,
            &["servers[0].max_rcpt: RFC 5321 section 4.5.3.1.8 asks for 100 recipients or more"],
        ),
        (
            r#""trusted_proxies": ["::/0"]"#,
            &["servers[0].trusted_proxies[0]: ::/0 lets anybody pose as anybody"],
        ),
        (
            r#""start_tls_on": true"#,
            &[
                "servers[0].start_tls_on: ignored here; since go-guerrilla 1.6 it belongs into the server's \"tls\" object",
            ],
        ),
        (
            r#""is_enabled": true"#,
            &["servers[0].is_enabled: given more than once, the last one counts"],
        ),
    ] {
        assert_eq!(check(members).unwrap().1, expected, "{members}");
    }
}

#[test]
fn xclient_trusts_this_machine_unless_told_otherwise() {
    assert_eq!(check(r#""xclient_on": true"#).unwrap().0.trusted_proxies, Network::loopback());
    assert_eq!(
        check(r#""xclient_on": true, "trusted_proxies": []"#).unwrap().0.trusted_proxies,
        []
    );
}

#[test]
fn binarymime_needs_chunking() {
    let extensions = |members| check(members).unwrap().0.extensions;
    assert!(extensions(r#""extensions": {}"#).binarymime);
    assert!(!extensions(r#""extensions": {"chunking": false, "binarymime": true}"#).binarymime);
    assert!(!extensions(r#""extensions": {"binarymime": false}"#).binarymime);
}

#[test]
fn wrong_values_are_refused_by_key() {
    let table = [
        (r#""max_size": "10M""#, r#"servers[0].max_size: expected a whole number, found "10M""#),
        (r#""max_size": 1.5"#, "servers[0].max_size: expected a whole number, found 1.5"),
        (
            r#""max_size": -1"#,
            "servers[0].max_size: expected 0 to 9223372036854775807, found -1; leave it out for 10485760",
        ),
        (
            r#""max_size": 9223372036854775808"#,
            "servers[0].max_size: expected a whole number, found 9223372036854775808",
        ),
        (
            r#""timeout": 86401"#,
            "servers[0].timeout: expected 0 to 86400, found 86401; leave it out for 30",
        ),
        (
            r#""max_clients": -1"#,
            "servers[0].max_clients: expected 0 to 1048576, found -1; leave it out for 100",
        ),
        (
            r#""host_name": "a\r\n250 b""#,
            r#"servers[0].host_name: "a\r\n250 b" is not a host name: use letters, digits, "-", "_" and dots, or an address in brackets"#,
        ),
        (r#""protocol": "pop3""#, r#"servers[0].protocol: expected smtp or lmtp, found "pop3""#),
        (
            r#""protocol": "lmtp", "listen_interface": ":25""#,
            "servers[0].protocol: LMTP is forbidden on port 25 (RFC 2033 section 5)",
        ),
        (
            r#""bare_newline": "accept""#,
            r#"servers[0].bare_newline: expected reject or normalize, found "accept""#,
        ),
        (r#""greet_delay": "2m""#, r#"servers[0].greet_delay: "2m" is too long: at most 1m"#),
        (
            r#""greet_delay": "2""#,
            r#"servers[0].greet_delay: "2" needs a unit; write a duration such as "30s", "1.5h" or "2h45m""#,
        ),
        (
            r#""unix_mode": "0999", "listen_interface": "unix:/a""#,
            r#"servers[0].unix_mode: expected permission bits in octal such as "0660", found "0999""#,
        ),
        (
            r#""unix_mode": "01777", "listen_interface": "unix:/a""#,
            r#"servers[0].unix_mode: expected permission bits in octal such as "0660", found "01777""#,
        ),
        (
            r#""trusted_proxies": ["10.0.0.0/8", "nginx"]"#,
            r#"servers[0].trusted_proxies[1]: "nginx" is not an address or network such as "192.0.2.7" or "10.0.0.0/8""#,
        ),
        (
            r#""listen_interface": "smtp""#,
            r#"servers[0].listen_interface: "smtp" is not ip:port such as "127.0.0.1:2525", "[::1]:25" or ":25", nor unix:/path"#,
        ),
        (
            r#""listen_interface": """#,
            r#"servers[0].listen_interface: required, give ip:port such as "127.0.0.1:2525""#,
        ),
        (r#""listen_interface": 25"#, "servers[0].listen_interface: expected a string, found 25"),
    ];
    for (members, expected) in table {
        assert_eq!(check(members), Err(vec![expected.to_owned()]), "{members}");
    }
}
