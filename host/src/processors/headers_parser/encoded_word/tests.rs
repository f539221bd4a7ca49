use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::decode;

fn check(cases: &[(&str, &str)]) {
    for (value, expected) in cases {
        assert_eq!(decode(value.as_bytes()), *expected, "{value:?}");
    }
}

#[test]
fn plain_and_folded() {
    check(&[
        ("", ""),
        ("hello", "hello"),
        ("  a  b ", "a  b"),
        ("a\r\n b", "a b"),
        ("a \r\n\t b\r\n \r\n c", "a b c"),
        ("tab\there", "tab here"),
        ("grüße, 世界", "grüße, 世界"),
    ]);
}

#[test]
fn encoded_words() {
    check(&[
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "Grüße aus Köln"),
        ("=?UTF-8?b?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?q?=A1Hola!?= amigo", "¡Hola! amigo"),
        ("Re: =?koi8-r?B?8NLJ18XU?=", "Re: Привет"),
        ("=?windows-1251?Q?=CF=F0=E8=E2=E5=F2?=", "Привет"),
        ("=?us-ascii*en?Q?Keith_Moore?=", "Keith Moore"),
        ("=?utf-8*en-GB?Q?tea?=", "tea"),
        ("=?utf-8?Q?underscore=5Fkept?=", "underscore_kept"),
        ("=?utf-8?Q??=", ""),
        ("=?utf-8?Q?_lead?=", " lead"),
    ]);
}

