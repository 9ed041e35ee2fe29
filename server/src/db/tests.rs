//! The store's promises on a SQLite file: what is written stays, what is decided is decided once. Both engines keep the
//! queue's contract in the crate `tests`.

use std::collections::BTreeSet;

use domain::api::{Project, StoredImage};
use domain::dataset::{Dataset, DatasetRow, DatasetVersion, Split, count_classes, rows_digest};
use domain::event::EventKind;
use domain::gate::policy::GatePolicy;
use domain::gate::verdict::{Verdict, VerdictState};
use domain::ids::{DatasetId, DatasetVersionId, Digest, JobId, ModelId, ProjectId, ReleaseId, RequestId, WorkerId};
use domain::job::{Job, JobSpec, JobState, Stage, TrainConfig};
use domain::model::{BackboneRef, Model};
use domain::names::{ChannelName, ClassName, DatasetName, ProjectName};
use domain::release::{Release, ReleaseAction};
use domain::request::Request;

use super::queue::{Claim, Ending, MAX_ATTEMPTS};
use super::releases::{Move, Word};
use super::{Db, datasets, events, images, jobs, models, overrides, projects, queue, releases, requests};
use crate::clock::Clock;

mod kernels;
mod words;

const LEASE_US: i64 = 1_000;

/// An empty database with the project `main`.
struct Store {
    db: Db,
    project: ProjectId,
    _folder: tempfile::TempDir,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rehead.db");
        let db = Db::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let project = ProjectId("p".to_owned());
        let made = Project {
            id: project.clone(),
            name: ProjectName::new("main").unwrap(),
            created_us: 1,
        };
        assert!(projects::insert(&db, &made, None).await.unwrap());
        assert!(
            !projects::insert(&db, &made, None).await.unwrap(),
            "a name is given once"
        );
        Self {
            db,
            project,
            _folder: folder,
        }
    }

    async fn dataset(&self, name: &str) -> Dataset {
        let dataset = Dataset {
            id: DatasetId(name.to_owned()),
            project: self.project.clone(),
            name: DatasetName::new(name).unwrap(),
            created_us: 1,
            latest: None,
        };
        assert!(datasets::insert(&self.db, &dataset, None).await.unwrap());
        dataset
    }

    async fn image(&self, bytes: &str) -> Digest {
        let image = StoredImage {
            digest: Digest::of(bytes.as_bytes()),
            size_bytes: 1,
            width: 1,
            height: 1,
        };
        images::insert(&self.db, &self.project, &image, "hash", 1)
            .await
            .unwrap();
        image.digest
    }

    /// A version of these rows, decided from what the project held after `n_seen` versions.
    async fn version(&self, dataset: &Dataset, number: i64, n_seen: i64, rows: &[DatasetRow]) -> bool {
        let version = DatasetVersion {
            id: DatasetVersionId(format!("{}-{number}", dataset.id)),
            dataset: dataset.id.clone(),
            dataset_name: dataset.name.clone(),
            number,
            digest: rows_digest(rows),
            n_images: rows.len() as i64,
            classes: count_classes(rows),
            findings: Vec::new(),
            created_us: 1,
        };
        datasets::insert_version(&self.db, &self.project, n_seen, &version, rows)
            .await
            .unwrap()
    }

    async fn queued(&self, id: &str) -> JobId {
        let job = Job {
            id: JobId(id.to_owned()),
            project: self.project.clone(),
            request: None,
            spec: JobSpec {
                baseline: None,
                anchor: None,
                turned_from: None,
                backbone: Digest::of(b"backbone"),
                dataset_versions: Vec::new(),
                source: None,
                config: TrainConfig::default(),
                policy: GatePolicy::root(),
            },
            state: JobState::Draft,
            stage: None,
            progress_done: 0,
            progress_total: 0,
            attempt: 0,
            cancel_requested: false,
            error: None,
            verdict: None,
            model: None,
            stage_times: Vec::new(),
            created_by: None,
            created_us: 1,
            queued_us: None,
            started_us: None,
            finished_us: None,
        };
        jobs::insert(&self.db, &job, None).await.unwrap();
        assert!(jobs::start(&self.db, &job.id, None, 2).await.unwrap());
        assert!(
            !jobs::start(&self.db, &job.id, None, 2).await.unwrap(),
            "a job starts once"
        );
        job.id
    }

    async fn claim(&self, worker: &WorkerId, now_us: i64) -> Option<Claim> {
        queue::sweep(&self.db, now_us, "kernel").await.unwrap();
        let clock = Clock::new(move || now_us);
        queue::claim(&self.db, worker, "kernel", &clock, LEASE_US)
            .await
            .unwrap()
    }

    async fn finish(&self, worker: &WorkerId, job: &JobId, attempt: i64, ending: &Ending<'_>) -> bool {
        queue::finish(&self.db, worker, job, attempt, 9, ending).await.unwrap()
    }

    async fn job(&self, id: &JobId) -> Job {
        jobs::get(&self.db, id).await.unwrap().unwrap()
    }

    /// A job that made a model of the same name.
    async fn model(&self, id: &str) -> ModelId {
        let job = self.queued(id).await;
        let worker = worker("maker");
        let claim = self.claim(&worker, 3).await.unwrap();
        assert_eq!(claim.job, job);
        let verdict = Verdict {
            state: VerdictState::Pass,
            sentence: "All is well.".to_owned(),
            sentence_zh: "一切正常。".to_owned(),
            policy: Digest::of(b"policy"),
            alpha_per_look: 0.005,
            checks: Vec::new(),
        };
        let model = Model {
            id: ModelId(id.to_owned()),
            project: self.project.clone(),
            job: job.clone(),
            digest: Digest::of(id.as_bytes()),
            baseline: None,
            backbone: BackboneRef {
                digest: Digest::of(b"backbone"),
                name: "b".to_owned(),
                recipe: "r".to_owned(),
                dim: 1,
                preprocessing: Digest::of(b"p"),
                kernel: "k".to_owned(),
                tensors: Digest::of(b"t"),
            },
            classes: Vec::new(),
            new_classes: Vec::new(),
            verdict: verdict.summary(),
            files: Vec::new(),
            created_us: 4,
        };
        let ending = Ending::Succeeded {
            model: &model,
            verdict: &verdict,
        };
        assert!(self.finish(&worker, &job, 1, &ending).await);
        assert!(!self.finish(&worker, &job, 1, &ending).await, "a job ends once");
        assert_eq!(models::get(&self.db, &model.id).await.unwrap(), Some(model.clone()));
        assert_eq!(models::verdict(&self.db, &model.id).await.unwrap(), Some(verdict));
        model.id
    }

    fn release(&self, id: &str, model: &ModelId) -> Release {
        Release {
            id: ReleaseId(id.to_owned()),
            project: self.project.clone(),
            channel: ChannelName::new("production").unwrap(),
            number: 0,
            model: model.clone(),
            previous_model: None,
            action: ReleaseAction::Publish,
            undoes: None,
            anchors: None,
            verdict: VerdictState::Pass,
            override_reason: None,
            override_by: None,
            note: String::new(),
            request: None,
            by: None,
            created_us: 5,
        }
    }
}

