//! Other people's pages in a browser on this machine reach a port of loopback, too. What they may not:
//!
//! - read anything: a name of theirs that they let point to 127.0.0.1 (DNS rebinding) makes their page one with ours for
//!   the browser, but the `Host` field tells the name;
//! - have anything done (CSRF): that takes a POST with a field of its own, which a browser lets no page of another origin
//!   send without asking us first, and we never agree. `Origin` and `Sec-Fetch-Site` must not name others either.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

/// The field that a request must have that does something.
pub(crate) const FIELD: &str = "x-guerrillad";

/// Lets only those through who have come for us.
pub(super) fn against_other_pages(routes: Router) -> Router {
    routes.layer(middleware::from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    match refusal(request.method(), request.headers()) {
        None => next.run(request).await,
        Some((status, why)) => (status, format!("{why}\n")).into_response(),
    }
}

fn refusal(method: &Method, fields: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let field = |name: &str| fields.get(name).map(|value| value.to_str().unwrap_or("?"));
    // HTTP/1.0 does without.
    let host = field(header::HOST.as_str());
    if !host.is_none_or(is_ours) {
        let why = "the Host field names neither localhost nor an address of loopback";
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    }
    let foreign_site =
        field("sec-fetch-site").is_some_and(|s| !matches!(s, "same-origin" | "none"));
    let foreign_origin = field(header::ORIGIN.as_str()).is_some_and(|origin| {
        origin.strip_prefix("http://").is_none_or(|origin| Some(origin) != host)
    });
    if foreign_site || foreign_origin {
        return Some((StatusCode::FORBIDDEN, "the request comes from another page"));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    (!reads && field(FIELD).is_none())
        .then_some((StatusCode::FORBIDDEN, "the field X-Guerrillad is missing"))
}

/// `localhost`, `127.0.0.1` or `[::1]`, perhaps with a port.
fn is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, fields: &[(&'static str, &'static str)]) -> Option<u16> {
        let fields = fields.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
        });
        refusal(&method, &fields.collect()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_name_that_points_here_is_not_ours() {
        for ours in ["localhost:9925", "127.0.0.1:9925", "[::1]:9925", "LOCALHOST", "127.9.9.9"] {
            assert_eq!(asked(Method::GET, &[("host", ours)]), None, "{ours}");
        }
        for other in ["evil.example:9925", "127.0.0.1.evil.example", "192.0.2.1", "", "[evil]", "0"]
        {
            assert_eq!(asked(Method::GET, &[("host", other)]), Some(421), "{other}");
        }
    }

    #[test]
    fn another_page_has_nothing_done() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:9925");
        assert_eq!(asked(Method::POST, &[HOST]), Some(403));
        assert_eq!(asked(Method::POST, &[HOST, (FIELD, "1")]), None);
        for other in
            ["http://evil.example", "http://127.0.0.1:80", "https://127.0.0.1:9925", "null"]
        {
            assert_eq!(asked(Method::POST, &[HOST, (FIELD, "1"), ("origin", other)]), Some(403));
        }
        let own = ("origin", "http://127.0.0.1:9925");
        assert_eq!(asked(Method::POST, &[HOST, own, (FIELD, "1")]), None);
        for (site, status) in [("cross-site", Some(403)), ("same-site", Some(403)), ("none", None)]
        {
            assert_eq!(asked(Method::GET, &[HOST, ("sec-fetch-site", site)]), status);
        }
    }
}
