//! The DSN syntax of Go's MySQL driver: `[user[:password]@][net[(addr)]]/dbname[?param=value&...]`.
//!
//! As in that driver the last slash separates the database, the last `@` before it ends the password, and the password may
//! contain anything. The parameters `tls` and `time_zone` count; the others steer Go's driver, or its character set, which is
//! always utf8mb4 here, and are let pass.
//!
//! Never: nothing of the DSN stands in an error but the names of parameters, for any part may hold the password.
#![forbid(unsafe_code)]

/// A DSN, taken apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GoDsn {
    /// The user; may be empty.
    pub user: String,
    /// The password, if there is a colon behind the user.
    pub password: Option<String>,
    /// Where the server is; `127.0.0.1:3306` when left out.
    pub address: Address,
    /// The database; may be empty.
    pub database: String,
    /// The parameter `tls`, as it was given.
    pub tls: Option<String>,
    /// The parameter `time_zone`, without its quotes.
    pub time_zone: Option<String>,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host, name or address, and a port.
    Tcp(String, u16),
    /// The path of a socket.
    Unix(String),
}

impl GoDsn {
    /// Takes a DSN apart.
    ///
    /// # Errors
    /// When it is none; the error does not repeat it.
    pub fn parse(dsn: &str) -> Result<Self, BadDsn> {
        let (before, after) = dsn.rsplit_once('/').ok_or(BadDsn::NoSlash)?;
        // Only what stands behind the last slash is searched for parameters, so one with a slash in it is written %2F.
        let (database, parameters) = after.split_once('?').unwrap_or((after, ""));
        let (login, place) = before.rsplit_once('@').unwrap_or(("", before));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (login, None),
        };
        let mut parsed = Self {
            user: user.to_owned(),
            password,
            address: Address::parse(place)?,
            database: decoded(database).ok_or(BadDsn::Escape)?,
            ..Self::default()
        };
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            parsed.set(parameter)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, parameter: &str) -> Result<(), BadDsn> {
        let (name, value) = parameter.split_once('=').ok_or(BadDsn::NoValue)?;
        let value = || decoded(value).ok_or(BadDsn::Escape);
        match name {
            "tls" => self.tls = Some(value()?),
            "time_zone" => self.time_zone = Some(value()?.trim_matches('\'').to_owned()),
            _ => {}
        }
        Ok(())
    }
}

impl Address {
    fn parse(place: &str) -> Result<Self, BadDsn> {
        let (net, address) = match place.split_once('(') {
            Some((net, rest)) => (net, rest.strip_suffix(')').ok_or(BadDsn::Parenthesis)?),
            None => (place, ""),
        };
        match net {
            "" | "tcp" | "tcp4" | "tcp6" => Self::parse_tcp(address),
            "unix" if address.is_empty() => Ok(Self::Unix("/tmp/mysql.sock".to_owned())),
            "unix" => Ok(Self::Unix(address.to_owned())),
            _ => Err(BadDsn::Network),
        }
    }

    fn parse_tcp(address: &str) -> Result<Self, BadDsn> {
        if address.is_empty() {
            return Ok(Self::default());
        }
        let whole = |host: &str| Ok(Self::Tcp(host.to_owned(), PORT));
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => match rest.split_once(']').ok_or(BadDsn::Parenthesis)? {
                (host, "") => return whole(host),
                (host, port) => (host, port.strip_prefix(':').ok_or(BadDsn::Port)?),
            },
            None => match address.rsplit_once(':') {
                Some((host, port)) => (host, port),
                None => return whole(address),
            },
        };
        Ok(Self::Tcp(host.to_owned(), port.parse().map_err(|_| BadDsn::Port)?))
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::Tcp("127.0.0.1".to_owned(), PORT)
    }
}

/// What is wrong with a DSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDsn {
    /// No database is named.
    #[error(
        "has no slash before the name of the database, as in user:password@tcp(host:3306)/database"
    )]
    NoSlash,
    /// The address is not closed.
    #[error(
        "has an address that is not closed: write tcp(host:3306), tcp([::1]:3306) or unix(/path)"
    )]
    Parenthesis,
    /// Neither `tcp` nor `unix`.
    #[error("names no network that is known here: write tcp(host:3306) or unix(/path)")]
    Network,
    /// The port is no number.
    #[error("has a port that is no number from 0 to 65535")]
    Port,
    /// A parameter has no value.
    #[error("has a parameter without a value: write ?name=value")]
    NoValue,
    /// A `%` that escapes nothing.
    #[error("has a % that is not followed by two hexadecimal digits, or that makes no UTF-8")]
    Escape,
}

