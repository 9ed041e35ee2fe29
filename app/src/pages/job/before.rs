//! Before a second is spent on training: which classes look alike, what the sealed photos can prove, how long it will take.

use domain::api::JobPatch;
use domain::forecast::{Forecast, InTime, Span, StageForecast};
use domain::gate::policy::CheckId;
use domain::job::Job;
use domain::preview::{Certificate, Collision, CollisionState, NextLook, Preview, Without};
use leptos::prelude::*;

use crate::components::check::check_name;
use crate::components::error::Refusal;
use crate::components::job::StageName;
use crate::components::loaded::segment;
use crate::components::number::{percent, percent_down, percent_up};
use crate::components::panel::Panel;
use crate::components::sending::Sending;
use crate::components::table::{Column, DataTable};
use crate::components::time::duration;
use crate::components::view;
use crate::language::{said, t, use_i18n};

/// All three, in the order in which they would stop somebody.
#[component]
pub(super) fn Before(preview: Preview, job: Job, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let (n, of) = (preview.n_seen, preview.n_wanted);
    let reading = (n < of).then(|| {
        view! { <p class="dim" role="status">{t!(i18n, before.reading, n = n, of = of)}</p> }
    });
    view! {
        {look_alikes(preview.collisions, reading)}
        {proofs(preview.certificates, preview.look, n < of)}
        {forecast(preview.forecast, preview.without, job, reload)}
    }
}

/// Why a draft could not run as it stands.
#[component]
pub(super) fn Stuck(why: String) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <Panel id="stuck" title=t!(i18n, before.stuck) about=().into_any()>
            <div class="refusal" role="alert"><p lang="en">{why}</p></div>
        </Panel>
    }
}

fn look_alikes(collisions: Vec<Collision>, reading: Option<AnyView>) -> AnyView {
    let i18n = use_i18n();
    let rows: Vec<_> = collisions.into_iter().map(look_alike).collect();
    view! {
        <Panel id="look-alikes" title=t!(i18n, before.look_alikes) about=t!(i18n, before.look_alikes_about)>
            <ul class="rows">{rows}</ul>
            {reading}
        </Panel>
    }
}

fn look_alike(collision: Collision) -> AnyView {
    let i18n = use_i18n();
    let (class, word) = match collision.state {
        CollisionState::Clear => ("tag pass", t!(i18n, before.clear)),
        CollisionState::Close => ("tag unproven", t!(i18n, before.close)),
        CollisionState::Collides => ("tag fail", t!(i18n, before.collides)),
        CollisionState::Unknown => ("tag", t!(i18n, before.unknown)),
    };
    let share = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), percent);
    let probes = collision.joint.map(|joint| {
        let (joint, mean) = (percent(joint), share(collision.nearest_mean));
        view! { <p class="dim">{t!(i18n, before.probes, joint = joint, mean = mean, n = collision.n)}</p> }
    });
    let accepted = collision.accepted.map(|accepted| {
        let (class, accepted) = (accepted.class.to_string(), percent(accepted.share));
        view! { <p class="dim">{t!(i18n, before.accepted, accepted = accepted, class = class)}</p> }
    });
    view! {
        <li class="row">
            <p class="sentence">
                <span class=class>{word}</span> " " {said(i18n, collision.sentence, collision.sentence_zh)}
            </p>
            {probes}
            {accepted}
        </li>
    }
}

fn proofs(mut certificates: Vec<Certificate>, look: NextLook, is_reading: bool) -> AnyView {
    let i18n = use_i18n();
    certificates.sort_by(|a, b| a.can_pass.cmp(&b.can_pass).then(a.n.cmp(&b.n)));
    let short = certificates.iter().filter(|certificate| !certificate.can_pass).count();
    let (n, of, more) = (look.ordinal, look.allowed, look.n_groups_missing);
    let looks = if look.can_pass {
        view! { <p class="dim">{t!(i18n, prove.look, n = n, of = of)}</p> }
    } else {
        view! { <p class="flag"><strong>{t!(i18n, prove.used_up, of = of, n = more)}</strong></p> }
    };
    let summary = if is_reading {
        view! { <p class="dim">{t!(i18n, prove.reading)}</p> }
    } else if short == 0 {
        view! { <p class="sentence">{t!(i18n, prove.enough)}</p> }
    } else {
        view! { <p class="flag"><strong>{t!(i18n, prove.short, n = short)}</strong></p> }
    };
    let rows: Vec<_> = certificates.into_iter().map(proof).collect();
    view! {
        <Panel id="prove" title=t!(i18n, prove.title) about=t!(i18n, prove.about)>
            {summary}
            {looks}
            <DataTable
                labelled_by="prove-title"
                columns=vec![
                    Column::text(t!(i18n, classes.class)),
                    Column::number(t!(i18n, prove.groups)),
                    Column::number(t!(i18n, prove.best)),
                    Column::number(t!(i18n, prove.limit)),
                    Column::unseen(t!(i18n, classes.state)),
                ]
                rows=rows.into_any()
            />
        </Panel>
    }
}

