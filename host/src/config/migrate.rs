//! Old and stale keys of go-guerrilla made today's.
//!
//! The file is rewritten as JSON, in its own order; what is not understood stays as it is. Every change is told with its
//! reason, without values: one may be a password.

use super::json::Json;
use super::problem::Problem;
use super::vocabulary::{EXTENSIONS, SERVER, TOP};
use object::Object;

mod backend;
mod object;
mod tls;

/// A file in today's keys, and what was changed.
///
/// # Errors
/// The text is no JSON.
pub(crate) fn migrate(text: &str) -> Result<(Json, Vec<Problem>), Problem> {
    let mut file = match Json::parse(text)? {
        Json::Object(members) => Object::of(members),
        other => return Ok((other, Vec::new())),
    };
    file.spell(&TOP);
    hosts(&mut file);
    verbose(&mut file);
    let why = "removed: processors are named in backend_config.save_process, and no other key chooses any";
    file.remove("backend_name", why);
    mail_host(&mut file);
    file.each("servers", server);
    file.within("backend_config", backend::migrate);
    Ok(file.finish())
}

/// Up to go-guerrilla 1.5.1 a string with commas.
fn hosts(file: &mut Object) {
    if let Some(Json::Text(hosts)) = file.get("allowed_hosts") {
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        let hosts = hosts.map(|host| Json::Text(host.to_owned())).collect();
        file.set("allowed_hosts", Json::List(hosts));
        file.note("allowed_hosts", "made a list: it was a string with commas");
    }
}

fn verbose(file: &mut Object) {
    let level = file.get("log_level").is_some();
    match file.get("verbose") {
        Some(Json::Bool(true)) if !level => {
            let debug = vec![("log_level".to_owned(), Json::Text("debug".to_owned()))];
            file.replace("verbose", debug, "is \"log_level\": \"debug\" now");
        }
        _ => file.remove("verbose", "removed: log_level says how much is logged"),
    }
}

/// Before there was a `backend_config` it stood at the top.
fn mail_host(file: &mut Object) {
    let Some(host) = file.get("primary_mail_host").cloned() else { return };
    let mut moved = false;
    file.within("backend_config", |backend| {
        if backend.get("primary_mail_host").is_none() {
            backend.push("primary_mail_host", host.clone());
            moved = true;
        }
    });
    if moved {
        file.remove("primary_mail_host", "moved into backend_config");
    } else if file.get("backend_config").is_some() {
        file.remove("primary_mail_host", "removed: the one in backend_config counts");
    } else {
        // Without a backend_config messages are logged, with one only if it says so.
        let members = vec![
            ("primary_mail_host".to_owned(), host),
            ("log_received_mails".to_owned(), Json::Bool(true)),
        ];
        let backend = vec![("backend_config".to_owned(), Json::Object(members))];
        file.replace("primary_mail_host", backend, "moved into backend_config");
    }
}

fn server(server: &mut Object) {
    server.spell(&SERVER);
    tls::gather(server);
    server.within("tls", tls::migrate);
    server.within("extensions", |extensions| extensions.spell(&EXTENSIONS));
    match server.get("proxyon") {
        Some(Json::Bool(true)) if server.get("proxy_protocol").is_none() => {
            let accept = vec![("proxy_protocol".to_owned(), Json::Text("accept".to_owned()))];
            let why = "is \"proxy_protocol\": \"accept\" now; name the proxy's network in trusted_proxies, \
                       nobody else but this machine is believed";
            server.replace("proxyon", accept, why);
        }
        _ => {
            server.remove("proxyon", "removed: proxy_protocol says whether a PROXY header is taken")
        }
    }
}

#[cfg(test)]
mod tests;
