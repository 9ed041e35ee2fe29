//! The worker's port over SQL. Called from blocking threads only.

use bytes::Bytes;
use domain::change::Look;
use domain::dataset::merge_versions;
use domain::event::EventKind;
use domain::ids::{Digest, JobId, ModelId, ProjectId, WorkerId};
use domain::job::JobSpec;
use domain::model::{Model, ModelManifest};
use domain::report::EvaluationReport;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use trainer::artifacts::{ArtifactKey, Artifacts};
use trainer::package::{HEAD_FILE, MANIFEST_FILE, REPORT_FILE, package_file};
use trainer::pipeline::{Baseline, JobInput, Outcome, Turned};
use trainer::worker::{ClaimedJob, Finished, JobQueue, Lease, QueueError};

use super::Wake;
use crate::clock::Clock;
use crate::db::queue::Ending;
use crate::db::{Db, DbError, datasets, events, jobs, looks, models, queue, stage_rates};
use crate::ids::new_id;

/// The queue in the database, with the files of baselines from the object store.
#[derive(Clone)]
pub struct DbQueue {
    /// Where the jobs are.
    pub db: Db,
    /// Where the files are.
    pub artifacts: Artifacts,
    /// The runtime that waits for the database.
    pub runtime: Handle,
    /// The clock.
    pub clock: Clock,
    /// Whom to tell.
    pub wake: Wake,
    /// How long a claim holds without a heartbeat.
    pub lease_us: i64,
}

/// Why a claimed job cannot even begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("{0}")]
    Gone(String),
}

/// A model and where its files lie.
struct Stored {
    model: Model,
    attempt: i64,
}

fn parsed<T: DeserializeOwned>(id: &ModelId, name: &str, bytes: &[u8]) -> Result<T, InputError> {
    serde_json::from_slice(bytes).map_err(|error| InputError::Gone(format!("{name} of model {id}: {error}")))
}

fn failed(action: impl Into<String>) -> impl FnOnce(DbError) -> QueueError {
    let action = action.into();
    move |error| QueueError {
        action,
        source: Box::new(error),
    }
}

impl DbQueue {
    /// Gathers what a job needs. From blocking threads only.
    ///
    /// # Errors
    /// What it names is not there, or the database says no.
    pub(crate) fn input(&self, project: &ProjectId, job: &JobId, spec: &JobSpec) -> Result<JobInput, InputError> {
        let (versions, digests) = self.runtime.block_on(self.versions(spec))?;
        let baseline = spec.baseline.as_ref().map(|id| self.model_files(id)).transpose()?;
        let anchor = spec.anchor.as_ref().map(|id| self.model_files(id)).transpose()?;
        let turned = spec.turned_from.as_ref().map(|id| self.turned(id)).transpose()?;
        let (rows, relabelled) = merge_versions(&versions);
        Ok(JobInput {
            project: project.clone(),
            job: job.clone(),
            rows,
            relabelled,
            datasets: digests,
            baseline,
            anchor,
            turned,
            config: spec.config.clone(),
            policy: spec.policy.clone(),
        })
    }

    async fn versions(
        &self,
        spec: &JobSpec,
    ) -> Result<(Vec<Vec<domain::dataset::DatasetRow>>, Vec<Digest>), InputError> {
        let mut versions = Vec::with_capacity(spec.dataset_versions.len());
        let mut digests = Vec::with_capacity(spec.dataset_versions.len());
        for id in &spec.dataset_versions {
            let version = datasets::version(&self.db, id).await?;
            let version = version.ok_or_else(|| InputError::Gone(format!("dataset version {id} does not exist")))?;
            digests.push(version.digest);
            versions.push(datasets::rows(&self.db, id).await?);
        }
        Ok((versions, digests))
    }

    /// What a job needs of a model that it measures its own against.
    fn model_files(&self, id: &ModelId) -> Result<Baseline, InputError> {
        let stored = self.stored(id)?;
        let manifest_digest = stored.model.digest;
        let manifest_bytes = self.read(&stored, MANIFEST_FILE, &manifest_digest)?;
        let manifest: ModelManifest = parsed(id, MANIFEST_FILE, &manifest_bytes)?;
        let named = manifest.files.iter().find(|file| file.name == HEAD_FILE);
        let named = named.ok_or_else(|| InputError::Gone(format!("model {id} has no {HEAD_FILE}")))?;
        let head = self.read(&stored, HEAD_FILE, &named.digest)?;
        Ok(Baseline {
            manifest,
            manifest_digest,
            head,
        })
    }

    /// What a job needs of the model whose dial it turns.
    fn turned(&self, id: &ModelId) -> Result<Turned, InputError> {
        let model = self.model_files(id)?;
        let named = model.manifest.files.iter().find(|file| file.name == REPORT_FILE);
        let named = named.ok_or_else(|| InputError::Gone(format!("model {id} has no {REPORT_FILE}")))?;
        let report = self.read(&self.stored(id)?, REPORT_FILE, &named.digest)?;
        let report: EvaluationReport = parsed(id, REPORT_FILE, &report)?;
        Ok(Turned {
            model,
            training: report.training,
        })
    }

    fn stored(&self, id: &ModelId) -> Result<Stored, InputError> {
        let found = self.runtime.block_on(async {
            Ok::<_, DbError>((models::get(&self.db, id).await?, models::attempt(&self.db, id).await?))
        })?;
        let (Some(model), Some(attempt)) = found else {
            return Err(InputError::Gone(format!("the model {id} does not exist")));
        };
        Ok(Stored { model, attempt })
    }

