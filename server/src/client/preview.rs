//! What a draft can be told before it starts, as tables.

use std::process::ExitCode;

use domain::forecast::InTime;
use domain::gate::policy::CheckId;
use domain::preview::{Certificate, CollisionState, Preview};

use super::api::Api;
use super::durations::milliseconds;
use super::error::ClientError;
use super::output::{Output, percent};

/// Asks until all photos that the answer rests on are read.
pub(super) async fn run(job: &str, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let mut preview: Preview = api.get(&["jobs", job, "preview"], &[]).await?;
    loop {
        let before = preview.n_seen;
        if before >= preview.n_wanted {
            break;
        }
        output.note(&format!("{before} of {} photos read", preview.n_wanted));
        preview = api.get(&["jobs", job, "preview"], &[]).await?;
        // Photos that cannot be read stay away; the job names them.
        if preview.n_seen == before {
            break;
        }
    }
    if output.json {
        output.document(&preview);
        return Ok(ExitCode::SUCCESS);
    }
    for collision in &preview.collisions {
        let mark = match collision.state {
            CollisionState::Clear => "clear",
            CollisionState::Close => "close",
            CollisionState::Collides => "COLLIDES",
            CollisionState::Unknown => "unknown",
        };
        output.line(&format!("{mark}: {}", collision.sentence));
        if let Some(accepted) = &collision.accepted {
            let share = percent(Some(accepted.share));
            output.line(&format!(
                "  the live model accepts {share} of them as {}",
                accepted.class
            ));
        }
    }
    output.line("");
    let rows: Vec<Vec<String>> = preview.certificates.iter().map(row).collect();
    output.table(&["class", "check", "groups", "best case", "limit", "can pass"], &rows);
    output.line("");
    let look = preview.look;
    output.line(&if look.can_pass {
        format!("judging it will be look {} of {} at these sealed photos", look.ordinal, look.allowed)
    } else {
        format!(
            "all {} looks at these sealed photos are used up: no verdict on them can be pass until they have {} more groups",
            look.allowed, look.n_groups_missing
        )
    });
    output.line("");
    let span = |low_ms: u64, high_ms: u64| format!("{} to {}", duration(low_ms), duration(high_ms));
    let forecast = &preview.forecast;
    let rows: Vec<Vec<String>> = forecast
        .stages
        .iter()
        .map(|stage| {
            vec![
                stage.stage.as_str().to_owned(),
                duration(stage.span.typical_ms),
                span(stage.span.low_ms, stage.span.high_ms),
                stage.n_runs.to_string(),
            ]
        })
        .collect();
    output.table(&["stage", "typical", "nine of ten", "runs seen"], &rows);
    let total = span(forecast.total.low_ms, forecast.total.high_ms);
    let deadline = duration(forecast.deadline_ms);
    output.line(&match forecast.in_time {
        InTime::Yes => format!("{total} in all, within the deadline of {deadline}"),
        InTime::Maybe => format!(
            "{total} in all: the deadline of {deadline} may be too short{}",
            advice(&preview)
        ),
        InTime::No => format!(
            "{total} in all: the deadline of {deadline} is too short{}",
            advice(&preview)
        ),
    });
    Ok(ExitCode::SUCCESS)
}

/// Which choice would make it.
fn advice(preview: &Preview) -> String {
    let forecast = &preview.forecast;
    let without: Vec<String> = preview
        .without
        .iter()
        .map(|choice| {
            let (low, high) = (duration(choice.total.low_ms), duration(choice.total.high_ms));
            format!("; without {} it takes {low} to {high}", choice.dataset)
        })
        .collect();
    let without = without.concat();
    let read = format!(
        "in this time about {} of {} photos can be read",
        forecast.n_readable, forecast.n_missing
    );
    match forecast.enough_ms {
        Some(enough_ms) => format!("; {} would do{without}; {read}", duration(enough_ms)),
        None => format!("; no deadline would do{without}; {read}"),
    }
}

fn row(certificate: &Certificate) -> Vec<String> {
    let is_loss = matches!(
        certificate.check,
        CheckId::OldClassLoss | CheckId::RecallChange | CheckId::AnchorLoss
    );
    vec![
        certificate.class.to_string(),
        certificate.check.as_str().to_owned(),
        certificate.n.to_string(),
        format!(
            "{} {}",
            if is_loss { "≤" } else { "≥" },
            percent(Some(certificate.bound))
        ),
        percent(Some(certificate.limit)),
        match (certificate.can_pass, certificate.groups_needed) {
            (true, _) => "yes".to_owned(),
            (false, Some(groups)) => format!("with {groups} more"),
            (false, None) => "no".to_owned(),
        },
    ]
}

fn duration(ms: u64) -> String {
    milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))
}
