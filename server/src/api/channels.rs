//! Channels and releases: nothing reaches a channel without a verdict, and every move is in the log.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::{NewAnchor, NewRelease, UndoRelease};
use domain::gate::verdict::{VerdictState, VerdictSummary};
use domain::ids::{ModelId, ProjectId, ReleaseId};
use domain::model::Model;
use domain::names::ChannelName;
use domain::people::Permission;
use domain::release::{Channel, Release, ReleaseAction};
use serde::Deserialize;

use super::{InProject, named, project, requests};
use crate::auth::caller::{Caller, forbidden};
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// The shortest reason for an override, and the longest note, in characters.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=1000;
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
    let reason = new.override_reason.as_deref();
    let verdict_reason = allowed(&model.verdict, reason)?;
    let current = current(&state, &project.id, &channel, new.expected.as_ref()).await?;
    let unproven = unproven(&state, &channel, &model, current.as_ref()).await?;
    let override_reason = match unproven {
        Some(why) => Some(given(reason, &why)?),
        None => verdict_reason,
    };
    if override_reason.is_some() {
        may_override(&state, &caller, &model).await?;
    }
    let release = Release {
        id: ReleaseId(new_id(&state.clock)),
        project: project.id,
        channel,
        number: 0,
        model: model.id,
        previous_model: current.map(|release| release.model),
        action: ReleaseAction::Publish,
        undoes: None,
        verdict: model.verdict.state,
        override_reason,
        note: new.note,
        request: new.request,
        by: Some(caller.name.clone()),
        created_us: state.clock.now_us(),
    };
    moved(&state, &caller, &release, new.expected.as_ref()).await
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
    let Some((taken_back, previous)) = standing(&log) else {
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
        verdict: model.verdict.state,
        override_reason: None,
        note: undo.note,
        request: current.request,
        by: Some(caller.name.clone()),
        created_us: state.clock.now_us(),
    };
    moved(&state, &caller, &release, Some(&undo.expected)).await
}

/// Pin the release that the channel's losses add up from. Harms of later releases are judged together from there on.
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
    if !db::releases::pin_anchor(&state.db, &project.id, &name, &new.release).await? {
        return Err(ApiError::not_found("release of this channel", &new.release));
    }
    tracing::info!(channel = %name, release = %new.release, by = %caller.name, "an anchor was pinned");
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

/// The publication that stands and the one before it, none where there is none before; `log` is newest first. An undo
/// takes back the publication that stood, so that undoing twice goes back twice.
fn standing(log: &[Release]) -> Option<(&Release, &Release)> {
    let mut stack: Vec<&Release> = Vec::new();
    for release in log.iter().rev() {
        match release.action {
            ReleaseAction::Publish => stack.push(release),
            ReleaseAction::Undo => drop(stack.pop()),
        }
    }
    let top = stack.pop()?;
    stack.pop().map(|before| (top, before))
}

/// Whether the verdict lets a model out, and for which reason it may go all the same.
fn allowed(verdict: &VerdictSummary, reason: Option<&str>) -> Result<Option<String>, ApiError> {
    if verdict.state == VerdictState::Pass {
        return Ok(None);
    }
    if verdict.structural_failure {
        return Err(verdict_forbids(format!(
            "{} A structural failure is never overridden.",
            verdict.sentence
        )));
    }
    let why = format!("the verdict is {}: {}", verdict.state.as_str(), verdict.sentence);
    given(reason, &why).map(Some)
}

/// What the verdict does not cover, if anything: what is live, the losses since the channel's anchor, or somebody else's
/// word on the limits. Each needs a reviewer's.
async fn unproven(
    state: &AppState,
    channel: &ChannelName,
    model: &Model,
    live: Option<&Release>,
) -> Result<Option<String>, ApiError> {
    if let Some(live) = live.filter(|live| !is_judged_against(model, &live.model)) {
        let live = &live.model;
        return Ok(Some(format!(
            "it was never measured against {live}, which is live on {channel}."
        )));
    }
    let job = db::jobs::get(&state.db, &model.job).await?;
    let spec = job
        .ok_or_else(|| ApiError::internal(format!("model {} names a lost job", model.id)))?
        .spec;
    // Small harms must not add up over releases.
    if let Some(anchor) = db::releases::anchor(&state.db, &model.project, channel).await? {
        let counted_from = spec.anchor.or(spec.baseline);
        if counted_from.as_ref() != Some(&anchor.model) && model.id != anchor.model {
            let anchor = &anchor.model;
            let why = format!("what it lost since {anchor}, the anchor of {channel}, was never counted.");
            return Ok(Some(why));
        }
    }
    // What its own makers' limits let pass was let pass by nobody else.
    let policy = &spec.policy;
    if policy.is_shipped() || db::policies::holds(&state.db, &model.project, policy).await? {
        return Ok(None);
    }
    let name = crate::error::shortened(&policy.name);
    Ok(Some(format!("it was judged by {name:?}, a policy of its job's own.")))
}

