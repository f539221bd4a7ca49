use std::collections::HashSet;

use serde_json::json;

use super::*;

fn list<'a>(recipients: &[&'a str]) -> impl Iterator<Item = Cow<'a, str>> {
    recipients.iter().map(|r| Cow::Borrowed(*r)).collect::<Vec<_>>().into_iter()
}

/// The second is the MD5 of "a@b.chello1700000000000000000c@d.ee@f.g": the digest goes on from the first.
#[test]
fn md5_is_cumulative_as_in_go_guerrilla() {
    let facts: [&[u8]; 3] = [b"a@b.c", b"hello", b"1700000000000000000"];
    let hashes = cumulative::<Md5>(&facts, list(&["c@d.e", "e@f.g"]));
    let whole = ["a@b.chello1700000000000000000c@d.e", "a@b.chello1700000000000000000c@d.ee@f.g"];
    assert_eq!(hashes, whole.map(|text| hex(&Md5::digest(text))));
    assert_eq!(hex(&Md5::digest("")), "d41d8cd98f00b204e9800998ecf8427e");
}

#[test]
fn sha256_is_cut_to_the_column() {
    let hashes = cumulative::<Sha256>(&[b"a"], list(&["bc", ""]));
    // SHA-256 of "abc" begins so (FIPS 180-2, appendix B.1).
    assert_eq!(hashes[0], "ba7816bf8f01cfea414140de5dae2223");
    assert_eq!(hashes.len(), 2);
    assert!(hashes.iter().all(|hash| hash.len() == 32));
}

#[test]
fn facts_do_not_run_into_each_other() {
    let variants = [
        unambiguous([0; 4], &["ab", "c"]),
        unambiguous([0; 4], &["a", "bc"]),
        unambiguous([0; 4], &["abc", ""]),
        unambiguous([0, 0, 1, 0], &["abc", ""]),
        unambiguous([0, 1, 0, 0], &["abc", ""]),
    ];
    assert_eq!(variants.iter().collect::<HashSet<_>>().len(), variants.len());
}

#[test]
fn addresses_in_go_guerrillas_form() {
    for (address, local_part, domain, expected) in [
        ("", "", "", ""),
        ("PostMaster", "PostMaster", "", "postmaster"),
        ("Bob@Example.org", "Bob", "Example.org", "Bob@Example.org"),
        (r#""a\b"@c.d"#, "ab", "c.d", r#""ab"@c.d"#),
        (r#""a\"\\"@c.d"#, r#"a"\"#, "c.d", r#""a\"\\"@c.d"#),
        ("a@[192.0.2.7]", "a", "[192.0.2.7]", "a@[192.0.2.7]"),
        ("a@[IPv6:2001:DB8::1]", "a", "[IPv6:2001:DB8::1]", "a@[2001:db8::1]"),
        ("a@[ipv6:::ffff:192.0.2.7]", "a", "[ipv6:::ffff:192.0.2.7]", "a@[192.0.2.7]"),
        ("a@[what:ever]", "a", "[what:ever]", "a@[what:ever]"),
        ("a@[\u{e9}\u{e9}\u{e9}]", "a", "[\u{e9}\u{e9}\u{e9}]", "a@[\u{e9}\u{e9}\u{e9}]"),
    ] {
        assert_eq!(go_text(address, local_part, domain), expected, "{address}");
    }
}

#[test]
fn formula_by_name() {
    let read = |value| Formula::read(&Settings::of(value));
    assert_eq!(read(json!({})), Ok(Formula::Sha256));
    assert_eq!(read(json!({"hasher": "MD5"})), Ok(Formula::Md5));
    assert_eq!(read(json!({"hasher": "sha256"})), Ok(Formula::Sha256));
    assert_eq!(
        read(json!({"hasher": "crc"})),
        Err("hasher: expected \"sha256\" or \"md5\"".to_owned())
    );
    assert_eq!(read(json!({"hasher": 5})), Err("hasher: expected a string, found 5".to_owned()));
}
