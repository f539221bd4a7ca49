//! What the clients of one address and the daemon say to each other, line by line while they do.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

use super::state::Daemon;

/// Who is asked about.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    ip: IpAddr,
}

/// A text without an end; whoever has had enough closes the connection.
pub(super) async fn trace(
    State(daemon): State<Daemon>,
    Query(Wanted { ip }): Query<Wanted>,
) -> Response {
    let Some(mut lines) = daemon.shown.watchers.watch(ip) else {
        let why = "so many traces are going on that there is no place for another\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let mut first = Some(format!("-- waiting for clients from {}\n", ip.to_canonical()));
    let lines = stream::poll_fn(move |context| match first.take() {
        Some(line) => std::task::Poll::Ready(Some(Ok::<_, Infallible>(line))),
        None => lines.poll_recv(context).map(|line| line.map(Ok)),
    });
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (kind, Body::from_stream(lines)).into_response()
}
