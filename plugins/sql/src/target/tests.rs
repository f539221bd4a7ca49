use super::*;

fn target(json: serde_json::Value) -> Result<Target, String> {
    Target::new(&serde_json::from_value(json).unwrap())
}

fn mysql(dsn: &str) -> MySqlConnectOptions {
    match target(serde_json::json!({ "sql_driver": "mysql", "sql_dsn": dsn, "sql_password": "x" }))
    {
        Ok(Target::MySql(options)) => options,
        other => panic!("{dsn}: {:?}", other.err()),
    }
}

#[test]
fn go_dsns_and_urls_come_to_the_same() {
    for dsn in [
        "u:p@tcp(db.example:3307)/mail",
        "mysql://u:p@db.example:3307/mail",
        "mariadb://u:p@db.example:3307/mail",
    ] {
        let options = mysql(dsn);
        let place = (
            options.get_host(),
            options.get_port(),
            options.get_username(),
            options.get_database(),
        );
        assert_eq!(place, ("db.example", 3307, "u", Some("mail")), "{dsn}");
    }
    let socket = mysql("u@unix(/run/my.sock)/mail");
    assert_eq!(socket.get_socket(), Some(&PathBuf::from("/run/my.sock")));
}

#[test]
fn tls_as_gos_driver_names_it() {
    for (tls, mode) in [
        ("", "Preferred"),
        ("?tls=preferred", "Preferred"),
        ("?tls=false", "Disabled"),
        ("?tls=skip-verify", "Required"),
        ("?tls=true", "VerifyIdentity"),
    ] {
        let options = mysql(&format!("u@tcp(h)/d{tls}"));
        assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{tls}");
    }
    let error =
        target(serde_json::json!({ "sql_driver": "mysql", "sql_dsn": "u@tcp(h)/d?tls=my" }));
    assert_eq!(error.err().unwrap(), "sql_dsn: tls must be true, false, skip-verify or preferred");
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
