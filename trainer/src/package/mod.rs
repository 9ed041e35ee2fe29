//! The files of a model: written so that the same job gives the same bytes, read back only if every digest fits.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::gate::verdict::Verdict;
use domain::ids::Digest;
use domain::model::{ModelManifest, PackageFile};
use domain::report::EvaluationReport;
use domain::scores::SealedScores;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::head::{Head, HeadFormatError};

/// The head's file.
pub const HEAD_FILE: &str = "head.safetensors";
/// The manifest's file: names all others by digest, and is named by its own.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The file with what is reported beside the report.
pub const METRICS_FILE: &str = "metrics.json";
/// The evaluation report's file.
pub const REPORT_FILE: &str = "report.json";
/// The file with what both models said of every sealed image.
pub const SCORES_FILE: &str = "scores.json";
/// The verdict's file.
pub const VERDICT_FILE: &str = "verdict.json";

/// The version of the manifest's format.
const FORMAT: u32 = 1;

/// A model's package, read and checked.
#[derive(Clone, Debug)]
pub struct Package {
    /// The manifest.
    pub manifest: ModelManifest,
    /// Digest of its bytes: the model's own.
    pub manifest_digest: Digest,
    /// The head.
    pub head: Head,
    /// What was measured.
    pub report: EvaluationReport,
    /// What both models said of every sealed image.
    pub scores: SealedScores,
    /// What the gate said.
    pub verdict: Verdict,
}

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file that the manifest names is not there.
    #[error("the package has no {name}")]
    Missing {
        /// The file.
        name: String,
    },
    /// A file's bytes are not the ones the manifest names.
    #[error("{name} is damaged: its digest is {got}, the manifest says {expected}")]
    Damaged {
        /// The file.
        name: String,
        /// By the manifest.
        expected: Digest,
        /// Of the bytes.
        got: Digest,
    },
    /// A file that is not what its name says.
    #[error("{name} cannot be read: {source}")]
    Json {
        /// The file.
        name: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The head's file is no head.
    #[error("{HEAD_FILE} cannot be read: {0}")]
    Head(#[from] HeadFormatError),
    /// A format of another version.
    #[error("{MANIFEST_FILE} has format {got}, this program reads format {FORMAT}")]
    Format {
        /// Its version.
        got: u32,
    },
    /// Files that do not belong together.
    #[error("the package contradicts itself: {0}")]
    Contradiction(String),
}

/// Canonical JSON: fields in the order of the type, no white space.
///
/// # Errors
/// Never for the types of `domain`.
pub fn canonical_json<T: Serialize>(name: &'static str, value: &T) -> Result<Bytes, PackageError> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(bytes.into()),
        Err(source) => Err(PackageError::Json { name, source }),
    }
}

/// How a manifest names a file.
#[must_use]
pub fn package_file(name: &str, bytes: &[u8]) -> PackageFile {
    PackageFile {
        name: name.to_owned(),
        digest: Digest::of(bytes),
        size_bytes: bytes.len() as u64,
    }
}

impl Package {
    /// Reads a package from its files by name; checks every digest, every row and that the files agree.
    ///
    /// # Errors
    /// Says which file is missing, damaged or contradicts another.
    pub fn read(files: &BTreeMap<String, Bytes>) -> Result<Self, PackageError> {
        let bytes = |name: &str| {
            let found = files.get(name);
            found.ok_or_else(|| PackageError::Missing { name: name.to_owned() })
        };
        let manifest_bytes = bytes(MANIFEST_FILE)?;
        let manifest: ModelManifest = parse(MANIFEST_FILE, manifest_bytes)?;
        if manifest.format != FORMAT {
            return Err(PackageError::Format { got: manifest.format });
        }
        for file in &manifest.files {
            let got = Digest::of(bytes(&file.name)?);
            if got != file.digest {
                return Err(PackageError::Damaged {
                    name: file.name.clone(),
                    expected: file.digest,
                    got,
                });
            }
        }
        for name in [HEAD_FILE, REPORT_FILE, SCORES_FILE, VERDICT_FILE] {
            if !manifest.files.iter().any(|file| file.name == name) {
                let message = format!("{MANIFEST_FILE} does not name {name}");
                return Err(PackageError::Contradiction(message));
            }
        }
        let package = Self {
            head: Head::from_safetensors(bytes(HEAD_FILE)?)?,
            report: parse(REPORT_FILE, bytes(REPORT_FILE)?)?,
            scores: parse(SCORES_FILE, bytes(SCORES_FILE)?)?,
            verdict: parse(VERDICT_FILE, bytes(VERDICT_FILE)?)?,
            manifest_digest: Digest::of(manifest_bytes),
            manifest,
        };
        package.check()?;
        Ok(package)
    }

    fn check(&self) -> Result<(), PackageError> {
        let contradiction = |message: String| Err(PackageError::Contradiction(message));
        let (rows, classes) = (self.head.n_classes(), &self.manifest.classes);
        if rows != classes.len() {
            return contradiction(format!("the head has {rows} rows for {} classes", classes.len()));
        }
        let dim = self.manifest.backbone.dim as usize;
        if self.head.dim != dim {
            return contradiction(format!(
                "the head reads {} features, the backbone gives {dim}",
                self.head.dim
            ));
        }
        if let Some((_, class)) = classes
            .iter()
            .enumerate()
            .find(|(idx, class)| self.head.row_digest(*idx) != class.row)
        {
            return contradiction(format!("the row of {} is not the one the manifest names", class.name));
        }
        if self.verdict.state != self.manifest.verdict {
            return contradiction(format!(
                "the verdict is {}, the manifest says {}",
                self.verdict.state.as_str(),
                self.manifest.verdict.as_str()
            ));
        }
        if !classes
            .iter()
            .map(|class| &class.name)
            .eq(self.report.classes.iter().map(|class| &class.name))
        {
            return contradiction("report and manifest name different classes".to_owned());
        }
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, PackageError> {
    serde_json::from_slice(bytes).map_err(|source| PackageError::Json { name, source })
}
