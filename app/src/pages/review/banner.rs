//! The verdict in one sentence, what to do next, and doing it.

use domain::gate::headline::Headline;
use domain::gate::policy::CheckId;
use domain::names::ClassName;
use leptos::prelude::*;

use super::publish::{self, Publish};
use super::{Candidate, Judgement};
use crate::backend::BackendError;
use crate::components::check::check_name;
use crate::components::loaded::segment;
use crate::components::number::percent;
use crate::components::view;
use crate::language::{I18n, said, t, use_i18n};

#[component]
pub(super) fn Banner(
    candidate: Candidate,
    judged: Memo<Judgement>,
    refused: RwSignal<Option<BackendError>>,
    reload: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let publishing = RwSignal::new(refused.with_untracked(Option::is_some));
    let (note, reason) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    #[cfg(feature = "hydrate")]
    drafts::keep(&candidate.model.id.0, publishing, note, reason);
    let close = Callback::new(move |()| {
        publishing.set(false);
        refused.set(None);
        note.set(String::new());
        reason.set(String::new());
    });
    let done = Callback::new(move |()| {
        close.run(());
        reload.run(());
    });
    let is_moved = Memo::new(move |_| judged.with(|judged| judged.is_moved));
    let verdict = &candidate.verdict;
    let class = format!("banner {}", verdict.state.as_str());
    let headline = verdict.headline();
    let is_never = candidate.model.verdict.structural_failure;
    let title = titled(i18n, headline);
    let looks = verdict
        .checks
        .iter()
        .find(|check| check.id == CheckId::Looks && check.x > 0);
    let looks = looks.map(|check| {
        let (at, of) = (check.x, check.n);
        view! { <span class="look">{t!(i18n, banner.look, at = at, of = of)}</span> }
    });
    let sentence = said(i18n, verdict.sentence.clone(), verdict.sentence_zh.clone());
    let more = more_photos(i18n, &candidate);
    let live_on: Vec<_> = candidate
        .channels
        .iter()
        .filter(|channel| {
            channel
                .current
                .as_ref()
                .is_some_and(|release| release.model == candidate.model.id)
        })
        .map(|channel| {
            let name = channel.name.to_string();
            view! { <span class="tag pass">{t!(i18n, banner.live, channel = name)}</span> " " }
        })
        .collect();
    let publish = publish::button(i18n, &candidate.outlook, publishing, is_moved);
    view! {
        <div class=class role="status">
            <div class="banner-text">
                <p class="banner-title">{title}</p>
                <p>{sentence}</p>
                {is_never.then(|| view! { <p><strong>{t!(i18n, banner.never)}</strong></p> })}
                <p class="dim">{live_on} {looks}</p>
            </div>
            <div class="banner-actions">{more} {publish}</div>
        </div>
        {publish::words(i18n, &candidate.outlook)}
        {move || {
            publishing
                .get()
                .then(|| view! { <Publish candidate=candidate.clone() is_moved note reason refused reload done close/> })
        }}
    }
}

/// The verdict in a few words that claim no more than its checks.
fn titled(i18n: I18n, headline: Headline) -> AnyView {
    match headline {
        Headline::Safe { limit } => t!(i18n, banner.safe, limit = percent(limit)),
        Headline::Sound => t!(i18n, banner.sound),
        Headline::Listed => t!(i18n, banner.listed),
        Headline::Broken => t!(i18n, banner.broken),
        Headline::Harmed(classes) if classes.is_empty() => t!(i18n, banner.harmed_together),
        Headline::Harmed(classes) => t!(i18n, banner.harmed, classes = named(&classes)),
        Headline::TakenForNew => t!(i18n, banner.taken_for_new),
        Headline::FallsShort(classes) => t!(i18n, banner.falls_short, classes = named(&classes)),
        Headline::Beyond(id) => with_check(i18n, t!(i18n, banner.beyond), id),
        Headline::Unmeasured => t!(i18n, banner.unmeasured),
        Headline::LooksUsed => t!(i18n, banner.looks_used),
        Headline::NotCovered => t!(i18n, banner.not_covered),
        Headline::OldOpen { n_proven: 0, open } => t!(i18n, banner.old_none, n = open.len()),
        Headline::OldOpen { n_proven, open } => {
            let (n, classes) = (n_proven + open.len(), named(&open));
            t!(i18n, banner.old_open, proven = n_proven, n = n, classes = classes)
        }
        Headline::NewOpen(classes) => t!(i18n, banner.new_open, classes = named(&classes)),
        Headline::FloorsOpen { n_proven, open } => {
            let (n, classes) = (n_proven + open.len(), named(&open));
            t!(i18n, banner.floors_open, proven = n_proven, n = n, classes = classes)
        }
        Headline::Open(id) => with_check(i18n, t!(i18n, banner.open), id),
        Headline::Unjudged => t!(i18n, banner.unjudged),
    }
}

fn with_check(i18n: I18n, text: AnyView, id: CheckId) -> AnyView {
    view! { {text} " " {check_name(i18n, id)} }
}

/// The first few; that there are others shows.
fn named(classes: &[ClassName]) -> String {
    const MOST: usize = 3;
    let mut names: Vec<&str> = classes.iter().take(MOST).map(ClassName::as_str).collect();
    if classes.len() > MOST {
        names.push("…");
    }
    names.join(", ")
}

/// Where more photos would settle the verdict: how many of what, and the way to send them in as proof.
fn more_photos(i18n: I18n, candidate: &Candidate) -> Option<AnyView> {
    let needs = candidate.verdict.needs();
    let n_classes = needs.iter().filter(|need| need.class.is_some()).count();
    let need = needs.first()?;
    let n = need.n_groups;
    let (text, to) = match &need.class {
        Some(class) => {
            let to = candidate.homes.get(class).map_or_else(
                || "/datasets".to_owned(),
                |home| format!("/datasets/{}?proof=1", segment(home.as_str())),
            );
            let text = if n_classes > 1 {
                t!(i18n, banner.more_and, n = n, class = class, others = n_classes - 1)
            } else {
                t!(i18n, banner.more, n = n, class = class)
            };
            (text, to)
        }
        None if need.id == CheckId::Looks => (t!(i18n, banner.more_all, n = n), "/datasets".to_owned()),
        None => (t!(i18n, banner.more_old, n = n), "/datasets".to_owned()),
    };
    Some(view! { <a class="button" href=to>{text}</a> })
}

/// What was being written when a page was loaded anew.
#[cfg(feature = "hydrate")]
mod drafts {
    use leptos::prelude::*;

    use crate::browser::{keep_draft, kept_draft};

    /// Brings back what this tab kept for a model, and keeps what is written from now on.
    pub(super) fn keep(model: &str, publishing: RwSignal<bool>, note: RwSignal<String>, reason: RwSignal<String>) {
        for (name, text) in [("note", note), ("reason", reason)] {
            let name = format!("{name} {model}");
            Effect::new(move |before: Option<()>| {
                if before.is_some() {
                    keep_draft(&name, &text.get());
                } else if let Some(kept) = kept_draft(&name) {
                    text.set(kept);
                    publishing.set(true);
                }
                text.track();
            });
        }
    }
}
