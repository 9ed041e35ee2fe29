//! The pages of Rehead: rendered on the server, alive in the browser.
//!
//! Owns: what a person sees and the words it is said in. Refuses to know: databases, HTTP servers and how models are
//! made; everything comes through [`backend::Backend`] as types of `domain`.

// The type of a rendered page nests as deep as the page does.
#![recursion_limit = "512"]
#![expect(
    unreachable_pub,
    reason = "the component macro makes the items of crate-visible components public"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "a component's properties outlive the call that makes it"
)]

pub mod backend;
#[cfg(feature = "hydrate")]
mod browser;
mod components;
mod frame;
mod language;
mod pages;
mod pieces;
pub mod visitor;

#[cfg(all(feature = "ssr", debug_assertions))]
pub use pages::design::design;

use leptos::prelude::*;
use leptos_meta::{MetaTags, provide_meta_context};
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::{SsrMode, path};

use crate::components::view;
use crate::frame::Frame;
use crate::language::Languages;
use crate::pages::datasets::upload::Shared;
use crate::pages::home::HomePage;
use crate::pages::missing::MissingPage;
use crate::pieces::Later;

/// The document around the pages. `lang` and `dir` of `<html>` follow the reader's language.
pub fn shell(options: LeptosOptions) -> AnyView {
    view! {
        <!DOCTYPE html>
        <html>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="stylesheet" href="/pkg/app.css"/>
                <link rel="icon" type="image/svg+xml" href="/pkg/favicon.svg"/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// All pages. The server gives the [`backend::SharedBackend`] by context; in the browser it is `fetch`.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    #[cfg(feature = "hydrate")]
    provide_context::<backend::SharedBackend>(std::sync::Arc::new(browser::Fetch));
    provide_context(Shared::new());
    view! {
        <Languages>
            <Router>
                <Frame>
                    <FlatRoutes fallback=MissingPage>
                        // The whole page in one answer: it reads the same with scripts off.
                        <Route path=path!("/") view=HomePage ssr=SsrMode::Async/>
                        <Route path=path!("/datasets") view=Later::Datasets ssr=SsrMode::Async/>
                        <Route path=path!("/datasets/:name") view=Later::Dataset ssr=SsrMode::Async/>
                        <Route path=path!("/jobs") view=Later::Jobs ssr=SsrMode::Async/>
                        <Route path=path!("/jobs/:id") view=Later::Job ssr=SsrMode::Async/>
                        <Route path=path!("/models") view=Later::Models ssr=SsrMode::Async/>
                        <Route path=path!("/models/:id") view=Later::Review ssr=SsrMode::Async/>
                        <Route path=path!("/compare") view=Later::Compare ssr=SsrMode::Async/>
                        <Route path=path!("/policies") view=Later::Policies ssr=SsrMode::Async/>
                        <Route path=path!("/releases") view=Later::Releases ssr=SsrMode::Async/>
                        <Route path=path!("/sign-in") view=Later::SignIn ssr=SsrMode::Async/>
                        <Route path=path!("/setup") view=Later::Setup ssr=SsrMode::Async/>
                    </FlatRoutes>
                </Frame>
            </Router>
        </Languages>
    }
}

/// Takes over the page that the server rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(async {
        let path = location().pathname().unwrap_or_default();
        // Without its piece the page stays as the server sent it.
        if pieces::load(&path).await.is_err() {
            return;
        }
        leptos::mount::hydrate_body(App);
        // For tests, and for styles of what works with scripts only.
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-alive", "true");
        }
    });
}
