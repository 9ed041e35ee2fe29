//! Two workers extract the same photos at once and are killed at random moments; the cache stays whole, and both jobs end
//! with the bytes of a quiet run.
//!
//! `REHEAD_KILLS` says how many kills there are, a few where it is not set; `REHEAD_SEED` draws other moments.

use std::sync::Arc;

use color_eyre::eyre::{Result, ensure, eyre};
use domain::api::JobResult;
use domain::event::{EventKind, JobEvent};
use domain::ids::JobId;
use domain::job::{Job, JobState, Stage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::process::Child;

use super::Done;
use crate::binary;
use crate::photos::{self, Few, Photo};
use crate::world::{Database, Node, World};

const PHOTOS: Few = Few {
    train: 30,
    calibration: 15,
    sealed: 30,
};
/// A job that loses a third worker is given up.
const MOST_OF_A_JOB: usize = 2;
const KILLS: usize = 4;
const LEASE_MS: u32 = 10_000;

pub(super) async fn of_two_workers(world: Arc<World>) -> Result<Done> {
    let n_kills = number("REHEAD_KILLS")?.map_or(KILLS, |n| usize::try_from(n).unwrap_or(KILLS));
    let mut draw = ChaCha8Rng::seed_from_u64(number("REHEAD_SEED")?.unwrap_or(5));
    let photos = photos::few("baseline.zip", PHOTOS, 0)?;

    let quiet = world.node(Database::Sqlite).await?;
    quiet.rest.dataset("lucky", &photos).await?;
    let mut expected = Vec::new();
    for _ in 0..2 {
        let (result, _) = quiet.rest.run_job(&body()).await?;
        expected.push(made(&quiet, &result).await?);
    }
    quiet.stop().await;
    expected.sort();

    let mut n_done = 0;
    while n_done < n_kills {
        let round = Round::start(&world, &photos).await?;
        let (killed, made) = round.run(n_kills - n_done, &mut draw).await?;
        ensure!(made == expected, "files or features differ from the undisturbed run's");
        ensure!(killed > 0, "no kill met a worker at what is tested here");
        n_done += killed;
    }
    println!("         {n_done} workers were killed while they read photos");
    Ok(Done::Passed)
}

fn body() -> Value {
    json!({ "datasets": ["lucky"], "reject_classes": ["none"], "start": true })
}

fn number(name: &str) -> Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text.parse().map_err(|error| eyre!("{name}={text}: {error}"))?)),
        Err(_) => Ok(None),
    }
}

/// The files and the features of a model that must not depend on what happened on the way.
type Made = Vec<Vec<u8>>;

async fn made(node: &Node, result: &JobResult) -> Result<Made> {
    let job = &result.job;
    ensure!(job.state == JobState::Succeeded, "{:?} {:?}", job.state, job.error);
    let model = job.model.as_ref().ok_or_else(|| eyre!("no model: {job:?}"))?;
    let mut made = Vec::new();
    for name in ["head.safetensors", "report.json", "manifest.json"] {
        made.push(node.rest.bytes(&format!("/models/{model}/files/{name}")).await?);
    }
    made.push(node.rest.bytes(&format!("/models/{model}/features?split=all")).await?);
    Ok(made)
}

/// A new server, two jobs on the same photos, and a worker for each.
struct Round {
    node: Node,
    binary: std::path::PathBuf,
    jobs: Vec<JobId>,
    workers: Vec<Child>,
}

impl Round {
    async fn start(world: &World, photos: &[Photo]) -> Result<Self> {
        let (node, binary) = (
            world.node_without_worker(Database::Sqlite).await?,
            world.binary().await?,
        );
        node.rest.dataset("lucky", photos).await?;
        let mut round = Self {
            node,
            binary,
            jobs: Vec::new(),
            workers: Vec::new(),
        };
        // One after the other, so that it is known who has which.
        for _ in 0..2 {
            let job: Job = round.node.rest.post("/jobs", &body()).await?;
            round
                .workers
                .push(round.node.spawn_worker_with_lease(&round.binary, LEASE_MS)?);
            round.begun(&job.id, 1).await?;
            round.jobs.push(job.id);
        }
        Ok(round)
    }

