//! The page for people: plain files that are part of the program, so that nothing is fetched from elsewhere and it works
//! without a network. All figures come from `/status` and `/messages`.
//!
//! *Trust*: what it shows of messages is strangers' text. The page makes text of it, never markup, and the policy that goes
//! with each file lets a browser run nothing but these files.

use axum::Router;
use axum::extract::Query;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::state::Daemon;

/// Path, type and content.
type File = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

const FILES: [File; 8] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/style.css", CSS, include_str!("page/style.css")),
    ("/page/main.js", JS, include_str!("page/main.js")),
    ("/page/dom.js", JS, include_str!("page/dom.js")),
    ("/page/chart.js", JS, include_str!("page/chart.js")),
    ("/page/figures.js", JS, include_str!("page/figures.js")),
    ("/page/tables.js", JS, include_str!("page/tables.js")),
    ("/page/messages.js", JS, include_str!("page/messages.js")),
];

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files, and what they ask for beside the status.
pub(super) fn routes() -> Router<Daemon> {
    let files = FILES.into_iter().fold(Router::new(), |routes, (path, kind, content)| {
        routes.route(path, get(move || async move { file(kind, content) }))
    });
    files.route("/messages", get(messages))
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let fields = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (fields, content).into_response()
}

/// Which messages.
#[derive(Debug, Deserialize)]
struct Wanted {
    /// Text that occurs in them.
    #[serde(default)]
    q: String,
    #[serde(default = "usual")]
    limit: usize,
}

fn usual() -> usize {
    100
}

/// The last messages as JSON.
async fn messages(
    State(daemon): State<Daemon>,
    Query(Wanted { q, limit }): Query<Wanted>,
) -> Response {
    let found = daemon.shown.recent.search(&q, limit);
    let found: Vec<_> = found.iter().map(|message| &**message).collect();
    let fields = [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (CACHE_CONTROL, "no-store")];
    (fields, axum::Json(found)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy would stop them anyway; then the page would be broken.
    #[test]
    fn nothing_is_inline_and_nothing_is_from_elsewhere() {
        for (path, kind, content) in FILES {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!content.contains(word), "{path}: {word}");
            }
            let addresses = content.matches("http").count();
            // The name of SVG, which nobody fetches.
            let known = content.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(addresses, known, "{path}");
            if kind == HTML {
                for word in ["style=", "onclick", "<style", "<script>"] {
                    assert!(!content.contains(word), "{path}: {word}");
                }
            }
        }
    }

    #[test]
    fn every_file_that_is_asked_for_is_there() {
        let there = |name: &str| FILES.iter().any(|(path, ..)| *path == format!("/page/{name}"));
        for (path, _, content) in FILES {
            let imports = content.lines().filter_map(|line| line.split(" from \"./").nth(1));
            for name in imports.filter_map(|rest| rest.split('"').next()) {
                assert!(there(name), "{path} imports {name}");
            }
        }
    }
}
