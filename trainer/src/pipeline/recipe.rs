//! Which feature recipe a first model gets: compared on some of its train images, where nobody fixed it.

use std::collections::{BTreeMap, BTreeSet};

use domain::dataset::{DatasetRow, Finding, Split};
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::ids::Digest;
use domain::job::{HeadMode, Stage};
use domain::names::ClassName;
use domain::report::{RecipeChoice, RecipeTrial};

use crate::head::{N_FOLDS, RecipesInput, compare_recipes};
use crate::observer::Observer;
use crate::pipeline::plan::Plan;
use crate::pipeline::{JobInput, PipelineError, Source};

/// Images of a class, and classes, that recipes are compared on: enough to tell one from another, few enough for seconds.
const MOST_OF_A_CLASS: usize = 40;
const MOST_CLASSES: usize = 40;

/// The train images that recipes are compared on, in the order of their digests; none where there is nothing to choose.
pub(super) fn compared<'a>(input: &'a JobInput, plan: &Plan) -> Vec<&'a DatasetRow> {
    if input.config.mode != HeadMode::Cold || input.config.recipe.is_some() {
        return Vec::new();
    }
    // Every so many-th class by name, where there are too many.
    let step = plan.classes.len().div_ceil(MOST_CLASSES);
    let mut left: BTreeMap<&ClassName, usize> = plan
        .classes
        .iter()
        .step_by(step.max(1))
        .map(|class| (&class.name, MOST_OF_A_CLASS))
        .collect();
    let mut rows: Vec<&DatasetRow> = input.rows.iter().filter(|row| row.split == Split::Train).collect();
    rows.retain(|row| {
        left.get_mut(&row.class).is_some_and(|left| {
            let is_wanted = *left > 0;
            *left = left.saturating_sub(1);
            is_wanted
        })
    });
    rows
}

/// Compares the source's recipes; the place of the one to take, and how it was chosen. None where there is nothing to choose.
///
/// A third of the time for reading is the most that it takes; where that is not enough the first recipe stays.
pub(super) fn choose<S: Source>(
    source: &S,
    input: &JobInput,
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<Option<(usize, RecipeChoice)>, PipelineError> {
    let references = source.recipes();
    let rows = compared(input, plan);
    let Some(first) = references.first().filter(|_| references.len() > 1 && !rows.is_empty()) else {
        return Ok(None);
    };
    let now_ms = observer.elapsed_ms();
    let stop_at_ms = now_ms + plan.budget.extract_until_ms.saturating_sub(now_ms) / 3;
    let images: Vec<Digest> = rows.iter().map(|row| row.image).collect();
    let extraction = source.lineup(&images, stop_at_ms, &WithoutFindings(observer))?;
    let mut choice = RecipeChoice {
        chosen: first.recipe.clone(),
        trials: Vec::new(),
        n_folds: N_FOLDS as u64,
        n_images: 0,
        n_groups: 0,
        n_classes: 0,
    };
    if !extraction.complete {
        return Ok(Some((0, choice)));
    }
    let features = &extraction.features;
    // Damaged images have no row.
    let rows: Vec<(&DatasetRow, usize)> = rows
        .into_iter()
        .filter_map(|row| Some((row, *features.rows.get(&row.image)?)))
        .collect();
    let data: Vec<f32> = rows
        .iter()
        .flat_map(|(_, at)| features.row(*at))
        .map(|value| value.to_f32())
        .collect();
    let dims: Vec<usize> = references.iter().map(|reference| reference.dim as usize).collect();
    let classes: Vec<&ClassName> = plan.classes.iter().map(|class| &class.name).collect();
    let labels: Vec<usize> = rows
        .iter()
        .filter_map(|(row, _)| classes.iter().position(|class| **class == row.class))
        .collect();
    let distinct: BTreeSet<&Digest> = rows.iter().map(|(row, _)| &row.group).collect();
    let number: BTreeMap<&Digest, usize> = distinct.into_iter().zip(0..).collect();
    let groups: Vec<usize> = rows.iter().map(|(row, _)| number[&row.group]).collect();
    let keep_going = || !observer.cancelled() && observer.elapsed_ms() < stop_at_ms;
    let found = compare_recipes(
        &RecipesInput {
            data: &data,
            dims: &dims,
            labels: &labels,
            groups: &groups,
        },
        &keep_going,
    )?;
    let Some(found) = found else {
        return Ok(Some((0, choice)));
    };
    choice.chosen.clone_from(&references[found.best].recipe);
    choice.n_images = found.n_images as u64;
    choice.n_groups = found.n_groups as u64;
    choice.n_classes = found.n_classes as u64;
    choice.trials = references
        .iter()
        .zip(&found.scores)
        .map(|(reference, score)| RecipeTrial {
            recipe: reference.recipe.clone(),
            dim: reference.dim,
            accuracy: score.accuracy,
            gain: score.gain,
            gain_error: score.gain_error,
        })
        .collect();
    Ok(Some((found.best, choice)))
}

/// Hears everything but findings: the same images are read again for the head, and what is wrong with them is said then.
struct WithoutFindings<'a>(&'a dyn Observer);

impl Observer for WithoutFindings<'_> {
    fn elapsed_ms(&self) -> u64 {
        self.0.elapsed_ms()
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
    fn stage_started(&self, stage: Stage) {
        self.0.stage_started(stage);
    }
    fn stage_finished(&self, stage: Stage, duration_ms: i64) {
        self.0.stage_finished(stage, duration_ms);
    }
    fn progress(&self, progress: Progress) {
        self.0.progress(progress);
    }
    fn finding(&self, _: Finding) {}
    fn look(&self, look: &domain::change::Look) -> Option<Vec<domain::change::Look>> {
        self.0.look(look)
    }
    fn verdict(&self, verdict: &Verdict) {
        self.0.verdict(verdict);
    }
}
