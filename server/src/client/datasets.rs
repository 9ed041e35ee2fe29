//! `rehead datasets …`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use domain::api::NewDataset;
use domain::dataset::{ClassCount, Dataset, DatasetVersion, Split};
use domain::ids::RequestId;
use domain::names::{ClassName, DatasetName};

use super::api::Api;
use super::durations::moment;
use super::error::ClientError;
use super::output::{Output, count};
use super::upload;

/// What can be done with datasets.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make an empty dataset.
    Create {
        /// Its name, unique in the project.
        name: DatasetName,
        /// The rapid response it belongs to.
        #[arg(long, value_name = "ID")]
        request: Option<String>,
    },
    /// Add photos to a dataset and make a new version of it.
    ///
    /// Folder names become classes, in folders and in zip archives alike: `[train|calibration|val|sealed|test/]CLASS/file`.
    /// Only photos that the server does not have are sent, so an upload that broke off is resumed by repeating it.
    Upload(Upload),
    /// List the project's datasets.
    List,
    /// Show one dataset, its classes and what was noticed while its newest version was made.
    Show {
        /// Name or id.
        dataset: String,
    },
}

/// Options of an upload.
#[derive(Debug, clap::Args)]
pub struct Upload {
    /// The dataset, by name or id.
    pub dataset: String,
    /// Folders, photos and zip archives.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The class of every photo, whatever its folder is called.
    #[arg(long)]
    pub class: Option<ClassName>,
    /// The split of every photo, whatever its folder is called: train, calibration or sealed.
    #[arg(long)]
    pub split: Option<Split>,
    /// Everything is sealed: what an *unproven* verdict asks for.
    #[arg(long, conflicts_with = "split")]
    pub proof_only: bool,
    /// Make the dataset where there is none of that name.
    #[arg(long)]
    pub create: bool,
    /// The rapid response a dataset made by --create belongs to.
    #[arg(long, value_name = "ID", requires = "create")]
    pub request: Option<String>,
}

/// Runs one of them.
pub(super) async fn run(action: Action, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    match action {
        Action::Create { name, request } => {
            let dataset = create(api, name, request).await?;
            if output.json {
                output.document(&dataset);
            } else {
                output.line(&format!("dataset {} made ({})", dataset.name, dataset.id));
            }
        }
        Action::Upload(options) => return upload::run(options, api, output).await,
        Action::List => list(api, output).await?,
        Action::Show { dataset } => show(&dataset, api, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a dataset.
pub(super) async fn create(api: &Api, name: DatasetName, request: Option<String>) -> Result<Dataset, ClientError> {
    let body = NewDataset {
        project: Some(api.project().clone()),
        name,
        request: request.map(RequestId),
    };
    api.post(&["datasets"], &body).await
}

async fn list(api: &Api, output: &Output) -> Result<(), ClientError> {
    let datasets: Vec<Dataset> = api.get(&["datasets"], &[]).await?;
    if output.json {
        output.document(&datasets);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = datasets
        .iter()
        .map(|dataset| {
            let latest = dataset.latest.as_ref();
            vec![
                dataset.name.to_string(),
                latest.map_or(0, |version| version.number).to_string(),
                latest.map_or(0, |version| version.n_images).to_string(),
                latest.map_or(0, |version| version.classes.len()).to_string(),
                moment(dataset.created_us),
                dataset.id.to_string(),
            ]
        })
        .collect();
    output.table(&["dataset", "version", "images", "classes", "made", "id"], &rows);
    Ok(())
}

async fn show(dataset: &str, api: &Api, output: &Output) -> Result<(), ClientError> {
    let dataset: Dataset = api.get(&["datasets", dataset], &[]).await?;
    if output.json {
        output.document(&dataset);
        return Ok(());
    }
    match &dataset.latest {
        None => output.line(&format!(
            "{}: empty; add photos with `rehead datasets upload {}`",
            dataset.name, dataset.name
        )),
        Some(version) => describe(version, output),
    }
    Ok(())
}

/// A version for people: what is in it, then what was noticed.
pub(super) fn describe(version: &DatasetVersion, output: &Output) {
    output.line(&format!(
        "{} version {}: {}, {}, digest {} ({})",
        version.dataset_name,
        version.number,
        count(usize::try_from(version.n_images).unwrap_or(0), "image"),
        count(version.classes.len(), "class"),
        version.digest.short(),
        version.id
    ));
    let row = |of: &ClassCount| {
        vec![
            of.class.to_string(),
            of.train.to_string(),
            of.calibration.to_string(),
            of.sealed.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = version.classes.iter().map(row).collect();
    output.table(&["class", "train", "calibration", "sealed"], &rows);
    for finding in &version.findings {
        let name = if finding.name.is_empty() {
            String::new()
        } else {
            format!("{}: ", finding.name)
        };
        output.note(&format!("note: {name}{}", finding.message));
    }
}
