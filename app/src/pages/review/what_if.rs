//! Thresholds that the reader has moved, and what would follow: never the verdict, which is of the model as it is.

use std::fmt;

use domain::report::EvaluationReport;
use leptos::prelude::*;

use super::Judgement;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// Places that a sentence names before it says only how many there are.
const MOST_NAMED: usize = 3;

/// Per class where its threshold was moved to; none, or nothing at all, where it stands at the model's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Moved(Vec<Option<f64>>);

impl Moved {
    /// As an address says it: one number for all of `n_classes`, or one a class with nothing between the commas where it
    /// stays.
    #[cfg(any(test, feature = "hydrate"))]
    pub(super) fn read(text: &str, n_classes: usize) -> Self {
        use super::curves::{LEAST, MOST};

        let one = |text: &str| {
            let tau = text.parse::<f64>().ok();
            tau.filter(|tau| (LEAST..=MOST).contains(tau))
        };
        let taus: Vec<Option<f64>> = text.split(',').map(one).collect();
        match taus.as_slice() {
            [Some(tau)] => Self(vec![Some(*tau); n_classes]),
            several if several.len() == n_classes && several.iter().any(Option::is_some) => Self(taus),
            _ => Self::default(),
        }
    }

    /// Moves one class, or all.
    pub(super) fn set(&mut self, class: Option<usize>, tau: f64, n_classes: usize) {
        self.0.resize(n_classes, None);
        for (idx, at) in self.0.iter_mut().enumerate() {
            if class.is_none_or(|class| class == idx) {
                *at = Some(tau);
            }
        }
    }

    /// Where every class of a report stands; none where nothing was moved.
    pub(super) fn taus(&self, report: &EvaluationReport) -> Option<Vec<f64>> {
        if self.0.iter().all(Option::is_none) {
            return None;
        }
        let at = |idx: usize| self.0.get(idx).copied().flatten();
        let classes = report.classes.iter().enumerate();
        Some(classes.map(|(idx, class)| at(idx).unwrap_or(class.tau)).collect())
    }

    /// What was moved: `τ = 0.950`, or the classes that were.
    fn told(&self, report: &EvaluationReport) -> String {
        if let Some(tau) = self.of_all() {
            return format!("τ = {tau:.3}");
        }
        let at = self.0.iter().zip(&report.classes);
        let mut named: Vec<String> = at
            .filter_map(|(tau, class)| Some(format!("τ({}) = {:.3}", class.name, (*tau)?)))
            .collect();
        if named.len() > MOST_NAMED {
            named.truncate(MOST_NAMED);
            named.push("…".to_owned());
        }
        named.join(", ")
    }

    fn of_all(&self) -> Option<f64> {
        let first = self.0.first().copied().flatten()?;
        let is_same = |tau: &Option<f64>| tau.is_some_and(|tau| tau.total_cmp(&first).is_eq());
        self.0.iter().all(is_same).then_some(first)
    }
}

/// As [`Moved::read`] reads it.
impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tau) = self.of_all() {
            return write!(f, "{tau:.3}");
        }
        for (idx, tau) in self.0.iter().enumerate() {
            if idx > 0 {
                f.write_str(",")?;
            }
            if let Some(tau) = tau {
                write!(f, "{tau:.3}")?;
            }
        }
        Ok(())
    }
}

/// What would follow, at the foot of the window for as long as a threshold is moved: nothing above it shifts.
#[component]
pub(super) fn WhatIf(judged: Memo<Judgement>, moved: RwSignal<Moved>) -> impl IntoView {
    let i18n = use_i18n();
    let text = move || {
        judged.with(|judged| {
            let what = moved.with(|moved| moved.told(&judged.report));
            let candidate = &judged.report.candidate;
            let of_new = judged.report.classes.iter().zip(&candidate.per_class);
            let Some(comparison) = &judged.report.comparison else {
                let (right, wrong) = (candidate.n_accepted_right, candidate.n_accepted_wrong);
                return t!(i18n, what_if.first, what = what, right = right, wrong = wrong);
            };
            let news: Vec<String> = of_new
                .filter(|(class, _)| class.is_new)
                .map(|(class, metrics)| format!("{} {}/{}", class.name, metrics.true_accepts, metrics.n))
                .collect();
            let news = news.join(", ");
            let lost: u64 = comparison.old_classes.iter().map(|class| class.images.x).sum();
            let (n, false_new) = (comparison.n_right, comparison.false_new.x);
            t!(
                i18n,
                what_if.clone,
                what = what,
                lost = lost,
                n = n,
                news = news,
                false_new = false_new
            )
        })
    };
    let strip = move || {
        judged.with(|judged| judged.is_moved).then(|| {
            view! {
                <div class="what-if">
                    <div class="banner-text">
                        <p>{live(text)}</p>
                        <p class="dim">{t!(i18n, what_if.verdict)}</p>
                    </div>
                    <button type="button" class="button" on:click=move |_| moved.set(Moved::default())>
                        {t!(i18n, curves.reset)}
                    </button>
                </div>
            }
        })
    };
    view! { <div class="what-if-place" role="status">{strip}</div> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_was_moved() {
        let mut moved = Moved::default();
        assert_eq!(moved.to_string(), "");
        moved.set(Some(1), 0.95, 3);
        assert_eq!(moved.to_string(), ",0.950,");
        assert_eq!(Moved::read(",0.950,", 3), moved);
        moved.set(None, 0.72, 3);
        assert_eq!(moved.to_string(), "0.720");
        assert_eq!(Moved::read("0.720", 3), moved);
        moved.set(Some(0), 0.5, 3);
        assert_eq!(moved.to_string(), "0.500,0.720,0.720");
        for wrong in ["", "x", "0.2", "1", ",,", "0.9,0.9", "0.9,0.9,0.9,0.9", "NaN"] {
            assert_eq!(Moved::read(wrong, 3), Moved::default(), "{wrong}");
        }
    }
}
