//! The safety dial of a model: what its places cost and bring, and turning it.

use std::process::ExitCode;

use domain::api::dial::{DialCount, DialPlaces, NewDial};
use domain::job::Job;
use domain::model::Model;
use domain::names::ClassName;

use crate::client::api::Api;
use crate::client::error::ClientError;
use crate::client::output::{Output, percent};
use crate::client::watch;

/// Prints the places.
pub(super) async fn show(model: &Model, at: &[f64], api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let offsets: Vec<String> = at.iter().map(ToString::to_string).collect();
    let offsets = offsets.join(",");
    let query = [("offsets", offsets.as_str())];
    let query = if at.is_empty() { &[][..] } else { &query[..] };
    let dial: DialPlaces = api.get(&["models", &model.id.0, "dial"], query).await?;
    if output.json {
        output.document(&dial);
        return Ok(ExitCode::SUCCESS);
    }
    let end = |end: Option<f64>| end.map_or_else(|| "none".to_owned(), |b| format!("{b:.3}"));
    output.line(&format!(
        "model {} stands at {:.3}; b_need {}, b_safe {}; {} calibration photos",
        model.id,
        dial.offset,
        end(dial.b_need),
        end(dial.b_safe),
        dial.n_images
    ));
    if !dial.unbounded_classes.is_empty() {
        let names: Vec<&str> = dial.unbounded_classes.iter().map(ClassName::as_str).collect();
        output.line(&format!(
            "no accepted calibration photo, so nothing bounds the dial for: {}",
            names.join(", ")
        ));
    }
    output.line("");
    let sum = |counts: &[DialCount]| counts.iter().fold((0, 0), |(n, x), count| (n + count.n, x + count.x));
    let rows: Vec<Vec<String>> = dial
        .places
        .iter()
        .map(|place| {
            let (n_right, lost) = sum(&place.old);
            let worst = place.worst(&dial.budget);
            let recalls = place.new.iter().map(|new| share(new.x, new.n));
            vec![
                format!("{:.3}", place.offset),
                format!("{lost} of {n_right}"),
                worst.map_or_else(
                    || "–".to_owned(),
                    |(worst, _)| format!("{} {} of {}", worst.class, worst.x, worst.n),
                ),
                format!("{} of {}", place.false_new.x, place.false_new.n),
                recalls.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    let new: Vec<String> = dial
        .places
        .first()
        .map(|place| place.new.iter().map(|new| new.class.to_string()).collect())
        .unwrap_or_default();
    let recall = format!("recall of {}", new.join(", "));
    output.table(
        &["offset", "lost", "worst class", "falsely new", recall.as_str()],
        &rows,
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes the model with the dial elsewhere and follows the job that does it.
pub(super) async fn turn(model: &Model, offset: f64, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let job: Job = api.post(&["models", &model.id.0, "dial"], &NewDial { offset }).await?;
    output.note(&format!("job {}", job.id));
    watch::run(&job.id.0, api, output).await
}

#[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
fn share(x: u64, n: u64) -> String {
    percent((n > 0).then(|| x as f64 / n as f64))
}
