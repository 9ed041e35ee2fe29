//! The front page in one call.

use axum::Json;
use axum::extract::{Query, State};
use domain::api::{LiveChannel, Overview};
use domain::job::JobState;

use super::{InProject, project};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// What is live, what runs, what waits for review, what is asked for.
#[utoipa::path(get, path = "/overview", tag = "overview", params(InProject),
    responses((status = 200, body = Overview)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Overview>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let mut channels = Vec::new();
    for channel in db::releases::channels(&state.db, &project.id).await? {
        let model = match &channel.current {
            Some(release) => db::models::get(&state.db, &release.model).await?,
            None => None,
        };
        let classes = model.map(|model| model.classes.into_iter().map(|class| class.name).collect());
        channels.push(LiveChannel {
            channel,
            classes: classes.unwrap_or_default(),
        });
    }
    let mut running = db::jobs::list(&state.db, &project.id, Some(JobState::Running)).await?;
    running.extend(db::jobs::list(&state.db, &project.id, Some(JobState::Queued)).await?);
    let to_review = db::jobs::to_review(&state.db, &project.id).await?;
    let mut requests = db::requests::list(&state.db, &project.id).await?;
    requests.retain(|request| request.closed_us.is_none());
    Ok(Json(Overview {
        project,
        channels,
        running,
        to_review,
        requests,
        now_us: state.clock.now_us(),
    }))
}
