//! TLS: an object of its own since go-guerrilla 1.6, and names that are no longer offered.

use super::object::Object;
use crate::config::json::Json;
use crate::config::tls_names::{CIPHER_SUITES, CURVES, Names, VERSIONS, find};
use crate::config::vocabulary::{CERTIFICATE, TLS};

/// Moves what stood beside the other keys of a server into `tls`.
pub(super) fn gather(server: &mut Object) {
    let mut flat: Vec<String> = server.keys();
    flat.retain(|key| TLS.find(key).is_some());
    for key in flat {
        let Some(known) = TLS.find(&key) else { continue };
        let Some(value) = server.get(&key).cloned() else {
            server.remove(&key, "removed: null is as good as none");
            continue;
        };
        let is_object = matches!(server.get("tls"), Some(Json::Object(_)));
        if !is_object {
            let tls = Json::Object(vec![(known.to_owned(), value)]);
            server.replace(&key, vec![("tls".to_owned(), tls)], MOVED);
            continue;
        }
        let mut why = "removed: the one in tls counts";
        server.within("tls", |tls| {
            if tls.get(known).is_none() {
                tls.remove(known, "removed: null is as good as none");
                tls.push(known, value);
                why = MOVED;
            }
        });
        server.remove(&key, why);
    }
}

const MOVED: &str = "moved into the server's tls";

/// Takes out what is no longer offered.
pub(super) fn migrate(tls: &mut Object) {
    tls.spell(&TLS);
    tls.each("certificates", |pair| pair.spell(&CERTIFICATE));
    versions(tls);
    offered(tls, "ciphers", CIPHER_SUITES);
    offered(tls, "curves", CURVES);
}

fn versions(tls: &mut Object) {
    let Some(Json::List(mut names)) = tls.get("protocols").cloned() else { return };
    let mut raised = false;
    for name in &mut names {
        if let Json::Text(text) = name
            && find(VERSIONS, text) == Some(None)
        {
            *text = "tls1.2".to_owned();
            raised = true;
        }
    }
    if raised {
        tls.set("protocols", Json::List(names));
        tls.note("protocols", "raised to tls1.2: nothing older is offered");
    }
}

fn offered<T: Copy + PartialEq>(tls: &mut Object, key: &str, known: &Names<T>) {
    let Some(Json::List(names)) = tls.get(key).cloned() else { return };
    let is_gone = |name: &Json| match name {
        Json::Text(name) => matches!(find(known, name), Some(None)),
        _ => false,
    };
    let (gone, rest): (Vec<Json>, Vec<Json>) = names.into_iter().partition(is_gone);
    if gone.is_empty() {
        return;
    }
    let gone: Vec<String> = gone.iter().map(Json::describe).collect();
    let gone = gone.join(", ");
    if rest.is_empty() {
        tls.remove(
            key,
            &format!(
                "removed, so that the usual ones are offered: none of {gone} is safe any more"
            ),
        );
    } else {
        tls.set(key, Json::List(rest));
        tls.note(key, &format!("not offered any more and taken out: {gone}"));
    }
}