/// A text with its `%xx` decoded.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        out.push((digit(high)? * 16 + digit(low)?) as u8);
        rest = tail;
    }
    String::from_utf8(out).ok()
}

const PORT: u16 = 3306;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(dsn: &str) -> GoDsn {
        GoDsn::parse(dsn).unwrap_or_else(|e| panic!("{dsn}: {e}"))
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    #[test]
    fn what_go_programs_write() {
        let usual =
            parsed("root:ok@tcp(127.0.0.1:3306)/gmail_mail?readTimeout=10s&writeTimeout=10s");
        assert_eq!((usual.user.as_str(), usual.password.as_deref()), ("root", Some("ok")));
        assert_eq!(
            (usual.address, usual.database.as_str()),
            (tcp("127.0.0.1", 3306), "gmail_mail")
        );
        assert_eq!(parsed("/").address, tcp("127.0.0.1", 3306));
        assert_eq!(parsed("u@/db").password, None);
        assert_eq!(parsed("u:@tcp(db)/x").password.as_deref(), Some(""));
        assert_eq!(parsed("u@tcp([2001:db8::1]:3307)/x").address, tcp("2001:db8::1", 3307));
        assert_eq!(parsed("u@tcp([::1])/x").address, tcp("::1", 3306));
        assert_eq!(parsed("u@unix(/run/my.sock)/x").address, Address::Unix("/run/my.sock".into()));
        assert_eq!(parsed("u@tcp/x").address, tcp("127.0.0.1", 3306));
        let more =
            parsed("u@tcp(h:1)/a%2Fb?tls=skip-verify&charset=utf8mb4,utf8&time_zone=%27UTC%27");
        assert_eq!((more.database.as_str(), more.tls.as_deref()), ("a/b", Some("skip-verify")));
        assert_eq!(more.time_zone.as_deref(), Some("UTC"));
    }

    #[test]
    fn passwords_may_contain_anything() {
        for password in ["p@ss", "p:ss", "p/ss", "p(s)s", "p?s=s", "%", "@tcp(x)"] {
            let dsn = parsed(&format!("user:{password}@unix(/run/my.sock)/db"));
            assert_eq!(dsn.password.as_deref(), Some(password));
            assert_eq!(dsn.address, Address::Unix("/run/my.sock".into()), "{password}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_dsn() {
        for (dsn, why) in [
            ("root:hunter2@tcp(127.0.0.1:3306)", BadDsn::NoSlash),
            ("root:hunter2@tcp(127.0.0.1:3306/db", BadDsn::Parenthesis),
            ("root:hunter2@udp(127.0.0.1:3306)/db", BadDsn::Network),
            ("root:hunter2@tcp(127.0.0.1:port)/db", BadDsn::Port),
            ("root:hunter2@tcp(127.0.0.1:70000)/db", BadDsn::Port),
            ("root:hunter2@tcp(h)/db?tls", BadDsn::NoValue),
            ("root:hunter2@tcp(h)/db?tls=%zz", BadDsn::Escape),
        ] {
            let error = GoDsn::parse(dsn).err().unwrap();
            assert_eq!(error, why, "{dsn}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            let _ = GoDsn::parse(&text);
        }

        #[test]
        fn the_parts_come_out_as_they_went_in(
            user in "[a-z]{1,8}", password in "[ -~]{0,12}", host in "[a-z.]{1,12}",
            port in 0u16.., database in "[a-z_]{0,8}",
        ) {
            let dsn = parsed(&format!("{user}:{password}@tcp({host}:{port})/{database}"));
            prop_assert_eq!(dsn.user, user);
            prop_assert_eq!(dsn.password, Some(password));
            prop_assert_eq!(dsn.address, tcp(&host, port));
            prop_assert_eq!(dsn.database, database);
        }
    }
}
