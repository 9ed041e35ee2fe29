//! Peers from the Python package index, in an environment of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bench::catalogue::Packages;
use crate::machine::python_with;
use crate::process::root;

/// The peers' environment, made when the first peer is asked for.
pub(crate) struct Peers {
    venv: PathBuf,
    /// What became of each set of packages in this run: nothing is tried twice.
    had: BTreeMap<&'static str, Result<PathBuf, String>>,
}

impl Peers {
    /// Below this folder.
    pub(crate) fn new(work: &Path) -> Self {
        Self {
            venv: work.join("venv"),
            had: BTreeMap::new(),
        }
    }

    /// A Python that has these packages; the reason where it cannot be had.
    pub(crate) fn python(&mut self, packages: Packages) -> Result<PathBuf, String> {
        let (file, why) = match packages {
            Packages::Small => (
                "requirements.txt",
                "ONNX Runtime, scikit-learn and libjpeg-turbo are measured beside ours",
            ),
            Packages::Torch => (
                "requirements-torch.txt",
                "PyTorch is measured beside ours (some gigabytes)",
            ),
        };
        let venv = &self.venv;
        let had = self.had.entry(file).or_insert_with(|| {
            let requirements = root().join("trainer/benches/peers").join(file);
            python_with(venv, &requirements, why).map_err(|error| format!("{error:#}"))
        });
        had.clone()
    }
}
