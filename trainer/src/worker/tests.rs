//! The loop against a queue in memory that can lose leases, ask for a stop and be out of reach.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use object_store::memory::InMemory;
use tokio::runtime::Runtime;

use super::*;
use crate::pipeline::tests::{a_job, an_outcome};

#[derive(Default)]
struct Memory {
    waiting: Mutex<VecDeque<JobInput>>,
    lease_lost: AtomicBool,
    cancel_requested: AtomicBool,
    /// Calls of `finish` that fail before one is heard.
    outages: AtomicU64,
    ended: Mutex<Vec<String>>,
    events: Mutex<Vec<EventKind>>,
    /// Set once a job has ended, so that the worker ends too.
    shutdown: AtomicBool,
}

impl JobQueue for Memory {
    fn claim(&self, _: &WorkerId, _: &str) -> Result<Option<ClaimedJob>, QueueError> {
        let next = self.waiting.lock().unwrap().pop_front();
        Ok(next.map(|input| ClaimedJob { input, attempt: 2 }))
    }

    fn heartbeat(&self, _: &WorkerId, _: &JobId, _: i64) -> Result<Lease, QueueError> {
        if self.lease_lost.load(Ordering::Relaxed) {
            self.shutdown.store(true, Ordering::Relaxed);
            return Ok(Lease::Lost);
        }
        Ok(Lease::Held {
            cancel_requested: self.cancel_requested.load(Ordering::Relaxed),
        })
    }

    fn event(&self, _: &WorkerId, _: &JobId, _: i64, kind: EventKind) -> Result<(), QueueError> {
        self.events.lock().unwrap().push(kind);
        Ok(())
    }

    fn look(&self, _: &WorkerId, _: &JobId, _: i64, look: &Look) -> Result<Option<Vec<Look>>, QueueError> {
        Ok(Some(vec![look.clone()]))
    }

    fn finish(&self, _: &WorkerId, _: &JobId, attempt: i64, finished: &Finished) -> Result<bool, QueueError> {
        if self
            .outages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
        {
            return Err(QueueError {
                action: "finishing".to_owned(),
                source: "no route to host".into(),
            });
        }
        let said = match finished {
            Finished::Succeeded { outcome } => format!("succeeded {}", outcome.manifest_digest),
            Finished::Failed { error } => format!("failed {error}"),
            Finished::Cancelled => "cancelled".to_owned(),
            Finished::Released => "released".to_owned(),
        };
        self.ended.lock().unwrap().push(format!("{said} in attempt {attempt}"));
        self.shutdown.store(true, Ordering::Relaxed);
        Ok(true)
    }
}

/// Runs one job with this pipeline; how it ended.
fn ended(queue: &Memory, artifacts: &Artifacts, pipeline: &Pipeline<'_>) -> Vec<String> {
    let short = Duration::from_millis(2);
    queue.waiting.lock().unwrap().push_back(a_job());
    let ticks = AtomicU64::new(0);
    let worker = Worker {
        queue,
        artifacts,
        id: &WorkerId("w".to_owned()),
        kernel: "kernel",
        pipeline,
        clock_ms: &|| ticks.fetch_add(1, Ordering::Relaxed),
        timing: Timing {
            poll: short,
            heartbeat: short,
            progress: Duration::from_millis(100),
        },
    };
    run_worker(&worker, &queue.shutdown);
    queue.ended.lock().unwrap().clone()
}

fn memory() -> Artifacts {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    Artifacts::new(Arc::new(InMemory::new()), RUNTIME.handle().clone())
}

/// A pipeline that ends only when it is told to.
fn until_cancelled(_: &JobInput, observer: &dyn Observer) -> Result<Outcome, PipelineError> {
    while !observer.cancelled() {
        std::thread::yield_now();
    }
    Err(PipelineError::Cancelled)
}

#[test]
fn files_are_stored_under_the_attempt_before_the_job_ends() {
    let (queue, artifacts, outcome) = (Memory::default(), memory(), an_outcome());
    let ended = ended(&queue, &artifacts, &|_, _| Ok(outcome.clone()));
    assert_eq!(ended, [format!("succeeded {} in attempt 2", outcome.manifest_digest)]);
    let job = a_job();
    for (name, bytes) in &outcome.files {
        let stored = artifacts
            .get(&ArtifactKey::job_file(&job.project, &job.job, 2, name))
            .unwrap();
        assert_eq!(stored.as_ref(), Some(bytes), "{name}");
    }
}

#[test]
fn an_outage_at_the_end_is_waited_out() {
    let queue = Memory {
        outages: AtomicU64::new(3),
        ..Memory::default()
    };
    let outcome = an_outcome();
    assert_eq!(ended(&queue, &memory(), &|_, _| Ok(outcome.clone())).len(), 1);
}

#[test]
fn a_refused_job_and_a_fault_fail_with_words() {
    let refuse = |_: &JobInput, _: &dyn Observer| Err(PipelineError::Input("add photos".to_owned()));
    assert_eq!(
        ended(&Memory::default(), &memory(), &refuse),
        ["failed add photos in attempt 2"]
    );
    let fault = |_: &JobInput, _: &dyn Observer| panic!("index 7 of 5");
    assert_eq!(
        ended(&Memory::default(), &memory(), &fault),
        ["failed a fault in the program stopped the job: index 7 of 5 in attempt 2"]
    );
}

#[test]
fn a_stop_that_was_asked_for_cancels() {
    let queue = Memory {
        cancel_requested: AtomicBool::new(true),
        ..Memory::default()
    };
    assert_eq!(ended(&queue, &memory(), &until_cancelled), ["cancelled in attempt 2"]);
}

#[test]
fn a_shutdown_gives_the_job_back() {
    let queue = Memory::default();
    let pipeline = |input: &JobInput, observer: &dyn Observer| {
        queue.shutdown.store(true, Ordering::Relaxed);
        until_cancelled(input, observer)
    };
    assert_eq!(ended(&queue, &memory(), &pipeline), ["released in attempt 2"]);
}

#[test]
fn a_lost_lease_ends_the_work_and_says_nothing() {
    let queue = Memory {
        lease_lost: AtomicBool::new(true),
        ..Memory::default()
    };
    let (artifacts, outcome) = (memory(), an_outcome());
    let pipeline = |input: &JobInput, observer: &dyn Observer| until_cancelled(input, observer).or(Ok(outcome.clone()));
    assert!(ended(&queue, &artifacts, &pipeline).is_empty());
    let job = a_job();
    let key = ArtifactKey::job_file(&job.project, &job.job, 2, &outcome.files[0].0);
    assert_eq!(artifacts.get(&key).unwrap(), None, "a zombie writes no file");
}

#[test]
fn progress_is_thinned_and_ends_are_always_told() {
    let queue = Memory::default();
    let pipeline = |_: &JobInput, observer: &dyn Observer| {
        for done in 0..=50 {
            observer.progress(Progress {
                stage: Stage::Extract,
                done,
                total: 50,
                rate_per_s: 100.0,
                left_ms: 0,
            });
        }
        Err(PipelineError::Input("enough".to_owned()))
    };
    ended(&queue, &memory(), &pipeline);
    let told: Vec<i64> = queue
        .events
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            EventKind::Progress(progress) => Some(progress.done),
            _ => None,
        })
        .collect();
    // The clock moves a millisecond a look and events are 100 ms apart: the first and the last.
    assert_eq!(told, [0, 50]);
}
