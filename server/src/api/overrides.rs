//! Reviewers' words: what a release needs one for, who may give it, and what whoever looks may do about it.
//!
//! A verdict is overridden by a reviewer who did not start the job: four eyes see more than two. A structural failure is
//! overridden by nobody.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::gate::verdict::VerdictState;
use domain::ids::{ModelId, OverrideId};
use domain::job::JobSpec;
use domain::model::Model;
use domain::names::ChannelName;
use domain::overrides::{ChannelOutlook, Ground, GroundKind, NewOverride, Outlook, Override, REASON_CHARS};
use domain::people::Permission;
use domain::release::Channel;

use super::models::found;
use crate::auth::caller::{Caller, forbidden};
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// Let a model out although the gate did not: a reviewer's word, which outweighs all that stands in its way now and stays
/// in the log. Publishing it is another's, or another, step.
#[utoipa::path(post, path = "/models/{id}/override", tag = "models", params(("id" = String, Path)),
    request_body = NewOverride, responses((status = 201, body = Override), (status = 404),
        (status = 403, description = "The caller's own job, or one that it descends from"),
        (status = 422, description = "A structural failure, nothing to outweigh, or no real reason")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(new): Json<NewOverride>,
) -> Result<(StatusCode, Json<Override>), ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let reason = checked(&new.reason)?;
    check_structure(&model)?;
    check_other_eyes(&state, &caller, &model).await?;
    let spec = spec(&state, &model).await?;
    let mut grounds = of_model(&state, &model, &spec).await?;
    for channel in db::releases::channels(&state.db, &model.project).await? {
        grounds.extend(of_channel(&model, &spec, &channel));
    }
    if grounds.is_empty() {
        return Err(ApiError::invalid(
            "nothing stands in this model's way, so there is nothing to override: publish it",
        ));
    }
    let given = word(&state, &caller, &model, grounds, reason);
    db::overrides::insert(&state.db, &model.project, &given, &caller.id).await?;
    tracing::info!(model = %model.id, by = %caller.name, "a verdict was overridden");
    Ok((StatusCode::CREATED, Json(given)))
}

/// What stands between a model and its channels, the words that were given on it, and what the caller may do.
#[utoipa::path(get, path = "/models/{id}/overrides", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = Outlook), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Outlook>, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let overrides = db::overrides::of_model(&state.db, &model.id).await?;
    let spec = spec(&state, &model).await?;
    let own = of_model(&state, &model, &spec).await?;
    let open = |grounds: Vec<Ground>| {
        let outweighed = overrides.iter().any(|word| word.covers(&grounds));
        if outweighed { Vec::new() } else { grounds }
    };
    let channels = db::releases::channels(&state.db, &model.project).await?;
    let channels = channels.into_iter().map(|channel| {
        let mut grounds = own.clone();
        grounds.extend(of_channel(&model, &spec, &channel));
        ChannelOutlook {
            grounds: open(grounds),
            channel: channel.name,
        }
    });
    let role = caller.role(&model.project);
    let may = |permission| role.is_some_and(|role| role.permits(permission));
    Ok(Json(Outlook {
        channels: channels.collect(),
        elsewhere: open(own),
        structural_failure: model.verdict.structural_failure,
        may_publish: may(Permission::Publish),
        may_override: may(Permission::Override),
        is_own_job: db::jobs::is_of(&state.db, &model.job, &caller.id).await?,
        overrides,
    }))
}

/// The word that a release rests on.
#[derive(Debug)]
pub(super) enum Rests {
    /// It needs none.
    Alone,
    /// It was given before.
    Kept(Override),
    /// The publisher gives it with the release.
    Given(Override),
}

/// On what the release of a model to a channel rests: on its verdict alone, on a word that was given before, or on one
/// that the caller gives with it.
///
/// # Errors
/// A word is missing, or the caller may not give it.
pub(super) async fn needed(
    state: &AppState,
    caller: &Caller,
    model: &Model,
    channel: &Channel,
    reason: Option<&str>,
) -> Result<Rests, ApiError> {
    check_structure(model)?;
    let spec = spec(state, model).await?;
    let mut grounds = of_model(state, model, &spec).await?;
    grounds.extend(of_channel(model, &spec, channel));
    if grounds.is_empty() {
        return Ok(Rests::Alone);
    }
    if let Some(reason) = reason {
        let reason = checked(reason)?;
        check_other_eyes(state, caller, model).await?;
        return Ok(Rests::Given(word(state, caller, model, grounds, reason)));
    }
    let kept = db::overrides::of_model(&state.db, &model.id).await?;
    if let Some(word) = kept.into_iter().find(|word| word.covers(&grounds)) {
        return Ok(Rests::Kept(word));
    }
    let why: Vec<&str> = grounds.iter().map(|ground| ground.sentence.as_str()).collect();
    Err(verdict_forbids(format!(
        "{} It goes out only on the word of a reviewer who did not start its job, which stays in the log: give one with \
         `rehead models override {} --reason …`, or a reason with the release",
        why.join(" "),
        model.id
    )))
}

