//! How a first model came to its feature recipe.

use domain::report::{RecipeChoice, RecipeTrial};
use leptos::prelude::*;

use crate::components::number::percent;
use crate::components::panel::Panel;
use crate::components::table::{Column, DataTable};
use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Recipes(choice: RecipeChoice) -> impl IntoView {
    let i18n = use_i18n();
    let RecipeChoice { chosen, trials, .. } = choice;
    let shown = if trials.is_empty() {
        view! { <p class="sentence">{t!(i18n, recipes.none, recipe = chosen)}</p> }
    } else {
        let rows: Vec<_> = trials.into_iter().map(|trial| row(trial, &chosen)).collect();
        let (images, classes, folds) = (choice.n_images, choice.n_classes, choice.n_folds);
        view! {
            <DataTable
                labelled_by="recipes-title"
                columns=vec![
                    Column::text(t!(i18n, recipes.recipe)),
                    Column::number(t!(i18n, recipes.size)),
                    Column::number(t!(i18n, recipes.recall)),
                    Column::number(t!(i18n, recipes.gain)),
                    Column::unseen(t!(i18n, recipes.taken)),
                ]
                rows=rows.into_any()
            />
            <p class="dim">{t!(i18n, recipes.rests, images = images, classes = classes, folds = folds)}</p>
        }
    };
    view! {
        <Panel id="recipes" full=true title=t!(i18n, recipes.title) about=t!(i18n, recipes.about)>
            {shown}
        </Panel>
    }
}

fn row(trial: RecipeTrial, chosen: &str) -> AnyView {
    let i18n = use_i18n();
    let taken = (trial.recipe == chosen).then(|| view! { <span class="tag pass">{t!(i18n, recipes.taken)}</span> });
    // The usual recipe is not compared with itself.
    let gain = if trial.gain == 0.0 && trial.gain_error == 0.0 {
        "–".to_owned()
    } else {
        let sign = if trial.gain < 0.0 { "−" } else { "+" };
        format!("{sign}{} ± {}", percent(trial.gain.abs()), percent(trial.gain_error))
    };
    view! {
        <tr>
            <th scope="row">{trial.recipe}</th>
            <td class="n">{trial.dim}</td>
            <td class="n">{percent(trial.accuracy)}</td>
            <td class="n">{gain}</td>
            <td>{taken}</td>
        </tr>
    }
}
