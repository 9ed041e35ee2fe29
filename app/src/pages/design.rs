//! The pieces of the pages in all their states, for those who work on them: in development only, without scripts, so that
//! a browser never loads a byte for it.

use domain::gate::verdict::VerdictState;
use domain::job::{JobState, Stage};
use leptos::html::Input;
use leptos::prelude::*;

use crate::backend::BackendError;
use crate::components::charts::bound::BoundBar;
use crate::components::charts::line::{Axis, Band, LineChart, Lines, Marker, Series, Size};
use crate::components::charts::matrix::{Counts, Matrix};
use crate::components::error::{ErrorNotice, Refusal};
use crate::components::form::{Field, Submit};
use crate::components::hour::TimeLeft;
use crate::components::job::{StageName, StateTag};
use crate::components::panel::{Empty, Panel};
use crate::components::table::{Column, DataTable};
use crate::components::time::Ago;
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{LanguageSwitch, Languages};

const MINUTE_US: i64 = 60_000_000;
const VERDICTS: [VerdictState; 3] = [VerdictState::Pass, VerdictState::Unproven, VerdictState::Fail];
/// Colours of `style/tokens.css`; each has a class `swatch-…`.
const COLOURS: [&str; 15] = [
    "bg",
    "panel",
    "sunk",
    "line",
    "ink",
    "ink-2",
    "ink-3",
    "accent",
    "good",
    "warn",
    "bad",
    "good-bg",
    "warn-bg",
    "bad-bg",
    "candidate",
];

/// The whole document. `scheme` is `light` or `dark`; anything else leaves it to the browser.
#[must_use]
pub fn design(scheme: &str) -> AnyView {
    let class = match scheme {
        "light" => "scheme-light",
        "dark" => "scheme-dark",
        _ => "",
    };
    view! {
        <!DOCTYPE html>
        <html lang="en" class=class>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <title>"Design · Rehead"</title>
                <link rel="stylesheet" href="/pkg/app.css"/>
                <link rel="icon" type="image/svg+xml" href="/pkg/favicon.svg"/>
            </head>
            <body>
                <Languages>
                    <main class="frame-main">
                        <div class="page-head">
                            <div>
                                <p class="crumb">"In development only"</p>
                                <h1>"Pieces and their states"</h1>
                            </div>
                            <nav class="page-actions" aria-label="Colour scheme">
                                <a class="button" href="/design?scheme=light">"Light"</a>
                                <a class="button" href="/design?scheme=dark">"Dark"</a>
                                <a class="button" href="/design">"As the browser wants"</a>
                            </nav>
                        </div>
                        <div class="stack">
                            <Tokens/>
                            <Words/>
                            <Messages/>
                            <Forms/>
                            <Tables/>
                            <Charts/>
                        </div>
                    </main>
                </Languages>
            </body>
        </html>
    }
}

#[component]
fn Tokens() -> impl IntoView {
    let swatches: Vec<_> = COLOURS
        .iter()
        .map(|name| {
            view! { <li class="swatch"><span class=format!("swatch-colour swatch-{name}")></span><code>{*name}</code></li> }
        })
        .collect();
    view! {
        <Panel id="tokens" title="Colours and type".into_any() about="style/tokens.css".into_any()>
            <ul class="swatches">{swatches}</ul>
            <h1>"Title of a page"</h1>
            <h2>"Title of a panel"</h2>
            <h3>"Title of a part"</h3>
            <p class="sentence">
                "Text, as long as a line may be: one sentence that a product manager understands, then the numbers, then the "
                "proof. " <a href="/design">"A link"</a> " and " <code>"a name for programs"</code> "."
            </p>
            <p class="dim">"What is good to know."</p>
        </Panel>
    }
}

