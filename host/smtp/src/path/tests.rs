use super::*;

fn sender(text: &str) -> Result<&str, PathError> {
    match reverse_path(text)? {
        (ReversePath::Mailbox(mailbox), _) => Ok(mailbox.as_str()),
        (ReversePath::Null, _) => Ok(""),
    }
}

#[test]
fn well_formed_paths() {
    for (text, expected) in [
        ("<>", ""),
        (" <>", ""),
        ("<a@b.c>", "a@b.c"),
        (" <a@b.c>", "a@b.c"),
        ("<a.b+c=d@e>", "a.b+c=d@e"),
        ("<\"a b\"@c.d>", "\"a b\"@c.d"),
        ("<\"a>b@c\"@d.e>", "\"a>b@c\"@d.e"),
        ("<\"\"@c.d>", "\"\"@c.d"),
        ("<\"a\\\"b\\\\\"@c.d>", "\"a\\\"b\\\\\"@c.d"),
        ("<@x,@y.z:a@b.c>", "a@b.c"),
        ("<@[IPv6:::1],@y:a@b.c>", "a@b.c"),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("<jörg@bücher.example>", "jörg@bücher.example"),
    ] {
        assert_eq!(sender(text), Ok(expected), "{text}");
    }
}

#[test]
fn malformed_paths() {
    for text in [
        "",
        " ",
        "<",
        ">",
        "<<>>",
        "<a",
        "a@b.c",
        "xa@b.c>",
        "<a@b.c",
        "<a@b.c>r",
        "<a@b.c>>",
        "<a@b.c>SIZE=1",
        "<a@b.c><d@e.f>",
        "<a@b.c>,<d@e.f>",
        "<>junk",
        "  <a@b.c>",
        "\t<a@b.c>",
        "< a@b.c>",
        "<a@b.c >",
        "<a @b.c>",
        "<a@ b.c>",
        "<justatest>",
        "<a@>",
        "<@b.c>",
        "<@a>",
        "<@a,b:c@d>",
        "<@a:>",
        "<@:a@b>",
        "<.a@b>",
        "<a.@b>",
        "<a..b@c>",
        "<a@b.>",
        "<a@.b>",
        "<a@b..c>",
        "<\"a\"b@c>",
        "<a\"b\"@c>",
        "<\"a@b>",
        "<\"a\\\"@b>",
        "<a@b@c>",
        "<a\0@b>",
        "<\"a\0\"@b>",
        "<\"a\r\"@b>",
        "<a@b\0>",
        "<a\u{7f}@b>",
        "<a@[1.2.3.4>",
        "<a@1.2.3.4]>",
        "<a,b@c>",
        "<a;b@c>",
        "<a:b@c>",
        "<(a)@b>",
        "<a\u{85}@b>",
        "<a\u{a0}@b>",
        "<Postmaster>",
    ] {
        assert_eq!(sender(text), Err(PathError::Syntax), "{text:?}");
    }
}

#[test]
fn parameters_stand_behind_one_blank() {
    assert_eq!(reverse_path("<> SIZE=1").map(|(_, rest)| rest), Ok("SIZE=1"));
    // The second blank is left for the parameters to refuse.
    assert_eq!(reverse_path("<a@b>  SIZE=1").map(|(_, rest)| rest), Ok(" SIZE=1"));
}

#[test]
fn recipients() {
    assert_eq!(forward_path("<PostMaster>"), Ok((ForwardPath::Postmaster("PostMaster"), "")));
    assert_eq!(forward_path("<>"), Err(PathError::Syntax));
    for (text, local) in [("<postmasterx@b.c>", "postmasterx"), ("<Postmaster@b.c>", "Postmaster")]
    {
        let Ok((ForwardPath::Mailbox(mailbox), _)) = forward_path(text) else { panic!("{text}") };
        assert_eq!(mailbox.local().as_written(), local);
    }
    for bad in
        ["<postmasterx>", "<postmaster", "<\"postmaster\">", "<@a:postmaster>", "<postmaster>x"]
    {
        assert_eq!(forward_path(bad), Err(PathError::Syntax), "{bad}");
    }
}

#[test]
fn limits_as_the_rfc_counts() {
    let local = |n: usize| format!("<{}@b.c>", "a".repeat(n));
    assert!(sender(&local(64)).is_ok());
    assert_eq!(sender(&local(65)), Err(PathError::TooLong));

    // 256 octets of path: brackets, local part, at, domain.
    let domain = |n: usize| {
        let mut name = "d".repeat(n);
        (1..n - 1).filter(|i| i % 50 == 0).for_each(|i| name.replace_range(i..=i, "."));
        format!("<a@{name}>")
    };
    assert_eq!(domain(252).len(), 256);
    assert!(sender(&domain(252)).is_ok());
    assert_eq!(sender(&domain(253)), Err(PathError::TooLong));

    // Parameters are not part of the path.
    let long = format!("{} ENVID={}", domain(252), "x".repeat(90));
    assert!(sender(&long).is_ok());
}

#[test]
fn local_parts_unquote() {
    for (text, plain, quotes) in [
        ("<a.b@c>", "a.b", false),
        ("<\"a.b\"@c>", "a.b", false),
        ("<\"al\\ph\\a\"@c>", "alpha", false),
        ("<\" al\\ph\\a \"@c>", " alpha ", true),
        ("<\"a..b\"@c>", "a..b", true),
        ("<\"a@b\"@c>", "a@b", true),
        ("<\"\"@c>", "", true),
        ("<\"q\\\"\\\\\"@c>", "q\"\\", true),
    ] {
        let Ok((ReversePath::Mailbox(mailbox), _)) = reverse_path(text) else { panic!("{text}") };
        assert_eq!(mailbox.local().unquoted(), plain, "{text}");
        assert_eq!(mailbox.local().needs_quotes(), quotes, "{text}");
    }
}
