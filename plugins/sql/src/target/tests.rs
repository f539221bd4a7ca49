use std::path::Path;

use super::*;

fn target(json: serde_json::Value) -> Result<Target, String> {
    Target::new(&serde_json::from_value(json).unwrap())
}

#[test]
fn a_url_names_its_driver() {
    for (dsn, driver) in [
        ("mysql://u@h/d", Driver::MySql),
        ("mariadb://u@h/d", Driver::MySql),
        ("postgresql://u@h/d", Driver::Postgres),
        ("u@tcp(h)/d", Driver::MySql),
        ("root:pw@tcp(127.0.0.1:3306)/gmail?charset=utf8", Driver::MySql),
        ("u@unix(/run/my.sock)/d", Driver::MySql),
        ("sqlite:/var/lib/a=b@c.db", Driver::Sqlite),
    ] {
        let target = target(serde_json::json!({ "sql_dsn": dsn })).unwrap();
        assert_eq!(target.driver(), driver, "{dsn}");
    }
    let go = target(serde_json::json!({ "sql_dsn": "u@tcp(h)/d", "sql_driver": "mysql" })).unwrap();
    assert_eq!(go.driver(), Driver::MySql);
}

#[test]
fn a_mistake_in_an_address_is_no_file() {
    for dsn in [
        "host=127.0.0.1 user=u password=hunter2",
        "root:hunter2@127.0.0.1:3306/gmail",
        "root:hunter2@/gmail",
        "server=h;pwd=hunter2",
        "mysqlx://root:hunter2/gmail",
        "file:mail.db",
        "sqlite:mail.db?mode=rwc",
        "sqlite:///var/lib/mail.db?mode=ro",
    ] {
        let error = target(serde_json::json!({ "sql_dsn": dsn })).err().unwrap_or_default();
        assert!(error.starts_with("sql_dsn: ") && !error.contains("hunter2"), "{dsn}: {error}");
    }
    // Who says so may have any name.
    let named = target(serde_json::json!({ "sql_dsn": "a=b@c.db", "sql_driver": "sqlite" }));
    assert_eq!(named.unwrap().driver(), Driver::Sqlite);
}

#[test]
fn the_log_says_where_without_secrets() {
    for (dsn, says) in [
        ("root:hunter2@tcp(db.example:3307)/mail", "mysql db.example:3307/mail"),
        ("root:hunter2@unix(/run/my.sock)/mail", "mysql /run/my.sock/mail"),
        ("postgres://root:hunter2@db.example/mail", "postgres db.example:5432/mail"),
        ("/var/lib/mail.db", "sqlite /var/lib/mail.db"),
    ] {
        assert_eq!(target(serde_json::json!({ "sql_dsn": dsn })).unwrap().to_string(), says);
    }
    let here = std::env::current_dir().unwrap().join("guerrillad.sqlite");
    let default = target(serde_json::json!({})).unwrap().to_string();
    assert_eq!(default, format!("sqlite {}", here.display()));
}

#[test]
fn an_authority_means_that_it_is_asked_for() {
    let with_ca = |dsn: &str| {
        let config = serde_json::json!({ "sql_dsn": dsn, "sql_ca_file": "/etc/ca.pem" });
        match target(config).unwrap() {
            Target::MySql(options) => format!("{:?}", options.get_ssl_mode()),
            Target::Postgres(options) => format!("{:?}", options.get_ssl_mode()),
            Target::Sqlite(_) => "none".to_owned(),
        }
    };
    assert_eq!(with_ca("mysql://u@h/d"), "VerifyIdentity");
    assert_eq!(with_ca("mysql://u@h/d?ssl-mode=VERIFY_CA"), "VerifyCa");
    assert_eq!(with_ca("postgres://u@h/d"), "VerifyFull");
    assert_eq!(with_ca("postgres://u@h/d?sslmode=verify-ca"), "VerifyCa");
}

#[test]
fn errors_never_show_the_password() {
    for (driver, dsn) in [
        ("mysql", "root:hunter2@tcp(h"),
        ("mysql", "root:hunter2"),
        ("mysql", "mysql://root:hunter2@h:hunter2/d"),
        ("postgres", "postgres://root:hunter2@h:port/d"),
        ("postgres", "postgres://root:hunter2@h/d?sslmode=hunter2"),
        ("postgres", "host=h user=root password=hunter2"),
        ("mysql", "postgres://root:hunter2@h/d"),
        ("sqlite", "mysql://root:hunter2@h/d"),
    ] {
        let error =
            target(serde_json::json!({ "sql_driver": driver, "sql_dsn": dsn })).err().unwrap();
        assert!(error.starts_with("sql_dsn: ") && !error.contains("hunter2"), "{dsn}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(
        target(serde_json::json!({ "sql_driver": "mysql" })).err().unwrap().contains("is missing")
    );
}

#[test]
fn sqlite_is_a_file() {
    for dsn in ["/var/lib/mail.db", "sqlite:/var/lib/mail.db", "sqlite:///var/lib/mail.db"] {
        match target(serde_json::json!({ "sql_dsn": dsn })).unwrap() {
            Target::Sqlite(options) => {
                let shown = format!("{options:?}");
                assert!(shown.contains(r#""synchronous": Some("FULL")"#), "{shown}");
                assert_eq!(options.get_filename(), Path::new("/var/lib/mail.db"))
            }
            _ => panic!("{dsn}"),
        }
    }
    assert!(matches!(target(serde_json::json!({})).unwrap(), Target::Sqlite(_)));
    for memory in ["sqlite::memory:", "", "sqlite:"] {
        assert!(target(serde_json::json!({ "sql_dsn": memory })).is_err(), "{memory}");
    }
}
