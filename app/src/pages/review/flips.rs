//! What was right and now is not, what was won, and what nearly was lost; and what changed its name.

use domain::dataset::Relabelled;
use domain::scores::SealedScores;
use domain::stats::mcnemar_exact;
use leptos::prelude::*;

use super::{Judgement, answers, by_number, said_of};
use crate::components::number::{percent, share};
use crate::components::panel::Panel;
use crate::components::photos::{Photo, Photos};
use crate::components::{live, view};
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
    let lost = move || {
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
                flips.len() as u64,
                flips.iter().take(MOST_FLIPS).map(photo).collect::<Vec<_>>(),
            )
        })
    };
    let relabelled = move || {
        judged.with(|judged| {
            let all = &judged.report.sealed.relabelled;
            let photo = |image: &Relabelled| Photo {
                image: image.image,
                title: image.to.to_string(),
                caption: format!("{} → {}", image.from, image.to),
                answers: None,
                marked: false,
            };
            (
                all.len() as u64,
                all.iter().take(MOST_FLIPS).map(photo).collect::<Vec<_>>(),
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
    let won = move || {
        let n = judged.with(|judged| {
            judged
                .report
                .comparison
                .as_ref()
                .map_or(0, |comparison| comparison.n_positive_flips)
        });
        let photos = scores.with(|scores| {
            let taus: Vec<f64> = judged.with(|judged| judged.report.classes.iter().map(|class| class.tau).collect());
            scores
                .as_ref()
                .map(|scores| positive_flips(scores, &taus))
                .unwrap_or_default()
        });
        (n, photos)
    };
    let rates = move || {
        judged.with(|judged| {
            let comparison = judged.report.comparison.as_ref()?;
            let lost = comparison.negative_flips.len() as u64;
            let (n, won) = (comparison.n_right, comparison.n_positive_flips);
            let rate = share(lost, n).map_or_else(|| "–".to_owned(), percent);
            let p = mcnemar_exact(won, lost);
            let p = if p < 0.001 {
                "< 0.001".to_owned()
            } else {
                format!("= {p:.3}")
            };
            Some(t!(i18n, flips.rates, lost = lost, n = n, rate = rate, won = won, p = p))
        })
    };
    let group = move |title: AnyView, n: u64, photos: Vec<Photo>| {
        let cut =
            (!photos.is_empty() && n > photos.len() as u64).then(|| t!(i18n, matrix.cut, most = photos.len(), n = n));
        view! {
            <h3 class="photos-head">{title}</h3>
            {cut.map(|cut| view! { <p class="dim">{cut}</p> })}
            {(!photos.is_empty()).then(|| view! { <Photos photos/> })}
        }
    };
    view! {
        <Panel
            id="flips"
            full=true
            title=t!(i18n, flips.title)
            about=t!(i18n, flips.about)
        >
            <p class="sentence">{live(rates)}</p>
            {live(move || {
                let (n, photos) = lost();
                let title = if n == 0 { t!(i18n, flips.none) } else { t!(i18n, flips.count, n = n) };
                group(title, n, photos)
            })}
            {live(move || {
                let (n, photos) = won();
                (n > 0).then(|| group(t!(i18n, flips.won, n = n), n, photos))
            })}
            {live(move || {
                let photos = near().filter(|photos| !photos.is_empty())?;
                Some(group(t!(i18n, flips.near), 0, photos))
            })}
            {live(move || {
                let (n, photos) = relabelled();
                (n > 0).then(|| group(t!(i18n, flips.relabelled, n = n), n, photos))
            })}
        </Panel>
    }
}

/// Images of old classes that the baseline had wrong and the candidate has right, the surest first.
fn positive_flips(scores: &SealedScores, taus: &[f64]) -> Vec<Photo> {
    let Some(baseline) = &scores.baseline else {
        return Vec::new();
    };
    let after = scores.candidate.decisions(taus);
    let before = baseline.decisions(&taus[..scores.n_old]);
    let labels = scores.labels.iter().enumerate();
    let won = labels
        .filter(|(image, label)| **label < scores.n_old && !before[*image].is(**label) && after[*image].is(**label));
    let won = won.map(|(image, _)| (-after[image].probability, image));
    let photo = |image: usize| {
        let (was, is) = (&before[image], &after[image]);
        Photo {
            image: scores.images[image],
            title: scores.classes[scores.labels[image]].to_string(),
            caption: format!(
                "{} {:.3} → {:.3}",
                scores.classes[was.class_idx], was.probability, is.probability
            ),
            answers: answers(scores, taus, image),
            marked: false,
        }
    };
    by_number(won.collect())
        .into_iter()
        .take(MOST_FLIPS)
        .map(photo)
        .collect()
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
