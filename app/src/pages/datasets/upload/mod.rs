//! Photos on their way into a dataset: what was dropped, what each folder is called, and how far it is.

#[cfg(feature = "hydrate")]
mod send;

use domain::api::LeftOut;
use domain::names::ClassName;
use leptos::attr::custom::custom_attribute;
use leptos::ev::{DragEvent, Event};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_router::hooks::{use_navigate, use_query_map};

use crate::backend::BackendError;
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::number::bytes;
use crate::components::panel::Panel;
use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

/// Files of one folder, and the class that they are to be.
#[derive(Clone, Copy, Debug)]
struct Folder {
    /// Its name as it came; none for files that lay in no folder.
    name: StoredValue<Option<String>>,
    class: RwSignal<String>,
    n_files: usize,
    kept: RwSignal<bool>,
}

/// How far an upload is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sending {
    phase: Phase,
    done: usize,
    total: usize,
    sent_bytes: u64,
    total_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "hydrate"),
    expect(
        dead_code,
        reason = "only a browser has files, so on the server every upload is idle"
    )
)]
enum Phase {
    #[default]
    Idle,
    Reading,
    Hashing,
    Sending,
    Making,
    Done,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Summary {
    dataset: String,
    n_images: i64,
    version: i64,
    n_known: usize,
    left_out: Vec<LeftOut>,
}

/// Everything that the page and the upload share.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    /// The dataset's page that it is from; empty for a new one.
    to: RwSignal<String>,
    folders: RwSignal<Vec<Folder>>,
    sending: RwSignal<Sending>,
    summary: RwSignal<Option<Summary>>,
    error: RwSignal<Option<BackendError>>,
    stop: RwSignal<bool>,
    proof_only: RwSignal<bool>,
}

impl Shared {
    /// What every page shares, so that an upload goes on while its person looks at others.
    pub(crate) fn new() -> Self {
        Self {
            to: RwSignal::new(String::new()),
            folders: RwSignal::new(Vec::new()),
            sending: RwSignal::new(Sending::default()),
            summary: RwSignal::new(None),
            error: RwSignal::new(None),
            stop: RwSignal::new(false),
            proof_only: RwSignal::new(false),
        }
    }

    /// Files are being read or sent.
    fn is_busy(&self) -> bool {
        !matches!(self.sending.read().phase, Phase::Idle | Phase::Done)
    }

    /// Forgets what was left on another dataset's page, unless it is on its way.
    fn begin(&self, to: &str, proof_only: bool) {
        if !untrack(|| self.is_busy()) && self.to.with_untracked(|before| before != to) {
            self.to.set(to.to_owned());
            self.folders.set(Vec::new());
            self.sending.set(Sending::default());
            self.summary.set(None);
            self.error.set(None);
            self.proof_only.set(false);
        }
        if proof_only && !untrack(|| self.is_busy()) {
            self.proof_only.set(true);
        }
    }
}

