//! The confusion matrix of the candidate, each cell opening its photos.

use domain::scores::SealedScores;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::{Judgement, answers, by_number};
use crate::components::charts::matrix::{Counts, Matrix};
use crate::components::panel::Panel;
use crate::components::photos::{Photo, Photos};
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// Photos that a cell shows at most: more are not looked at.
const MOST_PHOTOS: usize = 60;

#[component]
pub(super) fn Confusion(judged: Memo<Judgement>, scores: RwSignal<Option<SealedScores>>) -> impl IntoView {
    let i18n = use_i18n();
    let chosen = RwSignal::<Option<(usize, usize)>>::new(None);
    let counts = Signal::derive(move || {
        judged.with(|judged| {
            let names: Vec<String> = judged
                .report
                .classes
                .iter()
                .map(|class| class.name.to_string())
                .collect();
            let unknown = t_string!(i18n, matrix.unknown).to_string();
            Counts {
                columns: names.iter().cloned().chain([unknown]).collect(),
                rows: names,
                counts: judged.report.candidate.confusion.clone(),
            }
        })
    });
    let opened = move || {
        let (row, column) = chosen.get()?;
        let names = counts.get();
        let (label, answer) = (names.rows.get(row)?.clone(), names.columns.get(column)?.clone());
        let photos = scores.with(|scores| {
            let scores = scores.as_ref()?;
            let taus: Vec<f64> = judged.with(|judged| judged.report.classes.iter().map(|class| class.tau).collect());
            Some(cell_photos(scores, &taus, row, column))
        });
        Some(match photos {
            Some(photos) => {
                let n = photos.len();
                let shown: Vec<Photo> = photos.into_iter().take(MOST_PHOTOS).collect();
                let cut = (n > MOST_PHOTOS).then(|| t!(i18n, matrix.cut, most = MOST_PHOTOS, n = n));
                view! {
                    <h3>{t!(i18n, matrix.opened, row = label, column = answer)}</h3>
                    {cut.map(|cut| view! { <p class="dim">{cut}</p> })}
                    <Photos photos=shown/>
                }
            }
            None => view! { <p class="dim">{t!(i18n, matrix.waiting)}</p> },
        })
    };
    view! {
        <Panel
            id="confusion"
            title=t!(i18n, matrix.title)
            about=t!(i18n, matrix.about)
        >
            <Matrix counts chosen/>
            <div class="opened" aria-live="polite">{live(opened)}</div>
        </Panel>
    }
}

/// The images of a cell, the surest first.
fn cell_photos(scores: &SealedScores, taus: &[f64], row: usize, column: usize) -> Vec<Photo> {
    let decisions = scores.candidate.decisions(taus);
    let unknown = scores.classes.len();
    let of_cell = scores
        .labels
        .iter()
        .zip(&decisions)
        .enumerate()
        .filter(|(_, (label, decision))| **label == row && decision.answer(unknown) == column);
    let found = of_cell.map(|(image, (_, decision))| (-decision.probability, image));
    let photo = |image: usize| {
        let top = scores.classes[decisions[image].class_idx].to_string();
        Photo {
            image: scores.images[image],
            title: scores.classes[row].to_string(),
            caption: format!("{top} {:.3}", decisions[image].probability),
            answers: answers(scores, taus, image),
            marked: false,
        }
    };
    by_number(found.collect()).into_iter().map(photo).collect()
}