#[test]
fn multi_byte_charsets() {
    check(&[
        ("=?Shift_JIS?B?g26DjYFbgUWDj4Fbg4uDaA==?=", "ハロー・ワールド"),
        ("=?iso-2022-jp?B?GyRCJU8lbSE8GyhC?=", "ハロー"),
        ("=?ISO-2022-JP?q?=1B$B%O%m!<!&%o!<%k%I=1B(B?=", "ハロー・ワールド"),
        ("=?euc-jp?Q?=A5=CF=A5=ED=A1=BC?=", "ハロー"),
        ("=?ks_c_5601-1987?Q?=BE=C8=B3=E7?=", "안녕"),
        ("=?EUC-KR?Q?=BE=C8=B3=E7?=", "안녕"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?GBK?B?xOO6ww==?=", "你好"),
        ("=?gb18030?B?xOO6ww==?=", "你好"),
        ("=?big5?Q?=A7A=A6n?=", "你好"),
        ("=?utf-7?Q?+ZeVnLIqe-?=", "日本語"),
        ("=?utf-16be?B?TmVy?=", "乥"),
    ]);
}

#[test]
fn adjacent_words_are_one_text() {
    check(&[
        ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
        ("=?utf-8?Q?a?=\r\n =?iso-8859-1?Q?=FC?=\r\n\t=?utf-8?B?Yg==?=", "aüb"),
        ("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"),
        ("=?utf-8?Q?a?= and =?utf-8?Q?b?=", "a and b"),
        ("=?utf-8?Q?a_?= =?utf-8?Q?b?=", "a b"),
        ("(=?utf-8?Q?a?=)", "(a)"),
    ]);
}

#[test]
fn a_character_cut_in_two() {
    check(&[
        ("=?utf-8?Q?caf=C3?= =?UTF-8?Q?=A9?=", "café"),
        ("=?utf-8?B?5pel5pw=?=\r\n =?utf-8?B?rOiqng==?=", "日本語"),
        ("=?Shift_JIS?Q?=83?= =?shift_jis?Q?n?=", "ハ"),
    ]);
}

#[test]
fn go_guerrilla_lost_or_kept_these() {
    check(&[
        ("=?utf-8?Q?x?= a=b", "x a=b"),
        ("=?utf-8?Q?x?= a=", "x a="),
        ("=?utf-8?Q?x?= a=?", "x a=?"),
        ("x=y =?utf-8?Q?z?= w", "x=y z w"),
        ("a ==?utf-8?Q?x?= b", "a =x b"),
        ("=?utf-8?Q?what?_really??=", "what? really?"),
        ("=?utf-8?B?YQ?=", "a"),
        ("=?utf-8?B?YWI?=", "ab"),
        ("=?utf-8?B?YQ==Yg==?=", "ab"),
    ]);
}

#[test]
fn what_is_no_encoded_word_stays() {
    for text in [
        "=?",
        "=??=",
        "=??Q?x?=",
        "=?utf-8?",
        "=?utf-8?Q",
        "=?utf-8?Q?",
        "=?utf-8?Q?x",
        "=?utf-8?Q?x?",
        "=?utf-8?X?x?=",
        "=?utf-8?QQ?x?=",
        "=?utf-8?B?*?=",
        "=?ut f?Q?x?=",
        "=?x-unknown?Q?=FF?=",
        "1 =? 2 ?= 3",
    ] {
        assert_eq!(decode(text.as_bytes()), text);
    }
    check(&[
        ("=?utf-8?Q?lost end =?utf-8?Q?found?=", "=?utf-8?Q?lost end found"),
        ("=?=?utf-8?Q?x?=", "=?x"),
        ("=?utf-8?B?*?= =?utf-8?Q?y?=", "=?utf-8?B?*?= y"),
        ("=?x-unknown?Q?only_ascii?=", "only ascii"),
        ("=?utf-8?Q?100=_=ZZ=4?=", "100= =ZZ=4"),
    ]);
}

#[test]
fn raw_and_broken_bytes() {
    assert_eq!(decode(b"caf\xe9 \x80 5"), "café € 5");
    assert_eq!(decode(b"caf\xe9 =?utf-8?Q?=C3=A9?= \xc3\xa9"), "café é é");
    assert_eq!(decode(b"=?utf-8?Q?a=FFb?="), "a\u{fffd}b");
    assert_eq!(decode(b"=?utf-8?Q?raw \xc3\xa9?="), "raw é");
}

#[test]
fn one_line_without_control_characters() {
    assert_eq!(decode(b"=?utf-8?Q?a=0D=0AX-Evil:_b=00=1B[31m?="), "a  X-Evil: b  [31m");
    assert_eq!(decode(b"a\x00b\x7fc"), "a b c");
    assert_eq!(decode("a\u{85}b\u{2028}c".as_bytes()), "a b c");
}

/// The charset decoders come from elsewhere: none may panic, whatever it is fed.
#[test]
fn no_charset_panics_on_short_input() {
    let charsets = [
        "shift_jis",
        "iso-2022-jp",
        "euc-jp",
        "euc-kr",
        "gb18030",
        "gbk",
        "big5",
        "utf-7",
        "utf-16",
        "utf-16be",
        "utf-16le",
        "windows-874",
        "ibm866",
        "x-mac-cyrillic",
        "x-user-defined",
        "iso-2022-kr",
        "hz-gb-2312",
        "windows-1252",
        "macintosh",
        "koi8-u",
        "ibm850",
        "tis-620",
    ];
    let heads = [
        0x00, 0x1b, b'$', b'(', b'+', b'-', b'?', b'A', 0x7f, 0x80, 0x81, 0x8e, 0x8f, 0xa1, 0xfe,
        0xff,
    ];
    for charset in charsets {
        for first in 0..=255u8 {
            super::to_text(charset.as_bytes(), vec![first]);
            for second in heads {
                super::to_text(charset.as_bytes(), vec![first, second]);
                for third in heads {
                    super::to_text(charset.as_bytes(), vec![first, second, third]);
                }
            }
        }
    }
}

/// Sixteen times the input takes sixteen times as long; a quadratic decoder would take 256 times as long. The
/// fastest of many runs counts, and the processor's time of this thread alone: a busy machine interrupts each of the long runs.
#[test]
fn linear_in_time_on_hostile_input() {
    const SMALL: usize = 1 << 10;
    const TIMES: usize = 16;
    for unit in HOSTILE {
        for tail in ["", "?="] {
            let fill = |size: usize| unit.repeat(size / unit.len()) + tail;
            let (small, large) = (fill(SMALL), fill(SMALL * TIMES));
            let (mut short, mut long) = (Duration::MAX, Duration::MAX);
            let is_linear = (0..20).any(|_| {
                short = short.min(time(&small));
                long = long.min(time(&large));
                long < short * 64
            });
            assert!(
                is_linear,
                "{unit:?} {tail:?}: {short:?}, and {long:?} for {TIMES} times as much"
            );
        }
    }
}

fn time(value: &str) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let start = now();
    std::hint::black_box(decode(std::hint::black_box(value.as_bytes())));
    now() - start
}

/// What such input repeats: words and halves of words.
const HOSTILE: [&str; 20] = [
    "=?",
    "=?=",
    "?=",
    "=??",
    "=?a",
    "=?a?q?",
    "=?a?q?x",
    "=?a?b?*?",
    "=?a?q??",
    "=?utf-8?q?=",
    "\r\n ",
    "=?utf-8?q?x?=",
    "=?utf-8?q?x?= ",
    "=?a?q?=FF?=",
    "=?utf-8?q?x?= =?koi8-r?q?x?= ",
    " ",
    "=",
    "=?a?b?*?=",
    "=?utf-8?b?YQ?=",
    "x=?a?q?x?",
];
