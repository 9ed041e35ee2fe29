//! Gate policies: which there are, one as a file to edit, and a file as a policy of the project's own.

use std::path::Path;

use domain::api::NewPolicy;
use domain::gate::policy::{CheckId, GatePolicy};
use domain::stats::least_n;

use crate::client::api::Api;
use crate::client::error::ClientError;
use crate::client::output::{Output, percent};

/// All that a job of the project may be judged by.
pub(super) async fn list(api: &Api, output: &Output) -> Result<(), ClientError> {
    let policies = known(api).await?;
    if output.json {
        output.document(&policies);
        return Ok(());
    }
    let row = |policy: &GatePolicy| {
        let loss = policy.checks.iter().find(|check| check.id == CheckId::OldClassLoss);
        let from = loss.map(|check| least_n(check.limit, policy.alpha_per_look()).to_string());
        vec![
            policy.name.clone(),
            policy.version.to_string(),
            if policy.is_shipped() { "shipped" } else { "own" }.to_owned(),
            policy.looks.to_string(),
            percent(loss.map(|check| check.limit)),
            from.unwrap_or_else(|| "–".to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = policies.iter().map(row).collect();
    output.table(
        &["policy", "version", "whose", "looks", "may lose", "groups to pass"],
        &rows,
    );
    Ok(())
}

/// One as TOML: what `--save` and `gate simulate --policy` read.
pub(super) async fn show(name: &str, api: &Api, output: &Output) -> Result<(), ClientError> {
    let policies = known(api).await?;
    let names: Vec<String> = policies.iter().map(|policy| policy.name.clone()).collect();
    let Some(policy) = policies.into_iter().find(|policy| policy.name == name) else {
        return Err(ClientError::Usage(format!(
            "there is no policy {name:?}; there are {}",
            names.join(", ")
        )));
    };
    if output.json {
        output.document(&policy);
        return Ok(());
    }
    let text = toml::to_string(&policy).map_err(|error| ClientError::Usage(error.to_string()))?;
    output.line(text.trim_end());
    Ok(())
}

/// Saves a file as the next version of a policy of the project's own.
pub(super) async fn save(name: &str, file: &Path, api: &Api, output: &Output) -> Result<(), ClientError> {
    let policy = from_file(file)?;
    let body = NewPolicy {
        project: Some(api.project().clone()),
        alpha: policy.alpha,
        looks: policy.looks,
        checks: policy.checks,
    };
    let saved: GatePolicy = api.put(&["policies", name], &body).await?;
    if output.json {
        output.document(&saved);
    } else {
        output.line(&format!("policy {}, version {}", saved.name, saved.version));
    }
    Ok(())
}

async fn known(api: &Api) -> Result<Vec<GatePolicy>, ClientError> {
    api.get(&["policies"], &[]).await
}

/// A policy in a TOML file; it is called after the file where it names itself nothing.
///
/// # Errors
/// There is no such file, or it holds no policy.
pub(super) fn from_file(path: &Path) -> Result<GatePolicy, ClientError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let shipped: Vec<String> = GatePolicy::shipped().into_iter().map(|policy| policy.name).collect();
        unusable(
            path,
            format!(
                "{error}; the policies that come with the product are {}",
                shipped.join(", ")
            ),
        )
    })?;
    let mut table: toml::Table = toml::from_str(&text).map_err(|error| unusable(path, error.to_string()))?;
    let stem = path.file_stem().map_or("policy".into(), |stem| stem.to_string_lossy());
    table
        .entry("name")
        .or_insert_with(|| toml::Value::String(stem.into_owned()));
    table.entry("version").or_insert(toml::Value::Integer(1));
    let policy: GatePolicy = table
        .try_into()
        .map_err(|error: toml::de::Error| unusable(path, error.to_string()))?;
    policy.validate_numbers().map_err(|reason| unusable(path, reason))?;
    Ok(policy)
}

pub(super) fn unusable(path: impl AsRef<Path>, reason: String) -> ClientError {
    ClientError::File {
        action: "use the policy",
        path: path.as_ref().to_owned(),
        reason,
    }
}
