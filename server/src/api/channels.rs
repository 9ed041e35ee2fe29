//! Channels and releases: nothing reaches a channel without a verdict, and every move is in the log.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::{NewAnchor, NewRelease, UndoRelease};
use domain::ids::{ProjectId, ReleaseId};
use domain::names::ChannelName;
use domain::release::{Channel, Release, ReleaseAction, standing};
use serde::Deserialize;

use super::overrides::{self, Rests};
use super::{InProject, named, project, requests};
use crate::auth::caller::Caller;
use crate::db;
use crate::db::releases::{Move, Word};
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// The longest note, in characters.
const MAX_NOTE_CHARS: usize = 2000;

/// Channels of a project, with what they point at.
#[utoipa::path(get, path = "/channels", tag = "releases", params(InProject),
    responses((status = 200, body = Vec<Channel>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<Channel>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(db::releases::channels(&state.db, &project.id).await?))
}

/// One channel.
#[utoipa::path(get, path = "/channels/{name}", tag = "releases", params(("name" = String, Path), InProject),
    responses((status = 200, body = Channel), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<InProject>,
) -> Result<Json<Channel>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let channels = db::releases::channels(&state.db, &project.id).await?;
    let found = channels.into_iter().find(|channel| channel.name.as_str() == name);
    found.map(Json).ok_or_else(|| ApiError::not_found("channel", name))
}

/// Publish a model: moves the channel from the release that the publisher saw (`expected`) to a new one.
#[utoipa::path(post, path = "/channels/{name}/releases", tag = "releases", params(("name" = String, Path)),
    request_body = NewRelease, responses((status = 201, body = Release),
        (status = 403, description = "The caller's own job, or not the caller's to override"),
        (status = 409, description = "The channel moved in the meantime"),
        (status = 422, description = "The verdict forbids it")))]
pub(crate) async fn publish(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Json(new): Json<NewRelease>,
) -> Result<(StatusCode, Json<Release>), ApiError> {
    let channel = ChannelName::new(name)?;
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    requests::linkable(&state, &project.id, new.request.as_ref()).await?;
    check_note(&new.note)?;
    let model = db::models::get(&state.db, &new.model).await?;
    let model = model.filter(|model| model.project == project.id);
    let model = model.ok_or_else(|| ApiError::not_found("model", &new.model))?;
    let current = current(&state, &project.id, &channel, new.expected.as_ref()).await?;
    let channel = Channel {
        anchor: db::releases::anchor(&state.db, &project.id, &channel).await?,
        project: project.id,
        name: channel,
        current,
    };
    let rests = overrides::needed(&state, &caller, &model, &channel, new.override_reason.as_deref()).await?;
    let (word, overriding) = match &rests {
        Rests::Alone => (Word::None, None),
        Rests::Kept(word) => (Word::Kept(&word.id), Some(word)),
        Rests::Given(word) => (Word::Given(word), Some(word)),
    };
    let release = Release {
        id: ReleaseId(new_id(&state.clock)),
        project: channel.project,
        channel: channel.name,
        number: 0,
        model: model.id,
        previous_model: channel.current.map(|release| release.model),
        action: ReleaseAction::Publish,
        undoes: None,
        anchors: None,
        verdict: model.verdict.state,
        override_reason: overriding.map(|word| word.reason.clone()),
        override_by: overriding.map(|word| word.by.clone()),
        note: new.note,
        request: new.request,
        by: Some(caller.name.clone()),
        created_us: state.clock.now_us(),
    };
    let with = Move {
        expected: new.expected.as_ref(),
        by: Some(&caller.id),
        word,
    };
    moved(&state, &release, with).await
}

/// Put the previous model back.
#[utoipa::path(post, path = "/channels/{name}/undo", tag = "releases", params(("name" = String, Path)),
    request_body = UndoRelease, responses((status = 201, body = Release),
        (status = 409, description = "The channel moved in the meantime, or has no model before this one")))]
