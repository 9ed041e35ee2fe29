//! Workers of this process, each on a thread of its own: the embedded ones of `serve` and the one of `worker`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::ids::WorkerId;
use trainer::backbones::Backbones;
use trainer::features::Cache;
use trainer::worker::{Timing, Worker, run_worker};

use super::DbQueue;
use crate::ids::new_id;

/// How workers behave.
#[derive(Clone, Copy, Debug)]
pub struct WorkersConfig {
    /// How many; each job uses all cores, so more than one helps only where jobs wait for storage.
    pub n_workers: usize,
    /// Between two looks at an empty queue.
    pub poll: Duration,
}

/// Running workers; dropping it without [`Workers::stop`] leaves them running.
pub struct Workers {
    shutdown: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(
        queue: &DbQueue,
        cache: &Cache,
        backbones: &Arc<Backbones>,
        config: WorkersConfig,
    ) -> std::io::Result<Self> {
        let shutdown = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::with_capacity(config.n_workers);
        for index in 0..config.n_workers {
            let (queue, cache, shutdown) = (queue.clone(), cache.clone(), Arc::clone(&shutdown));
            let backbones = Arc::clone(backbones);
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            threads.push(thread.spawn(move || run_until(&queue, &cache, &backbones, config.poll, &shutdown))?);
        }
        Ok(Self { shutdown, threads })
    }

    /// Asks them to end, and waits until they have: a running job goes back to the queue.
    pub fn stop(self) {
        self.shutdown.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

/// Runs one worker on this thread until `shutdown` is set.
pub fn run_until(queue: &DbQueue, cache: &Cache, backbones: &Backbones, poll: Duration, shutdown: &AtomicBool) {
    let id = WorkerId(format!("{}-{}", std::process::id(), new_id(&queue.clock)));
    let clock = queue.clock.clone();
    let clock_ms = move || u64::try_from(clock.now_us() / 1000).unwrap_or_default();
    // A third of the lease: two heartbeats may be lost before the job is.
    let heartbeat = Duration::from_micros(u64::try_from(queue.lease_us / 3).unwrap_or(1).max(1));
    let pipeline = |input: &trainer::pipeline::JobInput, observer: &dyn trainer::observer::Observer| {
        trainer::pipeline::run(cache, backbones, input, observer)
    };
    let worker = Worker {
        queue,
        artifacts: &queue.artifacts,
        id: &id,
        kernel: backbones.first().kernel(),
        pipeline: &pipeline,
        clock_ms: &clock_ms,
        timing: Timing {
            poll,
            heartbeat: heartbeat.min(Timing::default().heartbeat),
            ..Timing::default()
        },
    };
    tracing::info!(worker = %id, "a worker waits for jobs");
    run_worker(&worker, shutdown);
}
