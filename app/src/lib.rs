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

pub mod backend;
#[cfg(feature = "hydrate")]
mod browser;
mod components;
mod frame;
mod language;
mod pages;
pub mod visitor;

use leptos::prelude::*;
use leptos_meta::{Link, MetaTags, Stylesheet, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, StaticSegment};

use crate::frame::Frame;
use crate::language::Languages;
use crate::pages::home::HomePage;
use crate::pages::missing::MissingPage;
use crate::pages::setup::SetupPage;
use crate::pages::sign_in::SignInPage;

/// The document around the pages. `lang` and `dir` of `<html>` follow the reader's language.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
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
    view! {
        <Stylesheet id="style" href="/pkg/app.css"/>
        <Link rel="icon" type_="image/svg+xml" href="/pkg/favicon.svg"/>
        <Languages>
            <Router>
                <Frame>
                    <Routes fallback=MissingPage>
                        // The whole page in one answer: it reads the same with scripts off.
                        <Route path=StaticSegment("") view=HomePage ssr=SsrMode::Async/>
                        <Route path=StaticSegment("sign-in") view=SignInPage ssr=SsrMode::Async/>
                        <Route path=StaticSegment("setup") view=SetupPage ssr=SsrMode::Async/>
                    </Routes>
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
    leptos::mount::hydrate_body(App);
}