async fn spec(state: &AppState, model: &Model) -> Result<JobSpec, ApiError> {
    let job = db::jobs::get(&state.db, &model.job).await?;
    job.map(|job| job.spec)
        .ok_or_else(|| ApiError::internal(format!("model {} names a lost job", model.id)))
}

/// What stands in a model's way wherever it goes.
async fn of_model(state: &AppState, model: &Model, spec: &JobSpec) -> Result<Vec<Ground>, ApiError> {
    let ground = |kind, sentence| Ground {
        kind,
        channel: None,
        other: None,
        sentence,
    };
    let mut grounds = Vec::new();
    let verdict = &model.verdict;
    if verdict.state != VerdictState::Pass {
        let sentence = format!("The verdict is {}: {}", verdict.state.as_str(), verdict.sentence);
        grounds.push(ground(GroundKind::Verdict, sentence));
    }
    // What its own makers' limits let pass was let pass by nobody else.
    let policy = &spec.policy;
    if !policy.is_shipped() && !db::policies::holds(&state.db, &model.project, policy).await? {
        let name = crate::error::shortened(&policy.name);
        let sentence = format!("It was judged by {name:?}, a policy of its job's own.");
        grounds.push(ground(GroundKind::OwnPolicy, sentence));
    }
    Ok(grounds)
}

/// What a channel has that the verdict does not cover: what is live, or the losses since its anchor.
fn of_channel(model: &Model, spec: &JobSpec, channel: &Channel) -> Vec<Ground> {
    let name: &ChannelName = &channel.name;
    let ground = |kind, other: &ModelId, sentence| Ground {
        kind,
        channel: Some(name.clone()),
        other: Some(other.clone()),
        sentence,
    };
    let mut grounds = Vec::new();
    // A verdict says that nothing of one baseline is harmed; of another live model it says nothing.
    let live = channel.current.as_ref().map(|release| &release.model);
    if let Some(live) = live.filter(|live| model.baseline.as_ref() != Some(*live) && model.id != **live) {
        let sentence = format!("It was never measured against {live}, which is live on {name}.");
        grounds.push(ground(GroundKind::OtherBaseline, live, sentence));
    }
    // Small harms must not add up over releases.
    let counted_from = spec.anchor.as_ref().or(spec.baseline.as_ref());
    let anchor = channel.anchor.as_ref().map(|release| &release.model);
    if let Some(anchor) = anchor.filter(|anchor| counted_from != Some(*anchor) && model.id != **anchor) {
        let sentence = format!("What it lost since {anchor}, the anchor of {name}, was never counted.");
        grounds.push(ground(GroundKind::UncountedAnchor, anchor, sentence));
    }
    grounds
}

fn word(state: &AppState, caller: &Caller, model: &Model, grounds: Vec<Ground>, reason: String) -> Override {
    Override {
        id: OverrideId(new_id(&state.clock)),
        model: model.id.clone(),
        by: caller.name.clone(),
        reason,
        verdict: model.verdict.state,
        grounds,
        created_us: state.clock.now_us(),
    }
}

fn check_structure(model: &Model) -> Result<(), ApiError> {
    let verdict = &model.verdict;
    if !verdict.structural_failure {
        return Ok(());
    }
    Err(verdict_forbids(format!(
        "{} A structural failure is never overridden.",
        verdict.sentence
    )))
}

/// Whoever overrides a verdict is a reviewer and neither made nor started the job, nor one that it descends from.
async fn check_other_eyes(state: &AppState, caller: &Caller, model: &Model) -> Result<(), ApiError> {
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
                "{} made or started the job behind this model, or one that it was made from by another dial or refit; its \
                 verdict is overridden by a reviewer who did not",
                caller.name
            ),
        ));
    }
    Ok(())
}

/// A reason, where it is a real one.
fn checked(reason: &str) -> Result<String, ApiError> {
    let reason = reason.trim();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_real_one() {
        for (reason, taken) in [
            ("", false),
            ("          ", false),
            ("because", false),
            ("short    ", false),
            ("  the campaign starts at noon ", true),
            ("活动中午开始所以现在发布", true),
            (&"x".repeat(1000), true),
            (&"x".repeat(1001), false),
        ] {
            let got = checked(reason);
            assert_eq!(got.as_deref().ok(), taken.then(|| reason.trim()), "{reason:?}");
        }
    }
}