/// A verdict says that nothing of one baseline is harmed; of another live model it says nothing.
fn is_judged_against(model: &Model, live: &ModelId) -> bool {
    model.baseline.as_ref() == Some(live) || model.id == *live
}

/// A verdict is overridden by a reviewer who did not start the job: four eyes see more than two.
async fn may_override(state: &AppState, caller: &Caller, model: &Model) -> Result<(), ApiError> {
    let role = caller.role(&model.project);
    if !role.is_some_and(|role| role.permits(Permission::Override)) {
        return Err(forbidden(format!(
            "overriding a verdict needs the role {} in the project",
            Permission::Override.least_role()
        )));
    }
    if db::jobs::is_of(&state.db, &model.job, &caller.id).await? {
        return Err(ApiError::problem(
            StatusCode::FORBIDDEN,
            "own-override",
            "Not one's own to override",
            format!(
                "{} made or started the job behind this model; its verdict is overridden by a reviewer who did not",
                caller.name
            ),
        ));
    }
    Ok(())
}

/// The reason for an override, where there is a real one; `why` says what it has to outweigh.
fn given(reason: Option<&str>, why: &str) -> Result<String, ApiError> {
    let Some(reason) = reason.map(str::trim) else {
        return Err(verdict_forbids(format!(
            "{why} Publish it all the same only with a reason, which goes to the log"
        )));
    };
    let n_chars = reason.chars().count();
    if REASON_CHARS.contains(&n_chars) {
        return Ok(reason.to_owned());
    }
    Err(ApiError::invalid(format!(
        "a reason for an override has {} to {} characters, got {n_chars}",
        REASON_CHARS.start(),
        REASON_CHARS.end()
    )))
}

fn verdict_forbids(detail: String) -> ApiError {
    ApiError::problem(
        StatusCode::UNPROCESSABLE_ENTITY,
        "verdict",
        "The verdict forbids this release",
        detail,
    )
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

async fn moved(
    state: &AppState,
    caller: &Caller,
    release: &Release,
    expected: Option<&ReleaseId>,
) -> Result<(StatusCode, Json<Release>), ApiError> {
    match db::releases::publish(&state.db, release, expected, Some(&caller.id)).await? {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn release(id: &str, model: &str, action: ReleaseAction) -> Release {
        Release {
            id: ReleaseId(id.to_owned()),
            project: ProjectId("p".to_owned()),
            channel: ChannelName::new("production").unwrap(),
            number: 0,
            model: ModelId(model.to_owned()),
            previous_model: None,
            action,
            undoes: None,
            verdict: VerdictState::Pass,
            override_reason: None,
            note: String::new(),
            request: None,
            by: None,
            created_us: 0,
        }
    }

    #[test]
    fn undoing_twice_goes_back_twice() {
        let mut log = vec![
            release("3", "c", ReleaseAction::Publish),
            release("2", "b", ReleaseAction::Publish),
            release("1", "a", ReleaseAction::Publish),
        ];
        let next = |log: &[Release]| standing(log).map(|(top, before)| (top.id.0.clone(), before.model.0.clone()));
        assert_eq!(next(&log), Some(("3".to_owned(), "b".to_owned())));
        log.insert(0, release("4", "b", ReleaseAction::Undo));
        assert_eq!(next(&log), Some(("2".to_owned(), "a".to_owned())));
        log.insert(0, release("5", "a", ReleaseAction::Undo));
        assert_eq!(next(&log), None, "nothing before the first");
        log.insert(0, release("6", "d", ReleaseAction::Publish));
        assert_eq!(next(&log), Some(("6".to_owned(), "a".to_owned())));
    }

    #[test]
    fn a_verdict_is_overridden_only_with_a_reason_and_structure_never() {
        let verdict = |state, structural_failure| VerdictSummary {
            state,
            sentence: "Because.".to_owned(),
            sentence_zh: String::new(),
            structural_failure,
        };
        let reason = Some("the campaign starts at noon");
        assert!(allowed(&verdict(VerdictState::Pass, false), None).is_ok());
        for state in [VerdictState::Fail, VerdictState::Unproven] {
            assert!(allowed(&verdict(state, false), None).is_err());
            assert!(allowed(&verdict(state, false), Some("short    ")).is_err());
            let stored = allowed(&verdict(state, false), reason).ok().flatten();
            assert_eq!(stored.as_deref(), reason);
        }
        assert!(allowed(&verdict(VerdictState::Fail, true), reason).is_err());
    }
}
