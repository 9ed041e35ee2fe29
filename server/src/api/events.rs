//! A job's events as they happen: server-sent events whose ids are the events' numbers, so that a browser that was cut
//! off goes on where it was.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use domain::event::{EventKind, JobEvent};
use domain::ids::JobId;
use futures::Stream;
use futures::stream::unfold;
use serde::Deserialize;

use super::jobs::found;
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// How long a follower waits at most before it looks again: workers may live in other processes.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// `?after=N`, for those who cannot set a header.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct After {
    /// The last event seen.
    pub after: Option<i64>,
}

/// Where a follower is.
struct Follower {
    state: AppState,
    job: JobId,
    seen: i64,
    waiting: VecDeque<JobEvent>,
    ended: bool,
}

/// Follow a job: its events so far, then each as it happens; ends after the event of a final state.
#[utoipa::path(get, path = "/jobs/{id}/events", tag = "jobs", params(("id" = String, Path), After,
    ("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = JobEvent), (status = 404)))]
pub(crate) async fn follow(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let job = found(&state, &caller, &JobId(id)).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = match last.map(str::parse) {
        Some(Ok(seen)) => seen,
        Some(Err(_)) => return Err(ApiError::invalid("Last-Event-ID must be the number of an event")),
        None => query.after.unwrap_or(0),
    };
    let follower = Follower {
        state,
        job: job.id,
        seen,
        waiting: VecDeque::new(),
        ended: false,
    };
    let stream = unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        let message = Event::default().id(event.seq.to_string()).json_data(&event);
        let message = message.unwrap_or_else(|_| Event::default().comment("an event that cannot be written"));
        Some((Ok(message), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

impl Follower {
    async fn next(&mut self) -> Option<JobEvent> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.seen = event.seq;
                self.ended = matches!(&event.kind, EventKind::State { state, .. } if state.is_final());
                return Some(event);
            }
            if self.ended {
                return None;
            }
            // Registered before the look, so that nothing falls between the two.
            let wake = self.state.wake.clone();
            let woken = wake.wait();
            tokio::pin!(woken);
            match db::events::after(&self.state.db, &self.job, self.seen).await {
                Ok(events) if events.is_empty() => {
                    // Somebody who has seen the last event of an ended job asks again.
                    if self.is_over().await {
                        return None;
                    }
                    let _ = tokio::time::timeout(LOOK_EVERY, woken).await;
                }
                Ok(events) => self.waiting.extend(events),
                Err(error) => {
                    tracing::error!(job = %self.job, %error, "cannot read events; the follower will come back");
                    return None;
                }
            }
        }
    }

    async fn is_over(&self) -> bool {
        let job = db::jobs::get(&self.state.db, &self.job).await;
        let ended = matches!(job, Ok(Some(job)) if job.state.is_final());
        // An event written between the two looks is still to be told.
        ended
            && matches!(db::events::after(&self.state.db, &self.job, self.seen).await, Ok(events) if events.is_empty())
    }
}
