//! Taking the review elsewhere, and another head for the same classes.

use domain::job::{HeadMode, Job, RefitConfig};
use leptos::prelude::*;

use super::Candidate;
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::panel::Panel;
use crate::components::sending::Sending;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Share(candidate: Candidate) -> impl IntoView {
    let i18n = use_i18n();
    let path = format!("/api/v1/models/{}", segment(&candidate.model.id.0));
    let link = |file: &'static str, text: AnyView| {
        let path = path.clone();
        // The page to take along is in the reader's language; numbers have none.
        let href = move || {
            let language = i18n.get_locale();
            format!("{path}/{file}?lang={language}")
        };
        view! { <a class="button" rel="external" download="" href=href>{text}</a> }
    };
    let links = [
        link("review.html", t!(i18n, share.page)),
        link("review.json", t!(i18n, share.json)),
        link("classes.csv", t!(i18n, share.classes)),
        link("checks.csv", t!(i18n, share.checks)),
        link("confusion.csv", t!(i18n, share.confusion)),
        link("flips.csv", t!(i18n, share.flips)),
    ];
    let sending = Sending::new();
    let made = move || {
        sending.answer::<Job>().map(|job| {
            view! { <a class="button primary" href=format!("/jobs/{}", job.id)>{t!(i18n, dial.made)}</a> }
        })
    };
    let refit = (candidate.report.training.mode == HeadMode::Append).then(|| {
        let path = format!("{path}/refit");
        view! {
            <p class="dim">{t!(i18n, share.refit_about)}</p>
            <div class="form-actions apart">
                <button
                    type="button"
                    class="button"
                    disabled=move || sending.pending()
                    on:click=move |_| sending.post(path.clone(), &RefitConfig::default())
                >
                    {t!(i18n, share.refit)}
                </button>
                {live(made)}
            </div>
            <Refusal error=sending.error()/>
        }
    });
    view! {
        <Panel id="share" full=true title=t!(i18n, share.title) about=t!(i18n, share.about)>
            <div class="form-actions spaced">{links.into_iter().collect::<Vec<_>>()}</div>
            {refit}
        </Panel>
    }
}