/// A place to drop photos: for this dataset, or for a new one.
#[component]
pub(crate) fn Upload(dataset: Option<String>, done: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let shared = use_context::<Shared>().unwrap_or_else(Shared::new);
    let is_new = dataset.is_none();
    let own = dataset.clone().unwrap_or_default();
    // Whoever comes for the proof of an open verdict (`?proof=1`) has the photos sealed, unless they say otherwise.
    let proof_only = use_query_map().with_untracked(|query| query.get("proof").is_some());
    shared.begin(&own, proof_only);
    let name = RwSignal::new(dataset.unwrap_or_default());
    let over = RwSignal::new(false);
    let navigate = use_navigate();
    Effect::new(move |_| {
        let mine = shared.to.with_untracked(|to| *to == own);
        if let Some(summary) = shared.summary.get().filter(|_| mine) {
            if is_new {
                navigate(&format!("/datasets/{}", segment(&summary.dataset)), Default::default());
            } else {
                done.run(());
            }
        }
    });
    let drop = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        take_drop(&event, shared);
    };
    let busy = move || shared.is_busy();
    let n_kept = move || {
        let folders = shared.folders.read();
        folders
            .iter()
            .filter(|folder| folder.kept.get())
            .map(|folder| folder.n_files)
            .sum::<usize>()
    };
    let ready = move || {
        let folders = shared.folders.read();
        let kept = || folders.iter().filter(|folder| folder.kept.get());
        !busy()
            && kept().count() > 0
            && kept().all(|folder| ClassName::new(folder.class.get()).is_ok())
            && !name.read().is_empty()
    };
    view! {
        <Panel id="upload" title=t!(i18n, upload.title) about=t!(i18n, upload.about)>
            {is_new
                .then(|| {
                    view! {
                        <label class="field">
                            <span>{t!(i18n, upload.name)}</span>
                            <input
                                type="text"
                                maxlength="100"
                                placeholder=move || t_string!(i18n, upload.name_hint)
                                prop:value=move || name.get()
                                on:input=move |event| name.set(event_target_value(&event))
                            />
                        </label>
                    }
                })}
            <div
                class="drop"
                class:over=move || over.get()
                on:dragover=move |event| {
                    event.prevent_default();
                    over.set(true);
                }
                on:dragleave=move |_| over.set(false)
                on:drop=drop
            >
                <p>{t!(i18n, upload.drop)}</p>
                <div class="drop-choices">
                    <label class="button">
                        {t!(i18n, upload.files)}
                        <input
                            class="unseen"
                            id="upload-files"
                            type="file"
                            multiple
                            accept="image/jpeg,image/png,image/webp,.zip"
                            on:change=move |event| take_chosen(&event, shared)
                        />
                    </label>
                    <label class="button">
                        {t!(i18n, upload.folder)}
                        <input
                            class="unseen"
                            id="upload-folder"
                            type="file"
                            multiple
                            {..custom_attribute("webkitdirectory", "")}
                            on:change=move |event| take_chosen(&event, shared)
                        />
                    </label>
                </div>
            </div>
            <Folders shared/>
            {move || {
                (!shared.folders.read().is_empty())
                    .then(|| {
                        view! {
                            <label class="check">
                                <input
                                    type="checkbox"
                                    prop:checked=move || shared.proof_only.get()
                                    on:change=move |event| shared.proof_only.set(event_target_checked(&event))
                                />
                                <span>{t!(i18n, upload.proof_only)}</span>
                            </label>
                            <div class="form-actions">
                                <button
                                    type="button"
                                    class="button primary"
                                    disabled=move || !ready()
                                    on:click=move |_| start(name.get_untracked(), is_new, shared)
                                >
                                    {move || t!(i18n, upload.send, n = n_kept())}
                                </button>
                                {move || {
                                    busy()
                                        .then(|| {
                                            view! {
                                                <button type="button" class="button" on:click=move |_| shared.stop.set(true)>
                                                    {t!(i18n, upload.stop)}
                                                </button>
                                            }
                                        })
                                }}
                            </div>
                        }
                    })
            }}
            <Progress shared/>
            <Refusal error=shared.error/>
            <Ended shared/>
            <p class="dim">{t!(i18n, upload.resume)}</p>
        </Panel>
    }
}