    /// Kills workers up to `n_left` times, lets both jobs end, and looks at what is left. How many kills there were, and what
    /// the jobs made.
    async fn run(mut self, n_left: usize, draw: &mut ChaCha8Rng) -> Result<(usize, Vec<Made>)> {
        let mut killed = vec![0; self.jobs.len()];
        for _ in 0..n_left.min(MOST_OF_A_JOB * self.jobs.len()) {
            let mut victim = usize::try_from(draw.next_u64() % 2)?;
            if killed[victim] == MOST_OF_A_JOB {
                victim = 1 - victim;
            }
            let attempt = i64::try_from(killed[victim])? + 1;
            // Two in a thousand come when everything is read and the segments are merged.
            let share = i64::try_from(draw.next_u64() % 1_002)?.min(1_000);
            if !self.reached(victim, attempt, share).await? || !self.both_run().await? {
                break;
            }
            self.workers[victim].kill().await?;
            self.workers[victim] = self.node.spawn_worker_with_lease(&self.binary, LEASE_MS)?;
            killed[victim] += 1;
            self.begun(&self.jobs[victim], attempt + 1).await?;
        }
        let mut all = Vec::new();
        for job in &self.jobs {
            self.node.rest.events(&job.0, None).await?;
            let result: JobResult = self.node.rest.get(&format!("/jobs/{job}/result")).await?;
            all.push(made(&self.node, &result).await?);
        }
        for worker in &mut self.workers {
            worker.kill().await?;
        }
        self.whole().await?;
        all.sort();
        self.node.stop().await;
        Ok((killed.iter().sum(), all))
    }

    /// Waits until an attempt runs, or the job has ended without it.
    async fn begun(&self, job: &JobId, attempt: i64) -> Result<()> {
        let begun = |event: &JobEvent| match &event.kind {
            EventKind::State { state, .. } => {
                (event.attempt == attempt && *state == JobState::Running) || state.is_final()
            }
            _ => false,
        };
        self.node.rest.wait_for(&job.0, "its next attempt", begun).await?;
        Ok(())
    }

    /// Waits until this share, in thousandths, of what an attempt reads is read; false where nothing was left to read.
    async fn reached(&self, victim: usize, attempt: i64, share: i64) -> Result<bool> {
        let moment = |event: &JobEvent| match &event.kind {
            // The attempt before may have ended the job as it was killed.
            EventKind::State { state, .. } => state.is_final(),
            _ if event.attempt < attempt => false,
            EventKind::Progress(progress) if progress.stage == Stage::Extract => {
                progress.done * 1_000 >= progress.total * share
            }
            EventKind::StageFinished { stage, .. } => *stage == Stage::Extract,
            _ => false,
        };
        let job = &self.jobs[victim];
        let event = self.node.rest.wait_for(&job.0, "a moment of extract", moment).await?;
        Ok(matches!(event.kind, EventKind::Progress(_)))
    }

    /// Whether each worker still has the job that it was given: who has ended one may have taken the other.
    async fn both_run(&self) -> Result<bool> {
        for job in &self.jobs {
            if self.node.job(job).await?.state != JobState::Running {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The cache is whole, also after it was cleaned, and nothing that a model needs was lost with it.
    async fn whole(&self) -> Result<()> {
        let first = self.cache(&["verify", "--json"]).await?;
        ensure!(first["n_segments"].as_u64() > Some(0), "{first}");
        let before = self.cache(&["stats", "--json"]).await?;
        self.cache(&["gc", "--older-than", "0s", "--json"]).await?;
        let after = self.cache(&["stats", "--json"]).await?;
        self.cache(&["verify", "--json"]).await?;
        let images = |stats: &Value| -> Option<Vec<(String, u64)>> {
            let of = |one: &Value| Some((one["space"].as_str()?.to_owned(), one["n_images"].as_u64()?));
            stats.as_array()?.iter().map(of).collect()
        };
        ensure!(
            images(&before).is_some() && images(&before) == images(&after),
            "{before} is not {after}"
        );
        let is_tidy = |one: &Value| one["garbage_share"].as_f64() == Some(0.0) && one["n_segments"].as_u64() <= Some(2);
        ensure!(after.as_array().is_some_and(|all| all.iter().all(is_tidy)), "{after}");
        Ok(())
    }

    async fn cache(&self, args: &[&str]) -> Result<Value> {
        let mut command = tokio::process::Command::new(&self.binary);
        command.arg("cache").args(args).env("REHEAD_DATA", &self.node.data);
        let said = binary::said(command.output().await?)?;
        ensure!(said.code == 0, "{args:?}: {said:?}");
        said.json()
    }
}
