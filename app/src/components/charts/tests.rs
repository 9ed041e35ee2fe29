//! What the server draws, to the letter where geometry is at stake.

use std::sync::Arc;

use domain::gate::verdict::VerdictState;
use hydration_context::SsrSharedContext;
use leptos::prelude::*;

use super::bound::BoundBar;
use super::line::{Axis, Band, LineChart, Lines, Marker, Series, Size};
use super::matrix::{Counts, Matrix};
use crate::components::view;
use crate::language::Languages;

/// A component as the server renders it, without hydration's markers.
fn html(view: impl FnOnce() -> AnyView + Send + 'static) -> String {
    _ = any_spawner::Executor::init_futures_executor();
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new())));
    let html = owner.with(|| {
        provide_context(leptos_meta::MetaContext::new());
        let inside = move || view();
        view! { <Languages>{inside()}</Languages> }.to_html()
    });
    drop(owner);
    html.replace("<!>", "").replace("<!---->", "")
}

fn lines() -> Lines {
    Lines {
        title: "Precision against recall".to_owned(),
        x: Axis::new("recall, %".to_owned(), 0.0, 100.0, 50.0),
        y: Axis::new("precision, %".to_owned(), 80.0, 100.0, 10.0),
        series: vec![
            Series {
                name: "candidate".to_owned(),
                style: "candidate".to_owned(),
                points: vec![(0.0, 100.0), (50.0, 90.0), (100.0, 20.0)],
            },
            Series {
                name: "baseline".to_owned(),
                style: "baseline".to_owned(),
                points: vec![(0.0, 100.0), (100.0, 80.0)],
            },
        ],
        bands: vec![Band { from: 25.0, to: 75.0 }],
        size: Size::SMALL,
    }
}

#[test]
fn a_bar_is_as_long_as_its_bound_and_says_so() {
    let bar = |bound, limit, state| {
        html(move || view! { <BoundBar bound limit full=0.2 state label="loss at most 5 %".to_owned()/> })
    };
    let drawn = bar(0.05, 0.1, VerdictState::Pass);
    assert!(drawn.contains(r#"role="img" aria-label="loss at most 5 %""#), "{drawn}");
    assert!(
        drawn.contains(r#"<rect x="0" y="4" width="34" height="8" rx="4" class="bound-bar pass">"#),
        "a quarter of 136: {drawn}"
    );
    assert!(
        drawn.contains(r#"<rect x="68" y="0" width="2" height="16" class="bound-limit">"#),
        "half of 136: {drawn}"
    );
    let over = bar(0.9, 0.2, VerdictState::Fail);
    assert!(
        over.contains(r#"<rect x="0" y="4" width="136" height="8" rx="4" class="bound-bar fail">"#),
        "never longer than its track: {over}"
    );
    assert!(
        over.contains(r#"<rect x="134" y="0" width="2" height="16" class="bound-limit">"#),
        "the mark stays inside: {over}"
    );
}

#[test]
fn lines_stay_in_their_frame_and_have_their_numbers_behind_them() {
    let drawn = html(|| {
        let marker = Some(Marker {
            x: 50.0,
            y: 90.0,
            text: "τ 0.900".to_owned(),
        });
        view! { <LineChart lines=lines() marker=Signal::derive(move || marker.clone())/> }
    });
    // 280 × 170 with margins 40, 16, 12, 34: x from 40 to 264, y from 136 up to 12; what is below 80 stays at the bottom.
    assert!(
        drawn.contains(r#"<path d="M40.0,12.0L152.0,74.0L264.0,136.0" class="chart-line candidate">"#),
        "{drawn}"
    );
    assert!(
        drawn.contains(r#"<path d="M40.0,12.0L264.0,136.0" class="chart-line baseline">"#),
        "{drawn}"
    );
    assert!(
        drawn.contains(r#"<rect x="96" y="12" width="112" height="124" class="chart-band">"#),
        "{drawn}"
    );
    assert!(
        drawn.contains(r#"<circle cx="152" cy="74" r="5""#),
        "the marker: {drawn}"
    );
    let baseline = drawn.find("chart-line baseline").unwrap();
    assert!(
        baseline < drawn.find("chart-line candidate").unwrap(),
        "the first line lies on top"
    );
    assert_eq!(drawn.matches("<tr>").count(), 1 + 3 + 2, "a row for each point");
    assert!(drawn.contains(r#"aria-label="Precision against recall""#));
}

#[test]
fn a_matrix_is_a_table_of_buttons() {
    let drawn = html(|| {
        let counts = Counts {
            rows: vec!["a".to_owned(), "b".to_owned()],
            columns: vec!["a".to_owned(), "b".to_owned(), "unknown".to_owned()],
            counts: vec![vec![9, 0, 1], vec![2, 5, 3]],
        };
        let chosen = RwSignal::new(Some((1, 0)));
        view! { <Matrix counts=Signal::derive(move || counts.clone()) chosen/> }
    });
    assert_eq!(
        drawn.matches("<button").count(),
        5,
        "an empty cell opens nothing: {drawn}"
    );
    assert!(drawn.contains(r#"class="cell right shade-9""#), "nine of ten: {drawn}");
    assert!(drawn.contains(r#"class="cell wrong shade-2""#) && drawn.contains(r#"class="cell unknown shade-1""#));
    assert!(
        drawn.contains(r#"aria-label="2 photos of b answered a" aria-pressed="true""#),
        "{drawn}"
    );
}