/// What was found, one row a folder.
#[component]
fn Folders(shared: Shared) -> impl IntoView {
    let i18n = use_i18n();
    let rows =
        move || {
            shared
            .folders
            .get()
            .into_iter()
            .map(|folder| {
                let label = move || {
                    let name = folder.name.get_value().unwrap_or_else(|| t_string!(i18n, upload.no_class).to_string());
                    filled(t_string!(i18n, upload.rename), &[("class", &name)])
                };
                let wrong = move || ClassName::new(folder.class.get()).err().map(|error| error.to_string());
                view! {
                    <tr class:left-out=move || !folder.kept.get()>
                        <td>
                            <input
                                type="text"
                                aria-label=label
                                aria-invalid=move || wrong().is_some().to_string()
                                prop:value=move || folder.class.get()
                                on:input=move |event| folder.class.set(event_target_value(&event))
                            />
                            {move || {
                                wrong()
                                    .filter(|_| folder.kept.get())
                                    .map(|why| view! { <p class="wrong">{t!(i18n, upload.bad_class, why = why)}</p> })
                            }}
                        </td>
                        <td class="n">{folder.n_files}</td>
                        <td>
                            <label class="check">
                                <input
                                    type="checkbox"
                                    prop:checked=move || !folder.kept.get()
                                    on:change=move |event| folder.kept.set(!event_target_checked(&event))
                                />
                                <span>{t!(i18n, upload.remove)}</span>
                            </label>
                        </td>
                    </tr>
                }
            })
            .collect::<Vec<_>>()
        };
    live(move || {
        (!shared.folders.read().is_empty()).then(|| {
            view! {
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, upload.class)}</th>
                            <th scope="col" class="n">{t!(i18n, upload.photos)}</th>
                            <th scope="col"><span class="unseen">{t!(i18n, upload.remove)}</span></th>
                        </tr>
                    </thead>
                    <tbody>{live(rows)}</tbody>
                </table>
            }
        })
    })
}

#[component]
fn Progress(shared: Shared) -> impl IntoView {
    let i18n = use_i18n();
    let word = move || match shared.sending.read().phase {
        Phase::Idle | Phase::Done => ().into_any(),
        Phase::Reading => {
            let n = shared.sending.read().total;
            t!(i18n, upload.reading, n = n)
        }
        Phase::Hashing => t!(i18n, upload.hashing),
        Phase::Sending => t!(i18n, upload.sending),
        Phase::Making => t!(i18n, upload.making),
    };
    let bar = move || {
        let sending = shared.sending.get();
        matches!(sending.phase, Phase::Hashing | Phase::Sending).then(|| {
            let (done, total) = (sending.done, sending.total);
            let (sent, all) = (bytes(sending.sent_bytes), bytes(sending.total_bytes));
            view! {
                <progress id="upload-progress" max=total.max(1) value=done></progress>
                <label for="upload-progress">
                    {t!(i18n, upload.progress, done = done, total = total, sent = sent, bytes = all)}
                </label>
            }
        })
    };
    view! { <div class="progress" aria-live="polite"><p>{live(word)}</p>{live(bar)}</div> }
}

#[component]
fn Ended(shared: Shared) -> impl IntoView {
    let i18n = use_i18n();
    live(move || {
        shared.summary.get().map(|summary| {
            let (n, version, known) = (summary.n_images, summary.version, summary.n_known);
            let left_out: Vec<_> = summary
                .left_out
                .iter()
                .map(|file| view! { <li><b>{file.name.clone()}</b> " " <span lang="en">{file.reason.clone()}</span></li> })
                .collect();
            let n_left_out = left_out.len();
            view! {
                <p class="sentence" role="status">
                    {t!(i18n, upload.done, n = n, version = version)}
                    " "
                    {(known > 0).then(|| t!(i18n, upload.skipped, n = known))}
                </p>
                {(n_left_out > 0)
                    .then(|| {
                        view! {
                            <details>
                                <summary>{t!(i18n, upload.left_out, n = n_left_out)}</summary>
                                <ul class="rows">{left_out}</ul>
                            </details>
                        }
                    })}
            }
        })
    })
}

#[cfg(feature = "hydrate")]
fn take_drop(event: &DragEvent, shared: Shared) {
    send::take_drop(event, shared);
}

#[cfg(feature = "hydrate")]
fn take_chosen(event: &Event, shared: Shared) {
    send::take_chosen(event, shared);
}

#[cfg(feature = "hydrate")]
fn start(name: String, is_new: bool, shared: Shared) {
    send::start(name, is_new, shared);
}

// The server renders the place; only a browser has files.
#[cfg(not(feature = "hydrate"))]
const fn take_drop(_event: &DragEvent, _shared: Shared) {}

#[cfg(not(feature = "hydrate"))]
const fn take_chosen(_event: &Event, _shared: Shared) {}

#[cfg(not(feature = "hydrate"))]
fn start(name: String, _is_new: bool, shared: Shared) {
    drop((name, shared.stop));
}