#[component]
fn Words() -> impl IntoView {
    let verdicts: Vec<_> = VERDICTS
        .into_iter()
        .map(|state| view! { <VerdictTag state/> " " })
        .collect();
    let states: Vec<_> = JobState::ALL
        .into_iter()
        .map(|state| view! { <StateTag state/> " " })
        .collect();
    let now = Signal::stored(90 * MINUTE_US);
    view! {
        <Panel id="words" title="Words with a colour, buttons, time".into_any() about="Never the colour alone".into_any()>
            <p class="spaced">{verdicts}</p>
            <p class="spaced">{states}</p>
            <p class="form-actions spaced">
                <button type="button" class="button primary">"What one comes for"</button>
                <button type="button" class="button">"Another way"</button>
                <button type="button" class="button" disabled>"Not now"</button>
                <button type="button" class="button primary" disabled>"On its way …"</button>
            </p>
            <p class="form-actions">
                <button type="button" class="chip" aria-pressed="true">"chosen"</button>
                <button type="button" class="chip" aria-pressed="false">"to choose"</button>
                <LanguageSwitch/>
            </p>
            <TimeLeft due_us=131 * MINUTE_US now/>
            <TimeLeft due_us=88 * MINUTE_US now/>
            <p class="dim"><Ago at_us=0 now/></p>
        </Panel>
    }
}

#[component]
fn Messages() -> impl IntoView {
    let banners: Vec<_> = VERDICTS
        .into_iter()
        .map(|state| {
            view! {
                <div class=format!("banner {}", state.as_str())>
                    <div class="banner-text">
                        <p class="banner-title">{format!("The verdict is {}", state.as_str())}</p>
                        <p>"And why, in one sentence."</p>
                    </div>
                    <div class="banner-actions"><button type="button" class="button primary">"Publish"</button></div>
                </div>
            }
        })
        .collect();
    let refused = BackendError::from_answer(
        409,
        r#"{"type":"/problems/conflict","title":"Conflict","status":409,"detail":"somebody was faster","request_id":"r-1"}"#,
    );
    let gone = BackendError::unreachable("connection refused");
    let retry = Callback::new(|()| ());
    view! {
        <Panel id="messages" title="What is said".into_any() about="Verdicts, errors, nothing yet, waiting, offline".into_any()>
            {banners}
            <ErrorNotice error=gone stale=false retry/>
            <ErrorNotice error=refused.clone() stale=true retry/>
            <Refusal error=Signal::stored(Some(refused))/>
            <p class="flag spaced"><strong>"Take care: "</strong> "something is unusual."</p>
            <p class="note">"What somebody wrote beside a release."</p>
            <Empty text="There is nothing here yet.".into_any() command="rehead jobs list"/>
            <div aria-busy="true"><div class="panel skeleton" aria-hidden="true"></div></div>
        </Panel>
    }
}

#[component]
fn Forms() -> impl IntoView {
    let form = Submit::new();
    let input = NodeRef::<Input>::new();
    let stages: Vec<_> = [(Stage::Fetch, "done"), (Stage::Extract, "current"), (Stage::Train, "")]
        .into_iter()
        .map(|(stage, class)| {
            let progress = (class == "current").then(|| view! { <progress class="progress" max="100" value="40" aria-label="40 %"></progress> });
            view! { <li class=format!("stage {class}")><span class="stage-name"><StageName stage/></span>{progress}</li> }
        })
        .collect();
    view! {
        <Panel id="forms" title="Forms and progress".into_any() about="Plain, with a hint, fixed, wrong".into_any()>
            <Field id="plain" label="A name".into_any() kind="text" autocomplete="off" input form/>
            <Field
                id="hinted"
                label="A password".into_any()
                kind="password"
                autocomplete="off"
                input=NodeRef::new()
                hint="Twelve letters or more.".into_any()
                form
            />
            <Field
                id="fixed"
                label="What stands".into_any()
                kind="text"
                autocomplete="off"
                input=NodeRef::new()
                fixed=Some("ann".to_owned())
                form
            />
            <label class="field">
                "A threshold"
                <input type="number" value="1.2" aria-invalid="true" aria-describedby="wrong"/>
                <span id="wrong" class="wrong">"Between 0 and 1."</span>
            </label>
            <label class="check"><input type="checkbox" checked/> "All of it is proof"</label>
            <div class="drop">"Drop photos here"</div>
            <div class="drop over">"Let go now"</div>
            <ol class="stages">{stages}</ol>
        </Panel>
    }
}

