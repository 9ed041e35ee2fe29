//! What was right and now is not, and then what nearly went the same way.

use domain::scores::SealedScores;
use leptos::prelude::*;

use super::{Judgement, answers, by_number, said_of};
use crate::components::panel::Panel;
use crate::components::photos::{Photo, Photos};
use crate::components::view;
use crate::language::{t, use_i18n};

/// Photos of either kind that are shown at most.
const MOST_FLIPS: usize = 48;
const MOST_NEAR: usize = 12;

#[component]
pub(super) fn Flips(judged: Memo<Judgement>, scores: RwSignal<Option<SealedScores>>) -> impl IntoView {
    let i18n = use_i18n();
    if judged.with_untracked(|judged| judged.report.comparison.is_none()) {
        return ().into_any();
    }
    let flips = move || {
        judged.with(|judged| {
            let comparison = judged.report.comparison.as_ref();
            let flips = comparison
                .map(|comparison| comparison.negative_flips.as_slice())
                .unwrap_or_default();
            let photo = |flip: &domain::report::Flip| {
                let after = if flip.after.accepted {
                    flip.after.class.to_string()
                } else {
                    "?".to_owned()
                };
                Photo {
                    image: flip.image,
                    title: flip.class.to_string(),
                    caption: format!("{:.3} → {after} {:.3}", flip.before.probability, flip.after.probability),
                    answers: Some(
                        [&flip.before, &flip.after]
                            .map(|answer| said_of(answer.class.as_str(), answer.probability, answer.accepted)),
                    ),
                    marked: true,
                }
            };
            (
                flips.len(),
                flips.iter().take(MOST_FLIPS).map(photo).collect::<Vec<_>>(),
            )
        })
    };
    let near = move || {
        scores.with(|scores| {
            let scores = scores.as_ref()?;
            let taus: Vec<f64> = judged.with(|judged| judged.report.classes.iter().map(|class| class.tau).collect());
            Some(near_misses(scores, &taus))
        })
    };
    view! {
        <Panel
            id="flips"
            full=true
            title=t!(i18n, flips.title)
            about=t!(i18n, flips.about)
        >
            {move || {
                let (n, photos) = flips();
                if n == 0 {
                    view! { <p class="empty">{t!(i18n, flips.none)}</p> }
                } else {
                    view! {
                        <p class="dim">{t!(i18n, flips.count, n = n)}</p>
                        <Photos photos/>
                    }
                }
            }}
            {move || {
                near()
                    .filter(|photos| !photos.is_empty())
                    .map(|photos| {
                        view! {
                            <h3 class="photos-head">{t!(i18n, flips.near)}</h3>
                            <Photos photos/>
                        }
                    })
            }}
        </Panel>
    }
}

/// Images of old classes that are still right, those with the least left above their threshold first.
fn near_misses(scores: &SealedScores, taus: &[f64]) -> Vec<Photo> {
    let Some(baseline) = &scores.baseline else {
        return Vec::new();
    };
    let after = scores.candidate.decisions(taus);
    let before = baseline.decisions(&taus[..scores.n_old]);
    let margins = scores
        .labels
        .iter()
        .enumerate()
        .filter(|(image, label)| **label < scores.n_old && before[*image].is(**label) && after[*image].is(**label))
        .map(|(image, label)| (after[image].probability - taus[*label], image));
    let photo = |image: usize| {
        let label = scores.labels[image];
        let (was, is) = (before[image].probability, after[image].probability);
        Photo {
            image: scores.images[image],
            title: scores.classes[label].to_string(),
            caption: format!("{was:.3} → {is:.3}, +{:.4}", is - taus[label]),
            answers: answers(scores, taus, image),
            marked: false,
        }
    };
    let nearest = by_number(margins.collect()).into_iter();
    nearest.take(MOST_NEAR).map(photo).collect()
}
