//! `backend_config`.

use super::object::Object;
use crate::config::json::Json;
use crate::config::vocabulary::BACKEND;

pub(super) fn migrate(backend: &mut Object) {
    exact_first(backend);
    backend.spell(&BACKEND);
    for key in backend.keys() {
        backend.keep_one(&key);
    }
    for (old, new) in RENAMED {
        let Some(value) = backend.get(old).cloned() else { continue };
        if backend.get(new).is_some() {
            backend.remove(old, &format!("removed: {new} counts"));
        } else {
            backend.replace(old, vec![(new.to_owned(), value)], &format!("its name is {new} now"));
        }
    }
    mysql(backend);
}

/// Keys that have another name now.
const RENAMED: [(&str, &str); 3] = [
    ("save_processors", "save_process"),
    ("process_stack", "save_process"),
    ("validate_processors", "validate_process"),
];

/// The gateway minds the case of its keys as far as the exact spelling goes before all others.
fn exact_first(backend: &mut Object) {
    for key in backend.keys() {
        let other = BACKEND.find(&key).filter(|known| *known != key);
        if other.is_some_and(|known| backend.keys().iter().any(|key| key == known)) {
            backend.remove_exact(&key, "removed: the key in lower case counts");
        }
    }
}

/// Four keys became a data source name.
fn mysql(backend: &mut Object) {
    let present: Vec<&str> = MYSQL.into_iter().filter(|key| backend.get(key).is_some()).collect();
    let Some(first) = present.iter().copied().min_by_key(|key| backend.place(key)) else { return };
    let text = |key: &str| match backend.get(key) {
        Some(Json::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let [user, pass, host, db] = MYSQL.map(text);
    let has_dsn = backend.get("sql_dsn").is_some();
    for key in present.iter().filter(|key| **key != first || has_dsn) {
        backend.remove(key, if has_dsn { "removed: sql_dsn counts" } else { "moved into sql_dsn" });
    }
    if has_dsn {
        return;
    }
    let host = if host.is_empty() { "127.0.0.1:3306" } else { &host };
    let protocol = if host.starts_with('/') { "unix" } else { "tcp" };
    let secret = if pass.is_empty() { String::new() } else { format!(":{pass}") };
    let dsn = format!("{user}{secret}@{protocol}({host})/{db}");
    let mut with = vec![("sql_dsn".to_owned(), Json::Text(dsn))];
    if backend.get("sql_driver").is_none() {
        with.insert(0, ("sql_driver".to_owned(), Json::Text("mysql".to_owned())));
    }
    let why = "moved into sql_dsn; better put that into a file: \"sql_dsn\": {\"file\": ...}";
    backend.replace(first, with, why);
}

const MYSQL: [&str; 4] = ["mysql_user", "mysql_pass", "mysql_host", "mysql_db"];
