//! Small pieces that pages are made of; pure functions of domain types.

pub(crate) mod charts;
pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod hour;
pub(crate) mod job;
pub(crate) mod loaded;
pub(crate) mod number;
pub(crate) mod panel;
pub(crate) mod photos;
pub(crate) mod sending;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod verdict;

use std::sync::{Arc, Mutex};

use leptos::prelude::*;

/// leptos' `view!`, its type forgotten: each type of view has a copy of all that rendering does, and with hundreds of them
/// the page would be twice as large.
macro_rules! view {
    ($($markup:tt)*) => {
        ::leptos::prelude::IntoAny::into_any(::leptos::prelude::view! { $($markup)* }.into_inner())
    };
}
pub(crate) use view;

/// A part of a page that follows what it reads; all of them are of one type.
pub(crate) fn live<V: IntoAny>(show: impl Fn() -> V + Send + 'static) -> AnyView {
    let show: Arc<Mutex<dyn FnMut() -> AnyView + Send>> = Arc::new(Mutex::new(move || show().into_any()));
    show.into_any()
}

/// The end of an identifier: enough for a person to tell two apart. (Identifiers begin with their time.)
pub(crate) fn short(id: &str) -> String {
    let skipped = id.chars().count().saturating_sub(8);
    id.chars().skip(skipped).collect()
}
