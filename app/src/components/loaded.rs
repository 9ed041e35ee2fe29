//! A page's data: waiting for it, showing it, and what went wrong.

use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::backend::BackendError;
use crate::components::error::ErrorNotice;
use crate::language::{t, use_i18n};

/// Shows what a resource brings. After a failed reload the last good answer stays, under the error.
#[component]
pub(crate) fn Loaded<T, F>(resource: Resource<Result<T, BackendError>>, show: F) -> impl IntoView
where
    T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static,
    F: Fn(T) -> AnyView + Send + Sync + 'static,
{
    let i18n = use_i18n();
    let last_good = StoredValue::<Option<T>>::new(None);
    let retry = Callback::new(move |()| resource.refetch());
    let content = move || {
        resource.get().map(|answer| {
            let error = match answer {
                Ok(good) => {
                    last_good.set_value(Some(good));
                    None
                }
                Err(error) => Some(error),
            };
            let shown = last_good.get_value();
            let stale = shown.is_some();
            view! {
                {error.map(|error| view! { <ErrorNotice error stale retry/> })}
                {shown.map(&show)}
            }
            .into_any()
        })
    };
    let waiting = move || {
        view! {
            <div aria-busy="true">
                <p class="unseen" role="status">{t!(i18n, loading)}</p>
                <div class="panel skeleton" aria-hidden="true"></div>
                <div class="panel skeleton" aria-hidden="true"></div>
            </div>
        }
        .into_any()
    };
    view! { <Transition fallback=waiting>{content}</Transition> }.into_any()
}

/// One segment of a path, whatever stands in it.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_never_leaves_its_place() {
        assert_eq!(segment("fu-ma_1.0"), "fu-ma_1.0");
        assert_eq!(segment("a/b?c#d"), "a%2Fb%3Fc%23d");
        assert_eq!(segment("福"), "%E7%A6%8F");
    }
}
