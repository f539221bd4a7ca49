//! A reload that somebody asks for and waits for, as SIGHUP does it.

use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::state::Daemon;

/// Somebody waits for a reload. Dropped without an answer it says that the daemon is ending.
#[derive(Debug)]
pub(crate) struct Request(oneshot::Sender<Outcome>);

/// What has changed, or the problems.
type Outcome = Result<Reloaded, String>;

/// A reload that was done.
#[derive(Debug, Default)]
pub(crate) struct Reloaded {
    /// What has changed.
    pub(crate) changes: Vec<String>,
    /// What is odd about the configuration, or takes no effect.
    pub(crate) warnings: Vec<String>,
}

impl Request {
    /// Tells how it has ended.
    pub(crate) fn answer(self, outcome: Outcome) {
        // Whoever has asked may have gone.
        let _ = self.0.send(outcome);
    }
}

/// Where requests go.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Option<mpsc::Sender<Request>>>);

impl Requests {
    /// They go to the receiver from now on.
    pub(crate) fn taken(&self) -> mpsc::Receiver<Request> {
        let (sender, receiver) = mpsc::channel(MOST);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    fn sender(&self) -> Option<mpsc::Sender<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// 200 with the changes and warnings, 409 with the problems, 503 when nobody can do it.
pub(super) async fn reload(State(daemon): State<Daemon>) -> Response {
    let Some(sender) = daemon.requests.sender() else {
        let why = "the program that this daemon is part of reloads it itself\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let (answer, outcome) = oneshot::channel();
    if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(Request(answer)) {
        let why = "too many wait for a reload already\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    }
    match outcome.await {
        Ok(Ok(Reloaded { changes, warnings })) => {
            Json(json!({ "done": true, "changes": changes, "warnings": warnings })).into_response()
        }
        Ok(Err(why)) => {
            let problems: Vec<&str> = why.lines().collect();
            let body = Json(json!({ "done": false, "problems": problems }));
            (StatusCode::CONFLICT, body).into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is ending\n").into_response(),
    }
}

/// Who may wait.
const MOST: usize = 16;
