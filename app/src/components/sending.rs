//! What a person asks the server to do: on its way, refused, or done.

use leptos::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{BackendError, read, use_backend, written};

#[derive(Clone, Debug)]
struct Wish {
    path: String,
    body: String,
    way: Way,
}

/// Which method of HTTP a wish travels by.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Makes something.
    Post,
    /// Changes part of something.
    Patch,
    /// Says what is to be there.
    Put,
}

type Sent = Action<Wish, Result<String, BackendError>>;

/// One button's way to the server.
#[derive(Clone, Copy)]
pub(crate) struct Sending(Sent);

impl Sending {
    /// Nothing has been asked yet.
    pub(crate) fn new() -> Self {
        let backend = use_backend();
        Self(Action::new(move |wish: &Wish| {
            let (path, body) = (wish.path.clone(), wish.body.clone());
            match wish.way {
                Way::Post => backend.post(path, body),
                Way::Patch => backend.patch(path, body),
                Way::Put => backend.put(path, body),
            }
        }))
    }

    /// As [`Sending::new`]; `done` runs after each success.
    pub(crate) fn then(done: Callback<()>) -> Self {
        let sending = Self::new();
        Effect::new(move |_| {
            if sending.0.value().with(|answer| matches!(answer, Some(Ok(_)))) {
                done.run(());
            }
        });
        sending
    }

    /// Posts `body` to `path`.
    pub(crate) fn post(self, path: String, body: &impl Serialize) {
        self.send(path, written(body), Way::Post);
    }

    /// Changes what is at `path`.
    pub(crate) fn patch(self, path: String, body: &impl Serialize) {
        self.send(path, written(body), Way::Patch);
    }

    /// Puts `body` at `path`.
    pub(crate) fn put(self, path: String, body: &impl Serialize) {
        self.send(path, written(body), Way::Put);
    }

    fn send(self, path: String, body: String, way: Way) {
        self.0.dispatch(Wish { path, body, way });
    }

    /// An answer is on its way.
    pub(crate) fn pending(self) -> bool {
        self.0.pending().get()
    }

    /// Why the last one was refused.
    pub(crate) fn error(self) -> Signal<Option<BackendError>> {
        Signal::derive(move || self.0.value().get().and_then(Result::err))
    }

    /// What the last success brought.
    pub(crate) fn answer<T: DeserializeOwned>(self) -> Option<T> {
        let text = self.0.value().get()?.ok()?;
        read("the server", &text).ok()
    }
}

/// Keeps why the last one was refused in `refused`, which outlives the form; where somebody was faster, what has changed is
/// asked for again.
pub(crate) fn refreshed(sending: Sending, refused: RwSignal<Option<BackendError>>, reload: Callback<()>) {
    Effect::new(move |_| {
        if let Some(error) = sending.error().get() {
            let is_stale = error.status == 409;
            refused.set(Some(error));
            if is_stale {
                reload.run(());
            }
        }
    });
}
