use super::*;
use crate::settings::Protocol;

fn settings() -> Settings {
    Settings { max_size: 1000, dsn: true, requiretls: true, prdr: true, ..Settings::default() }
}

fn mail(text: &str) -> Result<MailParameters<'_>, ParameterError> {
    MailParameters::parse(text, Offered { settings: &settings(), extensions: true, tls: true })
}

fn rcpt(text: &str) -> Result<RcptParameters<'_>, ParameterError> {
    RcptParameters::parse(text, Offered { settings: &settings(), extensions: true, tls: true })
}

#[test]
fn mail_parameters() {
    let text = "size=1000 BODY=8bitmime SMTPUTF8 REQUIRETLS RET=HDRS ENVID=a+2Bb PRDR";
    let all = mail(text).unwrap();
    assert_eq!(all.size, Some(1000));
    assert_eq!(all.body, Some(BodyType::EightBitMime));
    assert!(all.smtputf8 && all.requiretls && all.prdr);
    assert_eq!(all.ret, Some(Ret::Headers));
    assert_eq!(all.envid.unwrap().decode(), &b"a+b"[..]);
    assert_eq!(all.all.as_str(), text);
    assert_eq!(all.all.iter().count(), 7);
    assert_eq!(mail(""), Ok(MailParameters::default()));
}

#[test]
fn malformed_or_doubled() {
    for bad in [
        " ",
        " SIZE=1",
        "SIZE=1  BODY=7BIT",
        "=1",
        "SI_ZE=1",
        "-SIZE=1",
        "SIZE=",
        "SIZE",
        "SIZE=1=2",
        "SIZE=-1",
        "SIZE=+1",
        "SIZE=1k",
        "SIZE=000000000000000000001",
        "SIZE=1 SIZE=1",
        "BODY",
        "BODY=9BIT",
        "BODY=7BIT BODY=7BIT",
        "SMTPUTF8=1",
        "SMTPUTF8 SMTPUTF8",
        "RET=SOME",
        "ENVID=a=b",
        "ENVID=+zz",
        "REQUIRETLS=no",
        "ENVID=\u{7}",
    ] {
        assert_eq!(mail(bad), Err(ParameterError::Syntax), "{bad:?}");
    }
    assert_eq!(mail(&format!("ENVID={}", "x".repeat(101))), Err(ParameterError::Syntax));
}

#[test]
fn sizes_above_the_limit() {
    for size in ["1001", "18446744073709551615", "18446744073709551616", "99999999999999999999"] {
        assert_eq!(mail(&format!("SIZE={size}")), Err(ParameterError::TooBig), "{size}");
    }
}

#[test]
fn what_was_not_offered() {
    for unknown in ["X-Y=1", "AUTH=<>", "NOTIFY=NEVER", "HOLDFOR=3"] {
        assert_eq!(mail(unknown), Err(ParameterError::Unknown), "{unknown}");
    }
    let plain = Settings {
        size: false,
        smtputf8: false,
        binarymime: false,
        prdr: false,
        ..Settings::default()
    };
    for off in ["SIZE=1", "SMTPUTF8", "BODY=BINARYMIME", "RET=FULL", "REQUIRETLS", "PRDR"] {
        let offered = Offered { settings: &plain, extensions: true, tls: true };
        assert_eq!(MailParameters::parse(off, offered), Err(ParameterError::Unknown), "{off}");
    }
    let lmtp = Settings { protocol: Protocol::Lmtp, ..settings() };
    let lmtp = Offered { settings: &lmtp, extensions: true, tls: true };
    assert_eq!(MailParameters::parse("PRDR", lmtp), Err(ParameterError::Unknown));
    let clear = Offered { settings: &settings(), extensions: true, tls: false };
    assert_eq!(MailParameters::parse("REQUIRETLS", clear), Err(ParameterError::Unknown));
    let helo = Offered { settings: &settings(), extensions: false, tls: true };
    assert_eq!(MailParameters::parse("SIZE=1", helo), Err(ParameterError::Unknown));
}

#[test]
fn rcpt_parameters() {
    let both = rcpt("NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@c.d").unwrap();
    assert_eq!(both.notify, Some(Notify { success: true, failure: false, delay: true }));
    assert_eq!(both.orcpt.unwrap().address, "a+2Bb@c.d");
    assert_eq!(rcpt("NOTIFY=NEVER").unwrap().notify, Some(Notify::default()));
    assert!(rcpt("ORCPT=utf-8;j\u{f6}rg@b.c").is_ok());
    for bad in [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SUCCESS,",
        "NOTIFY=SOON",
        "ORCPT=a@b.c",
        "ORCPT=;a",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+b",
        "ORCPT=r f;a",
        "NOTIFY=NEVER NOTIFY=NEVER",
    ] {
        assert_eq!(rcpt(bad), Err(ParameterError::Syntax), "{bad}");
    }
    assert_eq!(rcpt("SIZE=1"), Err(ParameterError::Unknown));
}