#[component]
fn Tables() -> impl IntoView {
    let rows = |folded: bool| {
        let rows: Vec<_> = VERDICTS
            .into_iter()
            .zip([0.02, 0.09, 0.19])
            .map(|(state, bound)| {
                let head = folded.then_some("bound");
                view! {
                    <tr>
                        <th scope="row">{state.as_str()}</th>
                        <td class="wide-cell" data-head=head>
                            <span class="bound-cell">
                                <BoundBar bound limit=0.1 full=0.2 state label=format!("at most {bound} of 0.1")/>
                            </span>
                        </td>
                        <td class="state-cell"><VerdictTag state/></td>
                    </tr>
                }
            })
            .collect();
        rows.into_any()
    };
    let columns = || {
        vec![
            Column::text("class".into_any()),
            Column::text("bound".into_any()),
            Column::unseen("verdict".into_any()),
        ]
    };
    view! {
        <Panel id="tables" title="Tables".into_any() about="Bars against a limit; the second folds on a phone".into_any()>
            <DataTable labelled_by="tables-title" columns=columns() rows=rows(false)/>
            <DataTable labelled_by="tables-title" columns=columns() rows=rows(true) folds=true/>
            <DataTable labelled_by="tables-title" columns=columns() rows=().into_any()/>
        </Panel>
    }
}

#[component]
fn Charts() -> impl IntoView {
    let lines = |size, n: u32| Lines {
        title: "precision against recall".to_owned(),
        x: Axis::new("recall, %".to_owned(), 0.0, 100.0, 50.0),
        y: Axis::new("precision, %".to_owned(), 0.0, 100.0, 50.0),
        series: ["candidate", "baseline", "ghost", "line-2", "line-3", "line-4", "line-5"]
            .iter()
            .take(n as usize)
            .zip(0_u32..)
            .map(|(style, idx)| Series {
                name: (*style).to_owned(),
                style: (*style).to_owned(),
                points: (0_u32..=20)
                    .map(|step| {
                        let recall = f64::from(step) * 5.0;
                        (recall, 100.0 - (recall / 100.0).powi(6) * 60.0 - f64::from(idx) * 6.0)
                    })
                    .collect(),
            })
            .collect(),
        bands: vec![Band { from: 60.0, to: 80.0 }],
        size,
    };
    let marker = Marker {
        x: 70.0,
        y: 93.0,
        text: "τ 0.900".to_owned(),
    };
    let counts = Counts {
        rows: vec!["fu".to_owned(), "lu".to_owned(), "a class with a long name".to_owned()],
        columns: vec![
            "fu".to_owned(),
            "lu".to_owned(),
            "a class with a long name".to_owned(),
            "unknown".to_owned(),
        ],
        counts: vec![vec![140, 0, 2, 8], vec![1, 75, 40, 34], vec![0, 0, 0, 0]],
    };
    let nothing = Lines {
        series: Vec::new(),
        bands: Vec::new(),
        ..lines(Size::SMALL, 0)
    };
    view! {
        <Panel id="charts" title="Charts".into_any() about="Lines with a band and a marker, many small ones, a matrix".into_any()>
            <LineChart lines=lines(Size::LARGE, 3) marker=Signal::stored(Some(marker))/>
            <div class="multiples">
                <div class="multiple"><h3>"two"</h3><LineChart lines=lines(Size::SMALL, 2) marker=Signal::stored(None)/></div>
                <div class="multiple"><h3>"seven"</h3><LineChart lines=lines(Size::SMALL, 7) marker=Signal::stored(None)/></div>
                <div class="multiple"><h3>"none"</h3><LineChart lines=nothing marker=Signal::stored(None)/></div>
            </div>
            <Matrix counts=Signal::stored(counts) chosen=RwSignal::new(Some((1, 2)))/>
        </Panel>
    }
}