    /// A file of a model, as it was packaged.
    fn read(&self, Stored { model, attempt }: &Stored, name: &str, expected: &Digest) -> Result<Bytes, InputError> {
        let id = &model.id;
        let key = ArtifactKey::job_file(&model.project, &model.job, *attempt, name);
        let bytes = self
            .artifacts
            .get(&key)
            .map_err(|error| InputError::Gone(format!("{name} of model {id} cannot be read: {error}")))?
            .ok_or_else(|| InputError::Gone(format!("{name} of model {id} is gone from the store")))?;
        if Digest::of(&bytes) == *expected {
            Ok(bytes)
        } else {
            Err(InputError::Gone(format!(
                "{name} of model {id} is damaged in the store; restore it"
            )))
        }
    }

    fn model(&self, job: &domain::job::Job, outcome: &Outcome) -> Model {
        let mut files = outcome.manifest.files.clone();
        let manifest = outcome.files.iter().find(|(name, _)| name == MANIFEST_FILE);
        files.extend(manifest.map(|(name, bytes)| package_file(name, bytes)));
        let new_classes = outcome.report.classes.iter().filter(|class| class.is_new);
        Model {
            id: ModelId(new_id(&self.clock)),
            project: job.project.clone(),
            job: job.id.clone(),
            digest: outcome.manifest_digest,
            baseline: job.spec.baseline.clone(),
            backbone: outcome.manifest.backbone.clone(),
            classes: outcome.manifest.classes.clone(),
            new_classes: new_classes.map(|class| class.name.clone()).collect(),
            verdict: outcome.verdict.summary(),
            files,
            created_us: self.clock.now_us(),
        }
    }
}

impl JobQueue for DbQueue {
    fn claim(&self, worker: &WorkerId, kernel: &str) -> Result<Option<ClaimedJob>, QueueError> {
        let now_us = self.clock.now_us();
        let claim = self
            .runtime
            .block_on(async {
                if !queue::is_waiting(&self.db, now_us, kernel).await? {
                    return Ok(None);
                }
                let n_swept = queue::sweep(&self.db, now_us, kernel).await?;
                if n_swept > 0 {
                    self.wake.notify();
                }
                queue::claim(&self.db, worker, kernel, &self.clock, self.lease_us).await
            })
            .map_err(failed("claiming a job"))?;
        let Some(claim) = claim else {
            return Ok(None);
        };
        self.wake.notify();
        match self.input(&claim.project, &claim.job, &claim.spec) {
            Ok(input) => Ok(Some(ClaimedJob {
                input,
                attempt: claim.attempt,
            })),
            // The database did not answer: the lease runs out and the job is claimed again.
            Err(InputError::Db(error)) => Err(failed(format!("reading the input of job {}", claim.job))(error)),
            Err(InputError::Gone(error)) => {
                self.finish(worker, &claim.job, claim.attempt, &Finished::Failed { error })?;
                Ok(None)
            }
        }
    }

    fn heartbeat(&self, worker: &WorkerId, job: &JobId, attempt: i64) -> Result<Lease, QueueError> {
        let until_us = self.clock.now_us() + self.lease_us;
        let held = self
            .runtime
            .block_on(queue::heartbeat(&self.db, worker, job, attempt, until_us))
            .map_err(failed(format!("extending the lease of job {job}")))?;
        Ok(held.map_or(Lease::Lost, |cancel_requested| Lease::Held { cancel_requested }))
    }

    fn event(&self, worker: &WorkerId, job: &JobId, attempt: i64, kind: EventKind) -> Result<(), QueueError> {
        let now_us = self.clock.now_us();
        self.runtime
            .block_on(events::append_fenced(&self.db, worker, job, attempt, now_us, &kind))
            .map_err(failed(format!("writing an event of job {job}")))?;
        self.wake.notify();
        Ok(())
    }

    fn look(&self, worker: &WorkerId, job: &JobId, attempt: i64, look: &Look) -> Result<Option<Vec<Look>>, QueueError> {
        let now_us = self.clock.now_us();
        self.runtime
            .block_on(looks::add(&self.db, worker, job, attempt, now_us, look))
            .map_err(failed(format!("writing down the look of job {job}")))
    }

    fn finish(&self, worker: &WorkerId, job: &JobId, attempt: i64, finished: &Finished) -> Result<bool, QueueError> {
        let now_us = self.clock.now_us();
        let written = self.runtime.block_on(async {
            match finished {
                Finished::Succeeded { outcome } => {
                    let Some(row) = jobs::get(&self.db, job).await? else {
                        return Ok(false);
                    };
                    let model = self.model(&row, outcome);
                    let ending = Ending::Succeeded {
                        model: &model,
                        verdict: &outcome.verdict,
                    };
                    queue::finish(&self.db, worker, job, attempt, now_us, &ending).await
                }
                Finished::Failed { error } => {
                    queue::finish(&self.db, worker, job, attempt, now_us, &Ending::Failed { error }).await
                }
                Finished::Cancelled => queue::finish(&self.db, worker, job, attempt, now_us, &Ending::Cancelled).await,
                Finished::Released => queue::finish(&self.db, worker, job, attempt, now_us, &Ending::Released).await,
            }
        });
        let written = written.map_err(failed(format!("ending job {job}")))?;
        // What was cut short says nothing of how long the whole takes, nor does what fitted nothing.
        if let Finished::Succeeded { outcome } = finished
            && written
            && !outcome.report.training.cut_short
            && outcome.report.training.turned_from.is_none()
        {
            let rates = outcome.work.rates(&outcome.stage_times);
            // A forecast that rests on one run less is no reason to end a job twice.
            if let Err(error) = self.runtime.block_on(stage_rates::add(&self.db, job, now_us, &rates)) {
                tracing::warn!(%job, %error, "the times of a job are not kept");
            }
        }
        self.wake.notify();
        Ok(written)
    }
}
