//! Several models over the photos that all of them were judged on.

use axum::Json;
use axum::extract::{Query, State};
use domain::api::compare::{ComparedModel, LeftOut, LeftOutReason, MOST_COMPARED, ModelComparison};
use domain::ids::{Digest, ModelId};
use domain::job::HeadMode;
use domain::judge::JudgedClass;
use domain::judge::several::{Entrant, several};
use domain::model::Model;
use domain::names::ClassName;
use domain::scores::SealedScores;
use serde::Deserialize;
use trainer::package::{HEAD_FILE, SCORES_FILE};

use super::{jobs, models};
use crate::auth::caller::Caller;
use crate::error::{ApiError, shortened};
use crate::state::AppState;

/// `?models=a,b&reference=a&tau=0.8&class=xi`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct CompareQuery {
    /// Ids of models with commas between them, at most ten.
    pub models: String,
    /// The model that losses are counted against; the first where absent or not among them.
    pub reference: Option<String>,
    /// Count with every class at this threshold, between 0 and 1; where absent, at each model's own.
    pub tau: Option<f64>,
    /// Whose curves to draw; where absent, those of all classes together.
    pub class: Option<String>,
}

/// Up to ten models, counted over the very photos that all of them were judged on, whatever dataset versions each was trained
/// on. Names that cannot be shown are listed with the reason, and the rest is compared.
#[utoipa::path(get, path = "/compare", tag = "models", params(CompareQuery),
    responses((status = 200, body = ModelComparison), (status = 404, description = "None of the models is there"),
        (status = 422)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<CompareQuery>,
) -> Result<Json<ModelComparison>, ApiError> {
    let CompareQuery {
        models,
        reference,
        tau,
        class,
    } = query;
    if let Some(tau) = tau.filter(|tau| !(*tau > 0.0 && *tau < 1.0)) {
        return Err(ApiError::invalid(format!("tau must lie between 0 and 1, got {tau}")));
    }
    let (judged, left_out) = judged(&state, &caller, &models).await?;
    if judged.is_empty() {
        let names: Vec<&str> = left_out.iter().map(|one| one.model.as_str()).collect();
        return Err(if names.is_empty() {
            ApiError::invalid("models is a list of ids with commas between them, and it is empty")
        } else {
            ApiError::not_found("model with photo-by-photo answers named", names.join(", "))
        });
    }
    let class = class.map(|name| known_class(&judged, &name)).transpose()?;
    let reference = judged
        .iter()
        .position(|one| Some(&one.model.id.0) == reference.as_ref())
        .unwrap_or(0);
    let compared = state
        .blocking(move || compared(judged, left_out, reference, tau, class))
        .await?;
    Ok(Json(compared))
}

/// A model with what it said of each sealed photo.
struct Judged {
    model: Model,
    mode: HeadMode,
    scores: bytes::Bytes,
}

/// The models that can be compared, and the others with the reason.
async fn judged(state: &AppState, caller: &Caller, named: &str) -> Result<(Vec<Judged>, Vec<LeftOut>), ApiError> {
    let (mut judged, mut left_out) = (Vec::<Judged>::new(), Vec::new());
    let names = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    for name in names.take(MOST_NAMES) {
        let id = ModelId(name.to_owned());
        let mut leave_out = |reason| {
            left_out.push(LeftOut {
                model: shortened(name),
                reason,
            });
        };
        if judged.iter().any(|other| other.model.id == id) {
            leave_out(LeftOutReason::Twice);
            continue;
        }
        if judged.len() == MOST_COMPARED {
            leave_out(LeftOutReason::TooMany);
            continue;
        }
        let model = match models::found(state, caller, &id).await {
            Ok(model) => model,
            Err(error) if error.is_not_found() => {
                leave_out(LeftOutReason::Missing);
                continue;
            }
            Err(error) => return Err(error),
        };
        if model.files.iter().all(|file| file.name != SCORES_FILE) {
            leave_out(LeftOutReason::NoScores);
            continue;
        }
        let scores = models::read(state, &model, SCORES_FILE).await?;
        let job = jobs::found(state, caller, &model.job).await?;
        judged.push(Judged {
            model,
            mode: job.spec.config.mode,
            scores,
        });
    }
    Ok((judged, left_out))
}

/// Names that are looked at: what is longer was not written by a person.
const MOST_NAMES: usize = 100;

fn known_class(judged: &[Judged], name: &str) -> Result<ClassName, ApiError> {
    let mut classes = judged.iter().flat_map(|one| &one.model.classes);
    let class = classes.find(|class| class.name.as_str() == name);
    class
        .map(|class| class.name.clone())
        .ok_or_else(|| ApiError::invalid(format!("none of these models has a class {:?}", shortened(name))))
}

fn compared(
    judged: Vec<Judged>,
    left_out: Vec<LeftOut>,
    reference: usize,
    tau: Option<f64>,
    class: Option<ClassName>,
) -> Result<ModelComparison, ApiError> {
    let mut scores = Vec::<SealedScores>::with_capacity(judged.len());
    for one in &judged {
        scores.push(serde_json::from_slice(&one.scores).map_err(ApiError::internal)?);
    }
    let classes: Vec<Vec<JudgedClass>> = judged
        .iter()
        .map(|one| {
            let classes = one.model.classes.iter().map(|class| JudgedClass {
                name: class.name.clone(),
                role: class.role,
                tau: tau.unwrap_or(class.tau),
            });
            classes.collect()
        })
        .collect();
    let entrants: Vec<Entrant<'_>> = judged
        .iter()
        .zip(&scores)
        .zip(&classes)
        .map(|((one, scores), classes)| Entrant {
            id: &one.model.id,
            head: head_of(&one.model),
            classes,
            scores,
        })
        .collect();
    let counted = several(&entrants, reference, class.as_ref()).map_err(ApiError::internal)?;
    let reference = judged[reference].model.id.clone();
    let models = judged.into_iter().zip(counted.models);
    let models = models.map(|(one, counted)| ComparedModel {
        id: one.model.id,
        mode: one.mode,
        new_classes: one.model.new_classes,
        verdict: one.model.verdict,
        counted,
    });
    Ok(ModelComparison {
        models: models.collect(),
        left_out,
        reference,
        tau,
        class,
        common: counted.common,
        classes: counted.classes,
    })
}

/// Digest of a model's head file.
fn head_of(model: &Model) -> Digest {
    let head = model.files.iter().find(|file| file.name == HEAD_FILE);
    head.map_or(model.digest, |file| file.digest)
}
