//! Access logs, for whoever is about to read them: what was answered is to be in them.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::Admin;

/// A log that takes nothing for so long is left alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has every line written that is of an answer given before this call.
pub(super) async fn flush(State(admin): State<Admin>) -> Response {
    // A request is noted down by its worker right after its last byte has left, before that worker does anything else:
    // when all of them have done something else, each answer has its line.
    let (busy, mut all) = mpsc::channel::<()>(1);
    let asked = admin.0.workers.run_on_each(move |_| async move { drop(busy) });
    if asked.is_ok() {
        all.recv().await;
    }
    let files = admin.0.shared.observer.files.clone();
    let written = tokio::task::spawn_blocking(move || files.flush(PATIENCE)).await;
    match written {
        Ok(true) => "written\n".into_response(),
        _ => (StatusCode::GATEWAY_TIMEOUT, "not all of it could be written in time\n").into_response(),
    }
}
