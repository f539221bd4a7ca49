use super::super::raw::RawCertificate;
use super::*;

fn strings(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The result with errors and warnings as lines.
fn check(raw: RawTls) -> (Tls, Vec<String>, Vec<String>) {
    let mut findings = Findings::default();
    let tls = Tls::check(raw, "servers[0]", &mut findings);
    let lines = |problems: Vec<super::super::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    (tls, lines(findings.errors), lines(findings.warnings))
}

#[test]
fn without_keys_tls_is_off_and_all_else_is_the_default() {
    assert_eq!(check(RawTls::default()), (Tls::default(), vec![], vec![]));
}

#[test]
fn tls_needs_its_files() {
    let raw = RawTls {
        start_tls_on: Some(true),
        private_key_file: Some(String::new()),
        ..RawTls::default()
    };
    let (_, errors, _) = check(raw);
    let required = "required because TLS is on, give the path of a PEM file";
    assert_eq!(
        errors,
        [
            format!("servers[0].tls.public_key_file: {required}"),
            format!("servers[0].tls.private_key_file: {required}"),
        ]
    );
}

#[test]
fn always_goes_before_starttls() {
    let raw = |start, always| RawTls {
        start_tls_on: Some(start),
        tls_always_on: Some(always),
        private_key_file: Some("k".to_owned()),
        public_key_file: Some("c".to_owned()),
        ..RawTls::default()
    };
    let pair = || KeyPair { certificate_chain: "c".into(), private_key: "k".into() };
    for (start, always, expected) in [
        (false, false, TlsMode::Off),
        (true, false, TlsMode::StartTls(pair())),
        (false, true, TlsMode::Always(pair())),
        (true, true, TlsMode::Always(pair())),
    ] {
        let (tls, errors, warnings) = check(raw(start, always));
        assert_eq!((tls.mode, errors, warnings), (expected, vec![], vec![]));
    }
}

#[test]
fn keys_of_our_own() {
    let pair = |public: &str, private: &str| RawCertificate {
        at: "servers[0].tls.certificates[0]".to_owned(),
        public_key_file: Some(public.to_owned()),
        private_key_file: Some(private.to_owned()),
    };
    let (tls, errors, warnings) = check(RawTls {
        start_tls_on: Some(true),
        private_key_file: Some("k".to_owned()),
        public_key_file: Some("c".to_owned()),
        tls_required: Some(true),
        certificates: Some(vec![pair("c2", "k2")]),
        certificate_check_interval: Some("5m".to_owned()),
        ..RawTls::default()
    });
    assert_eq!((errors, warnings), (vec![], vec![]));
    assert!(tls.required);
    assert_eq!(tls.check_interval, Some(Duration::from_secs(300)));
    let second = KeyPair { certificate_chain: "c2".into(), private_key: "k2".into() };
    assert_eq!(tls.certificates, [second]);

    let (tls, errors, _) = check(RawTls {
        tls_required: Some(true),
        certificates: Some(vec![pair("c2", "")]),
        certificate_check_interval: Some("0s".to_owned()),
        ..RawTls::default()
    });
    assert_eq!(tls.check_interval, None);
    assert_eq!(
        errors,
        [
            "servers[0].tls.certificates[0].private_key_file: required because TLS is on, give the path of a PEM file",
            "servers[0].tls.tls_required: TLS is off; set start_tls_on",
        ]
    );
}

#[test]
fn clients_are_asked_for_a_certificate_when_it_can_be_verified() {
    for (name, roots, expected) in [
        (None, None, ClientAuth::None),
        (Some(""), Some(""), ClientAuth::None),
        (None, Some("roots.pem"), ClientAuth::VerifyIfGiven),
        (Some("VerifyClientCertIfGiven"), None, ClientAuth::VerifyIfGiven),
        (Some("RequireAnyClientCert"), None, ClientAuth::RequireAny),
    ] {
        let (tls, errors, warnings) = check(RawTls {
            client_auth_type: name.map(str::to_owned),
            root_cas_file: roots.map(str::to_owned),
            ..RawTls::default()
        });
        assert_eq!((tls.client_auth, errors, warnings), (expected, vec![], vec![]), "{name:?}");
    }
    let (_, _, warnings) = check(RawTls {
        client_auth_type: Some("NoClientCert".to_owned()),
        root_cas_file: Some("roots.pem".to_owned()),
        ..RawTls::default()
    });
    assert_eq!(
        warnings,
        ["servers[0].tls.root_cas_file: of no use with client_auth_type NoClientCert"]
    );
}

#[test]
fn a_list_of_suites_leaves_something_for_each_version() {
    let of = |protocol: &[&str], suite| RawTls {
        protocols: strings(protocol),
        ciphers: strings(&[suite]),
        ..RawTls::default()
    };
    let (_, errors, _) = check(of(&["tls1.2", "tls1.2"], "TLS_AES_128_GCM_SHA256"));
    assert_eq!(
        errors,
        ["servers[0].tls.ciphers: none of them is for tls1.2, the only version in \"protocols\""]
    );
    let (_, _, warnings) = check(of(&["tls1.2"], "TLS_AES_128_GCM_SHA256"));
    assert_eq!(
        warnings,
        ["servers[0].tls.ciphers: none of them is for tls1.2, which is not offered therefore"]
    );
    let (_, errors, warnings) = check(of(&["tls1.3"], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!((errors, warnings), (vec![], vec![]));
}

#[test]
fn protocols_are_a_range() {
    use TlsVersion::{V1_2, V1_3};
    let range = |min, max| TlsVersions { min, max };
    let raised = |names| {
        vec![format!("servers[0].tls.protocols: not offered any more and taken as tls1.2: {names}")]
    };
    for (names, expected, warnings) in [
        (&[][..], range(V1_2, V1_3), vec![]),
        (&["tls1.3"], range(V1_3, V1_3), vec![]),
        (&["TLS1.2", "tls1.2"], range(V1_2, V1_2), vec![]),
        (&["tls1.0", "tls1.2"], range(V1_2, V1_2), raised("tls1.0")),
        (&["ssl3.0", "tls1.1"], range(V1_2, V1_2), raised("ssl3.0, tls1.1")),
    ] {
        let (tls, errors, found) = check(RawTls { protocols: strings(names), ..RawTls::default() });
        assert_eq!((tls.versions, errors, found), (expected, vec![], warnings), "{names:?}");
    }
    for (names, error) in [
        (
            &["tls1.3", "tls1.2"][..],
            "servers[0].tls.protocols: the lowest comes first: write [\"tls1.2\", \"tls1.3\"]",
        ),
        (
            &["tls1.2", "tls1.3", "x"],
            "servers[0].tls.protocols: expected [lowest, highest], found 3 names",
        ),
        (
            &["tls12"],
            "servers[0].tls.protocols[0]: unknown name \"tls12\"; did you mean \"tls1.2\"?",
        ),
        (
            &["tls1.2", "quic"],
            "servers[0].tls.protocols[1]: unknown name \"quic\"; known are ssl3.0, tls1.0, tls1.1, tls1.2, tls1.3",
        ),
    ] {
        let (_, errors, _) = check(RawTls { protocols: strings(names), ..RawTls::default() });
        assert_eq!(errors, [error]);
    }
}

#[test]
fn names_too_old_are_left_out_and_unknown_ones_refused() {
    let (tls, errors, warnings) = check(RawTls {
        ciphers: strings(&[
            "TLS_RSA_WITH_RC4_128_SHA",
            "tls_ecdhe_rsa_with_aes_128_gcm_sha256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_FALLBACK_SCSV",
            "TLS_AES_256_GCM_SHA348",
            "AES",
        ]),
        curves: strings(&["P521"]),
        client_auth_type: Some("RequireAny".to_owned()),
        ..RawTls::default()
    });
    assert_eq!(tls.cipher_suites, [CipherSuite::EcdheRsaAes128GcmSha256]);
    assert_eq!(tls.groups, []);
    assert_eq!(
        warnings,
        [
            "servers[0].tls.ciphers: not offered any more: TLS_RSA_WITH_RC4_128_SHA, TLS_FALLBACK_SCSV",
            "servers[0].tls.curves: not offered any more: P521; nothing remains, so the usual ones are",
        ]
    );
    assert_eq!(
        errors,
        [
            "servers[0].tls.ciphers[4]: unknown name \"TLS_AES_256_GCM_SHA348\"; did you mean \"TLS_AES_256_GCM_SHA384\"?",
            "servers[0].tls.ciphers[5]: unknown name \"AES\"",
            "servers[0].tls.client_auth_type: unknown name \"RequireAny\"; known are NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        ]
    );
}