pub(crate) async fn undo(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Json(undo): Json<UndoRelease>,
) -> Result<(StatusCode, Json<Release>), ApiError> {
    let channel = ChannelName::new(name)?;
    let project = project(&state, &caller, named(undo.project.as_ref())).await?;
    check_note(&undo.note)?;
    let current = current(&state, &project.id, &channel, Some(&undo.expected)).await?;
    let current = current.ok_or_else(|| ApiError::conflict("the channel has no release to take back"))?;
    let log = db::releases::of_channel(&state.db, &project.id, &channel).await?;
    let Some((taken_back, previous)) = standing(log.iter()) else {
        return Err(ApiError::conflict(
            "this is the channel's first release: there is no model before it to go back to",
        ));
    };
    let (taken_back, previous) = (taken_back.id.clone(), previous.model.clone());
    let model = db::models::get(&state.db, &previous).await?;
    let model = model.ok_or_else(|| ApiError::internal(format!("release {} names a lost model", current.id)))?;
    let release = Release {
        id: ReleaseId(new_id(&state.clock)),
        project: project.id,
        channel,
        number: 0,
        model: previous,
        previous_model: Some(current.model),
        action: ReleaseAction::Undo,
        undoes: Some(taken_back),
        anchors: None,
        verdict: model.verdict.state,
        override_reason: None,
        override_by: None,
        note: undo.note,
        request: current.request,
        by: Some(caller.name.clone()),
        created_us: state.clock.now_us(),
    };
    let with = Move {
        expected: Some(&undo.expected),
        by: Some(&caller.id),
        word: Word::None,
    };
    moved(&state, &release, with).await
}

/// Pin the release that the channel's losses add up from. Harms of later releases are judged together from there on; the
/// log says who moved it.
#[utoipa::path(put, path = "/channels/{name}/anchor", tag = "releases", params(("name" = String, Path)),
    request_body = NewAnchor, responses((status = 200, body = Channel), (status = 404)))]
pub(crate) async fn anchor(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Json(new): Json<NewAnchor>,
) -> Result<Json<Channel>, ApiError> {
    let name = ChannelName::new(name)?;
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    check_note(&new.note)?;
    let missing = || ApiError::not_found("release of this channel", &new.release);
    let pinned = db::releases::get(&state.db, &new.release).await?;
    let pinned = pinned
        .filter(|release| release.project == project.id)
        .ok_or_else(missing)?;
    let moved = Release {
        id: ReleaseId(new_id(&state.clock)),
        channel: name.clone(),
        previous_model: None,
        action: ReleaseAction::Anchor,
        undoes: None,
        anchors: Some(new.release.clone()),
        override_reason: None,
        override_by: None,
        note: new.note.clone(),
        request: None,
        by: Some(caller.name.clone()),
        created_us: state.clock.now_us(),
        ..pinned
    };
    if !db::releases::pin_anchor(&state.db, &moved, Some(&caller.id)).await? {
        return Err(missing());
    }
    let channels = db::releases::channels(&state.db, &project.id).await?;
    let found = channels.into_iter().find(|channel| channel.name == name);
    found.map(Json).ok_or_else(|| ApiError::not_found("channel", name))
}

/// `?project=&channel=`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct ReleaseQuery {
    /// Project by name; `main` where absent.
    pub project: Option<String>,
    /// One channel only.
    pub channel: Option<String>,
}

/// The log of moves, newest first.
#[utoipa::path(get, path = "/releases", tag = "releases", params(ReleaseQuery),
    responses((status = 200, body = Vec<Release>)))]
pub(crate) async fn releases(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ReleaseQuery>,
) -> Result<Json<Vec<Release>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let releases = match query.channel.map(ChannelName::new).transpose()? {
        Some(channel) => db::releases::of_channel(&state.db, &project.id, &channel).await?,
        None => db::releases::list(&state.db, &project.id).await?,
    };
    Ok(Json(releases))
}

fn check_note(note: &str) -> Result<(), ApiError> {
    let n_chars = note.chars().count();
    if n_chars > MAX_NOTE_CHARS {
        return Err(ApiError::invalid(format!(
            "a note has at most {MAX_NOTE_CHARS} characters, got {n_chars}"
        )));
    }
    Ok(())
}

/// What the channel points at, if that is what the caller saw.
async fn current(
    state: &AppState,
    project: &ProjectId,
    channel: &ChannelName,
    expected: Option<&ReleaseId>,
) -> Result<Option<Release>, ApiError> {
    let current = db::releases::current(&state.db, project, channel).await?;
    if current.as_ref().map(|release| &release.id) == expected {
        Ok(current)
    } else {
        Err(lost(channel))
    }
}

async fn moved(state: &AppState, release: &Release, with: Move<'_>) -> Result<(StatusCode, Json<Release>), ApiError> {
    match db::releases::publish(&state.db, release, with).await? {
        Some(release) => {
            tracing::info!(channel = %release.channel, model = %release.model, release = %release.id, "a channel moved");
            state.wake.notify();
            Ok((StatusCode::CREATED, Json(release)))
        }
        None => Err(lost(&release.channel)),
    }
}

fn lost(channel: &ChannelName) -> ApiError {
    ApiError::conflict(format!(
        "{channel} moved since you looked; look at what it points at now and decide again"
    ))
}
