//! Why the gate said what it said of a model.

use domain::gate::verdict::{Check, Verdict, VerdictState};
use domain::model::Model;

use crate::client::api::Api;
use crate::client::error::ClientError;
use crate::client::output::Output;

/// Prints the verdict, then what stands against it, then what holds.
pub(super) async fn run(model: &Model, api: &Api, output: &Output) -> Result<(), ClientError> {
    let verdict: Verdict = api.get(&["models", &model.id.0, "verdict"], &[]).await?;
    if output.json {
        output.document(&verdict);
        return Ok(());
    }
    output.line(&format!("model {}: {}", model.id, output.verdict(verdict.state)));
    output.line(&verdict.sentence);
    output.line(&format!(
        "Each bound is made at α′ = {} (policy {}).",
        verdict.alpha_per_look,
        verdict.policy.short()
    ));
    for (state, title) in [
        (VerdictState::Fail, "Harm is shown"),
        (VerdictState::Unproven, "Neither harm nor safety is shown"),
        (VerdictState::Pass, "Holds"),
    ] {
        let checks: Vec<&Check> = verdict.checks.iter().filter(|check| check.verdict == state).collect();
        if checks.is_empty() {
            continue;
        }
        output.line("");
        output.line(&format!("{title} ({}):", checks.len()));
        for check in checks {
            let class = check
                .class
                .as_ref()
                .map_or_else(String::new, |class| format!(" {class}"));
            output.line(&format!("  {}{class}: {}", check.id.as_str(), check.sentence));
        }
    }
    Ok(())
}