fn proof(certificate: Certificate) -> AnyView {
    let i18n = use_i18n();
    let best = match certificate.check {
        CheckId::OldClassLoss | CheckId::RecallChange | CheckId::AnchorLoss => {
            format!("≤ {} %", percent_up(certificate.bound))
        }
        _ => format!("≥ {} %", percent_down(certificate.bound)),
    };
    let what = match certificate.check {
        CheckId::OldClassLoss => t!(i18n, prove.loss),
        CheckId::RecallChange | CheckId::AnchorLoss => check_name(i18n, certificate.check),
        CheckId::NewPrecision | CheckId::ClassPrecision => t!(i18n, prove.precision),
        _ => t!(i18n, prove.recall),
    };
    let state = match (certificate.can_pass, certificate.groups_needed) {
        (true, _) => view! { <span class="tag pass">{t!(i18n, prove.can)}</span> },
        (false, Some(groups)) => view! { <span class="tag unproven">{t!(i18n, prove.more, n = groups)}</span> },
        (false, None) => view! { <span class="tag fail">{t!(i18n, prove.never)}</span> },
    };
    view! {
        <tr>
            <th scope="row">{certificate.class.to_string()} " " <span class="dim">{what}</span></th>
            <td class="n">{certificate.n}</td>
            <td class="n">{best}</td>
            <td class="n">{percent(certificate.limit)} " %"</td>
            <td>{state}</td>
        </tr>
    }
}

fn forecast(forecast: Forecast, without: Vec<Without>, job: Job, reload: Callback<()>) -> AnyView {
    let i18n = use_i18n();
    let span = |span: Span| format!("{} – {}", time(span.low_ms), time(span.high_ms));
    let total = span(forecast.total);
    let deadline = time(forecast.deadline_ms);
    let answer = match forecast.in_time {
        InTime::Yes => {
            view! { <p class="sentence">{t!(i18n, before.in_time, total = total, deadline = deadline)}</p> }
        }
        InTime::Maybe => {
            view! { <p class="flag"><strong>{t!(i18n, before.maybe, total = total, deadline = deadline)}</strong></p> }
        }
        InTime::No => {
            view! { <p class="flag"><strong>{t!(i18n, before.late, total = total, deadline = deadline)}</strong></p> }
        }
    };
    let advice = (forecast.in_time != InTime::Yes).then(|| {
        let (n, of) = (forecast.n_readable, forecast.n_missing);
        let readable = (of > 0).then(|| t!(i18n, before.readable, n = n, of = of));
        let never = forecast.enough_ms.is_none().then(|| t!(i18n, before.never));
        view! {
            <p class="dim">{never} " " {readable}</p>
            {choices(forecast.enough_ms, without, job, reload)}
        }
    });
    let rows: Vec<_> = forecast
        .stages
        .into_iter()
        .filter(|stage| stage.span.typical_ms > 0)
        .map(stage_row)
        .collect();
    view! {
        <Panel id="forecast" title=t!(i18n, before.time) about=t!(i18n, before.time_about)>
            {answer}
            {advice}
            <DataTable
                labelled_by="forecast-title"
                columns=vec![
                    Column::text(t!(i18n, stage.label)),
                    Column::number(t!(i18n, before.typical)),
                    Column::number(t!(i18n, before.nine)),
                    Column::number(t!(i18n, before.runs)),
                ]
                rows=rows.into_any()
            />
        </Panel>
    }
}

/// What would make it, each a press away.
fn choices(enough_ms: Option<u64>, without: Vec<Without>, job: Job, reload: Callback<()>) -> AnyView {
    let i18n = use_i18n();
    let sending = Sending::then(reload);
    let address = StoredValue::new(format!("/api/v1/jobs/{}", segment(&job.id.0)));
    let choose = Callback::new(move |patch: JobPatch| sending.patch(address.get_value(), &patch));
    let longer = enough_ms.map(|enough_ms| {
        let patch = JobPatch {
            deadline_ms: Some(enough_ms),
            ..JobPatch::default()
        };
        choice(
            t!(i18n, before.enough, deadline = time(enough_ms)),
            patch,
            choose,
            sending,
        )
    });
    let less: Vec<_> = without
        .into_iter()
        .map(|without| {
            let rest = job.spec.dataset_versions.iter().filter(|id| **id != without.version);
            let patch = JobPatch {
                dataset_versions: Some(rest.cloned().collect()),
                ..JobPatch::default()
            };
            let total = format!("{} – {}", time(without.total.low_ms), time(without.total.high_ms));
            let (name, n) = (without.dataset.to_string(), without.n_spared);
            let text = t!(i18n, before.without, dataset = name, n = n, total = total);
            choice(text, patch, choose, sending)
        })
        .collect();
    view! {
        <div class="form-actions">{longer} {less}</div>
        <Refusal error=sending.error()/>
    }
}

fn choice(text: AnyView, patch: JobPatch, choose: Callback<JobPatch>, sending: Sending) -> AnyView {
    view! {
        <button type="button" class="button" disabled=move || sending.pending() on:click=move |_| choose.run(patch.clone())>
            {text}
        </button>
    }
}

fn stage_row(stage: StageForecast) -> AnyView {
    let i18n = use_i18n();
    let runs = if stage.n_runs == 0 {
        t!(i18n, before.guess)
    } else {
        stage.n_runs.into_any()
    };
    view! {
        <tr>
            <th scope="row"><StageName stage=stage.stage/></th>
            <td class="n">{time(stage.span.typical_ms)}</td>
            <td class="n">{format!("{} – {}", time(stage.span.low_ms), time(stage.span.high_ms))}</td>
            <td class="n">{runs}</td>
        </tr>
    }
}

/// Stages are often over in a blink.
fn time(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    duration(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000))
}
