//! Pages that are not in what a browser loads first: their part of the program comes when the first of them is opened.
//!
//! Owns: which page is in which piece. Refuses to know: the addresses of the pages, but for their beginning.
//!
//! There are few pieces, because what two of them share is a file of its own, and so is what any three share.

use std::future::Future;

use leptos::prelude::*;
use leptos_router::ChooseView;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use crate::backend::BackendError;
use crate::components::error::ErrorNotice;
use crate::components::view;
use crate::pages::compare::ComparePage;
use crate::pages::datasets::{DatasetPage, DatasetsPage};
use crate::pages::job::JobPage;
use crate::pages::jobs::JobsPage;
use crate::pages::models::ModelsPage;
use crate::pages::policies::PoliciesPage;
use crate::pages::releases::ReleasesPage;
use crate::pages::review::ReviewPage;
use crate::pages::setup::SetupPage;
use crate::pages::sign_in::SignInPage;

/// A page that comes in a piece, as a route takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Later {
    Compare,
    Dataset,
    Datasets,
    Job,
    Jobs,
    Models,
    Policies,
    Releases,
    Review,
    Setup,
    SignIn,
}

impl ChooseView for Later {
    async fn choose(self) -> AnyView {
        self.come().await.unwrap_or_else(|_| absent())
    }

    fn preload(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

impl Later {
    async fn come(self) -> Shown {
        match self {
            Self::Dataset | Self::Datasets => datasets(self).await,
            Self::Job | Self::Jobs => jobs(self).await,
            Self::Compare => compare(self).await,
            Self::Review => review(self).await,
            Self::Models | Self::Policies | Self::Releases | Self::Setup | Self::SignIn => rest(self).await,
        }
    }
}

type Shown = Result<AnyView, SplitLoaderError>;

// One function a piece: each remembers for itself whether its piece has come. None may name a page of another piece.

#[wasm_split(datasets, fallible, preload(load_datasets))]
fn datasets(page: Later) -> Shown {
    announce("datasets");
    Ok(match page {
        Later::Dataset => view! { <DatasetPage/> },
        _ => view! { <DatasetsPage/> },
    })
}

#[wasm_split(jobs, fallible, preload(load_jobs))]
fn jobs(page: Later) -> Shown {
    announce("jobs");
    Ok(match page {
        Later::Job => view! { <JobPage/> },
        _ => view! { <JobsPage/> },
    })
}

#[wasm_split(review, fallible, preload(load_review))]
fn review(_page: Later) -> Shown {
    announce("review");
    Ok(view! { <ReviewPage/> })
}

#[wasm_split(compare, fallible, preload(load_compare))]
fn compare(_page: Later) -> Shown {
    announce("compare");
    Ok(view! { <ComparePage/> })
}

#[wasm_split(rest, fallible, preload(load_rest))]
fn rest(page: Later) -> Shown {
    announce("rest");
    Ok(match page {
        Later::Models => view! { <ModelsPage/> },
        Later::Policies => view! { <PoliciesPage/> },
        Later::Releases => view! { <ReleasesPage/> },
        Later::Setup => view! { <SetupPage/> },
        _ => view! { <SignInPage/> },
    })
}

/// The server names the piece in the head of the document, so that it comes beside the rest of the program.
#[cfg(feature = "ssr")]
fn announce(piece: &'static str) {
    leptos::prefetch_lazy_fn_on_server(piece);
}

/// A piece that runs has come.
#[cfg(not(feature = "ssr"))]
const fn announce(_piece: &'static str) {}

/// The line broke, or the server has a newer program than this one: a reload brings what there is.
fn absent() -> AnyView {
    let error = BackendError::unreachable("a part of this page did not come");
    let retry = Callback::new(|()| {
        let _ = window().location().reload();
    });
    view! { <ErrorNotice error stale=false retry/> }
}

/// Brings the piece of the page that the server rendered: the browser takes that over in one go, and cannot wait then.
///
/// # Errors
/// It did not come.
#[cfg(feature = "hydrate")]
pub(crate) async fn load(path: &str) -> Result<(), SplitLoaderError> {
    let mut segments = path.split('/').skip(1).filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next()) {
        (Some("datasets"), _) => load_datasets().await,
        (Some("jobs"), _) => load_jobs().await,
        (Some("compare"), _) => load_compare().await,
        (Some("models"), Some(_)) => load_review().await,
        (Some("models" | "policies" | "releases" | "setup" | "sign-in"), None) => load_rest().await,
        _ => Ok(()),
    }
}
