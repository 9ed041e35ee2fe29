//! A bound against its limit.

use domain::gate::verdict::VerdictState;
use leptos::prelude::*;

use crate::components::view;

const WIDTH: f64 = 136.0;
const HEIGHT: f64 = 16.0;

/// A bar as long as `bound`, with a mark at `limit`; both are shares of `full`, the length of the track.
#[component]
pub(crate) fn BoundBar(
    bound: f64,
    limit: f64,
    full: f64,
    state: VerdictState,
    /// The same in words.
    label: String,
) -> impl IntoView {
    let along = |share: f64| (WIDTH * (share / full).clamp(0.0, 1.0)).round();
    // Half the mark would stand outside at the very end.
    let mark = along(limit).min(WIDTH - 2.0);
    view! {
        <svg class="bound" viewBox=format!("0 0 {WIDTH} {HEIGHT}") width=WIDTH height=HEIGHT role="img" aria-label=label>
            <rect class="bound-track" x="0" y="4" width=WIDTH height="8" rx="4"/>
            <rect class=format!("bound-bar {}", state.as_str()) x="0" y="4" width=along(bound) height="8" rx="4"/>
            <rect class="bound-limit" x=mark y="0" width="2" height=HEIGHT/>
        </svg>
    }
}