fn after(expected: Option<&ReleaseId>) -> Move<'_> {
    Move {
        expected,
        by: None,
        word: Word::None,
    }
}

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

fn row(image: Digest, split: Split) -> DatasetRow {
    DatasetRow {
        image,
        class: ClassName::new("fu").unwrap(),
        split,
        group: image,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_and_workers_may_meet_on_an_empty_folder() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("rehead.db").display());
        let together = (0..4).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Db::connect(&url).await })
        });
        for connected in futures::future::join_all(together).await {
            let db = connected.unwrap().unwrap();
            assert!(projects::list(&db).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn facts_refuse_every_change() {
    let store = Store::new().await;
    let dataset = store.dataset("fu").await;
    let image = store.image("a").await;
    assert!(store.version(&dataset, 1, 0, &[row(image, Split::Train)]).await);
    let model = store.model("m").await;
    let published = releases::publish(&store.db, &store.release("r", &model), after(None))
        .await
        .unwrap();
    assert_eq!(published.unwrap().number, 1);
    let somebody = store.user("rita").await;
    let word = store.word("o", &model);
    overrides::insert(&store.db, &store.project, &word, &somebody)
        .await
        .unwrap();
    assert_eq!(overrides::of_model(&store.db, &model).await.unwrap(), [word]);
    let Db::Sqlite(pool) = &store.db else {
        panic!("a SQLite store")
    };
    let changes = [
        "UPDATE dataset_versions SET number = 2",
        "DELETE FROM dataset_versions",
        "UPDATE dataset_rows SET split = 'sealed'",
        "DELETE FROM dataset_rows",
        "UPDATE job_events SET seq = seq + 10",
        "DELETE FROM job_events",
        "UPDATE models SET body = ''",
        "DELETE FROM models",
        "UPDATE evaluations SET state = 'pass'",
        "DELETE FROM evaluations",
        "UPDATE releases SET note = 'it was never me'",
        "DELETE FROM releases",
        "UPDATE overrides SET reason = 'it was never me'",
        "DELETE FROM overrides",
        "UPDATE images SET split = 'sealed'",
        "UPDATE images SET grp = ''",
    ];
    for change in changes {
        let refused = sqlx::query(change).execute(pool).await.unwrap_err().to_string();
        assert!(
            ["immutable", "append-only", "never changes"]
                .iter()
                .any(|word| refused.contains(word)),
            "{change}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_version_decided_on_an_old_view_is_not_written() {
    let store = Store::new().await;
    let (one, two) = (store.dataset("one").await, store.dataset("two").await);
    let image = store.image("a").await;
    let n_seen = projects::n_versions(&store.db, &store.project).await.unwrap();
    assert!(store.version(&one, 1, n_seen, &[row(image, Split::Train)]).await);
    // Decided at the same moment in another dataset: the image would certify what it trained.
    assert!(!store.version(&two, 1, n_seen, &[row(image, Split::Sealed)]).await);
    assert_eq!(
        datasets::latest(&store.db, &two.id).await.unwrap(),
        None,
        "nothing of it is there"
    );
    let known = images::get(&store.db, &store.project, &image).await.unwrap().unwrap();
    assert_eq!((known.split, known.group), (Some(Split::Train), Some(image)));
    let n_seen = projects::n_versions(&store.db, &store.project).await.unwrap();
    assert!(store.version(&two, 1, n_seen, &[row(image, Split::Train)]).await);
    let latest = datasets::latest(&store.db, &two.id).await.unwrap().unwrap();
    assert_eq!(
        datasets::rows(&store.db, &latest.id).await.unwrap(),
        [row(image, Split::Train)]
    );
}

#[tokio::test]
async fn a_channel_moves_from_what_was_seen_only() {
    let store = Store::new().await;
    let (old, new) = (store.model("old").await, store.model("new").await);
    let publish = async |id: &str, model: &ModelId, expected: Option<&str>| {
        let expected = expected.map(|id| ReleaseId(id.to_owned()));
        releases::publish(&store.db, &store.release(id, model), after(expected.as_ref()))
            .await
            .unwrap()
    };
    assert!(
        publish("r0", &old, Some("nothing")).await.is_none(),
        "the channel has no release yet"
    );
    assert_eq!(publish("r1", &old, None).await.unwrap().number, 1);
    assert!(publish("r2", &new, None).await.is_none(), "it has one now");
    let racers = ["a", "b", "c", "d", "e", "f"].map(|id| publish(id, &new, Some("r1")));
    let moved: Vec<Release> = futures::future::join_all(racers).await.into_iter().flatten().collect();
    assert_eq!(
        moved.iter().map(|release| release.number).collect::<Vec<_>>(),
        [2],
        "one of six wins"
    );
    let log = releases::list(&store.db, &store.project).await.unwrap();
    assert_eq!(log.len(), 2, "who lost left no line");
    let current = releases::current(&store.db, &store.project, &moved[0].channel)
        .await
        .unwrap();
    assert_eq!(current.as_ref(), Some(&moved[0]));
    // A server whose clock is behind moves the channel: the log of the channel is in the order of its moves all the same.
    let mut early = moved[0].clone();
    early.id = ReleaseId("early".to_owned());
    early.created_us = 0;
    let early = releases::publish(&store.db, &early, after(Some(&moved[0].id)))
        .await
        .unwrap()
        .unwrap();
    let log = releases::of_channel(&store.db, &store.project, &early.channel)
        .await
        .unwrap();
    let numbers: Vec<i64> = log.iter().map(|release| release.number).collect();
    assert_eq!(numbers, [3, 2, 1]);
}

#[tokio::test]
async fn a_lost_lease_is_taken_over_until_it_has_cost_too_many_workers() {
    let store = Store::new().await;
    let job = store.queued("j").await;
    let mut now_us = 10;
    for attempt in 1..=MAX_ATTEMPTS {
        let name = worker(&format!("w{attempt}"));
        assert_eq!(
            store.claim(&name, now_us).await.map(|claim| claim.attempt),
            Some(attempt)
        );
        let held = queue::heartbeat(&store.db, &name, &job, attempt, now_us + 2 * LEASE_US)
            .await
            .unwrap();
        assert_eq!(held, Some(false));
        let beaten = now_us + LEASE_US + 1;
        assert!(
            store.claim(&worker("other"), beaten).await.is_none(),
            "a heartbeat holds it longer"
        );
        if attempt > 1 {
            let zombie = worker(&format!("w{}", attempt - 1));
            assert!(!store.finish(&zombie, &job, attempt - 1, &Ending::Cancelled).await);
            assert!(!store.finish(&zombie, &job, attempt, &Ending::Cancelled).await);
            let lost = queue::heartbeat(&store.db, &zombie, &job, attempt - 1, i64::MAX)
                .await
                .unwrap();
            assert_eq!(lost, None);
        }
        now_us += 2 * LEASE_US + 1;
    }
    assert!(store.claim(&worker("last"), now_us).await.is_none());
    let ended = store.job(&job).await;
    assert_eq!(ended.state, JobState::Failed);
    assert!(ended.error.unwrap().contains("3 workers"));
}

#[tokio::test]
async fn a_leaving_worker_gives_its_attempt_back_and_a_wish_to_stop_is_kept() {
    let store = Store::new().await;
    let job = store.queued("j").await;
    for _ in 0..2 * MAX_ATTEMPTS {
        assert_eq!(store.claim(&worker("w"), 10).await.map(|claim| claim.attempt), Some(1));
        assert!(store.finish(&worker("w"), &job, 1, &Ending::Released).await);
        assert_eq!(store.job(&job).await.state, JobState::Queued);
    }
    store.claim(&worker("w"), 10).await.unwrap();
    assert_eq!(
        jobs::request_cancel(&store.db, &job, 11).await.unwrap(),
        Some(JobState::Running)
    );
    assert!(store.finish(&worker("w"), &job, 1, &Ending::Released).await);
    let ended = store.job(&job).await;
    assert_eq!(
        ended.state,
        JobState::Cancelled,
        "else nobody would ever take or end it"
    );
    assert!(ended.finished_us.is_some());
    let last = events::after(&store.db, &job, 0).await.unwrap().pop().unwrap();
    assert_eq!(
        last.kind,
        EventKind::State {
            state: JobState::Cancelled,
            message: None
        }
    );
}

#[tokio::test]
async fn a_cancelled_job_of_a_dead_worker_ends() {
    let store = Store::new().await;
    let job = store.queued("j").await;
    store.claim(&worker("dead"), 10).await.unwrap();
    jobs::request_cancel(&store.db, &job, 11).await.unwrap();
    assert!(store.claim(&worker("next"), 11 + LEASE_US).await.is_none());
    assert_eq!(store.job(&job).await.state, JobState::Cancelled);
}

#[tokio::test]
async fn events_are_numbered_without_gap_by_the_holder_alone() {
    let store = Store::new().await;
    let job = store.queued("j").await;
    let holder = worker("holder");
    store.claim(&holder, 10).await.unwrap();
    let kind = EventKind::StageStarted { stage: Stage::Fetch };
    let append = async |name: &WorkerId| {
        events::append_fenced(&store.db, name, &job, 1, 11, &kind)
            .await
            .unwrap()
    };
    let stranger = worker("stranger");
    let writers = (0..40).map(|index| append(if index % 4 == 0 { &stranger } else { &holder }));
    let numbers: Vec<i64> = futures::future::join_all(writers).await.into_iter().flatten().collect();
    assert_eq!(numbers.len(), 30);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 30, "no number twice");
    let all = events::after(&store.db, &job, 0).await.unwrap();
    assert!(
        all.iter().map(|event| event.seq).eq(1..=33),
        "draft, queued, running and the thirty"
    );
    assert_eq!(events::after(&store.db, &job, 31).await.unwrap(), all[31..]);
}

#[tokio::test]
async fn a_request_knows_what_was_made_for_it() {
    let store = Store::new().await;
    let request = |id: &str, due_us: i64| Request {
        id: RequestId(id.to_owned()),
        project: store.project.clone(),
        title: "fu-ma".to_owned(),
        opened_us: 1,
        due_us,
        closed_us: None,
        datasets: Vec::new(),
        jobs: Vec::new(),
        releases: Vec::new(),
    };
    let (late, soon) = (request("late", 20), request("soon", 10));
    requests::insert(&store.db, &late).await.unwrap();
    requests::insert(&store.db, &soon).await.unwrap();
    for name in ["one", "two"] {
        let mut dataset = store.dataset(&format!("unlinked {name}")).await;
        dataset.id = DatasetId(name.to_owned());
        dataset.name = DatasetName::new(name).unwrap();
        assert!(datasets::insert(&store.db, &dataset, Some(&late.id)).await.unwrap());
    }
    let mut release = store.release("r", &store.model("m").await);
    release.request = Some(soon.id.clone());
    releases::publish(&store.db, &release, after(None))
        .await
        .unwrap()
        .unwrap();
    let listed = requests::list(&store.db, &store.project).await.unwrap();
    assert_eq!(
        listed.iter().map(|request| request.id.0.as_str()).collect::<Vec<_>>(),
        ["soon", "late"]
    );
    assert_eq!(listed[0].releases, [release.id]);
    assert!(listed[0].datasets.is_empty());
    assert_eq!(listed[1].datasets, ["one", "two"].map(|id| DatasetId(id.to_owned())));
    assert_eq!(
        requests::get(&store.db, &late.id).await.unwrap().as_ref(),
        Some(&listed[1])
    );
    assert!(requests::close(&store.db, &soon.id, 15).await.unwrap());
    assert!(
        !requests::close(&store.db, &soon.id, 16).await.unwrap(),
        "it closes once"
    );
    let listed = requests::list(&store.db, &store.project).await.unwrap();
    assert_eq!((listed[0].id.0.as_str(), listed[1].closed_us), ("late", Some(15)));
}
