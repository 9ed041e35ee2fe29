//! Every case, and the loop that runs them.

mod commands;
mod compare;
mod crosscheck;
mod feature_index;
pub(crate) mod full_size;
mod gate;
mod inputs;
mod jobs;
mod kill;
mod kills;
mod metrics_reference;
mod people;
mod people_matrix;
mod queue;
mod releases;
pub(crate) mod story;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use tokio::time::Instant;

use crate::world::World;

/// How a case ended when it did not fail.
pub(crate) enum Done {
    /// It holds.
    Passed,
    /// This machine cannot run it, for this reason.
    Skipped(String),
}

type Run = fn(Arc<World>) -> Pin<Box<dyn Future<Output = Result<Done>>>>;

/// A case by its name.
struct Case {
    name: &'static str,
    run: Run,
}

macro_rules! cases {
    ($($name:literal => $run:path),* $(,)?) => {
        &[$(Case { name: $name, run: |world| Box::pin($run(world)) }),*]
    };
}

const CASES: &[Case] = cases![
    "story: sqlite, and the same bytes twice" => story::on_sqlite,
    "story: postgres gives the same bytes" => story::on_postgres,
    "releases: override, compare-and-swap, undo" => releases::moves,
    "releases: of many at once one wins" => releases::race,
    "inputs: bytes that are no photo" => inputs::images,
    "inputs: bodies and addresses that make no sense" => inputs::bodies,
    "inputs: hostile archives" => inputs::archives,
    "people: what each role may do" => people_matrix::whole,
    "people: of other projects nothing is told" => people_matrix::strangers,
    "people: nobody overrides a verdict on the own job" => people::own_override,
    "people: a reviewer overrides and a publisher publishes" => people::overrides,
    "people: the first account, sessions and their end" => people::on_sqlite,
    "people: the same on postgres" => people::on_postgres,
    "people: five failures a minute" => people::throttling,
    "people: tokens that are good no more" => people::tokens,
    "people: accounts and tokens on the command line" => people::command_line,
    "jobs: events are replayed from where one was" => jobs::replay,
    "jobs: cancel while queued and while running" => jobs::cancel,
    "jobs: a deadline of seconds on a cold cache" => jobs::deadline,
    "jobs: a forged request from another site" => jobs::forged,
    "queue: contract on sqlite" => queue::on_sqlite,
    "queue: contract on postgres" => queue::on_postgres,
    "worker: killed in extract, another one finishes" => kill::in_extract,
    "worker: two at once, killed again and again" => kills::of_two_workers,
    "cache: contract of the index in memory" => feature_index::in_memory,
    "cache: contract of the index on sqlite" => feature_index::on_sqlite,
    "cache: contract of the index on postgres" => feature_index::on_postgres,
    "command line: exit codes and JSON" => commands::exit_codes,
    "full size: baseline, clone, publish, undo" => full_size::whole,
    "full size: the dial turned" => full_size::dial,
    "full size: a policy of a job's own needs a reviewer" => full_size::own_policy,
    "compare: models over the same photos" => compare::whole,
    "dial: judged by the policy of its model" => compare::frozen,
    "crosscheck: the report recomputed by other tools" => crosscheck::recompute,
    "crosscheck: metrics_reference, random worlds and edges" => metrics_reference::whole,
    "gate: a project's own policies" => gate::policies,
    "gate: losses since the anchor" => gate::anchor,
    "gate: looks are counted" => gate::looks,
    "crosscheck: the gate on worlds whose truth is known" => crosscheck::worlds,
];

/// No case may take longer, but those that were asked for more than they usually do.
fn patience() -> Duration {
    let is_long = std::env::var_os("REHEAD_KILLS").is_some();
    Duration::from_secs(if is_long { 3_600 } else { 420 })
}

/// Runs the cases that the command line names, one after the other, and stops what they started.
pub(crate) fn run_all() -> ExitCode {
    // Where it was said and why is enough; the frames below a case say nothing.
    color_eyre::config::HookBuilder::default()
        .theme(color_eyre::config::Theme::new())
        .display_env_section(false)
        .add_frame_filter(Box::new(|frames| frames.truncate(0)))
        .install()
        .expect("nothing else has installed a hook");
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<&Case> = CASES
        .iter()
        .filter(|case| words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str())))
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let begun = Instant::now();
    let (n_failed, n_skipped) = tokio::task::LocalSet::new().block_on(&runtime, async {
        let world = Arc::new(World::new().expect("a temporary folder can be made"));
        let mut counts = (0, 0);
        for case in &chosen {
            let begun = Instant::now();
            let outcome = run_one(case, &world).await;
            let seconds = begun.elapsed().as_secs_f64();
            match outcome {
                Ok(Done::Passed) => println!("ok       {:<60} {seconds:6.1} s", case.name),
                Ok(Done::Skipped(reason)) => {
                    counts.1 += 1;
                    println!("skipped: {} ({reason})", case.name);
                }
                Err(error) => {
                    counts.0 += 1;
                    println!("FAILED   {:<60} {seconds:6.1} s\n{error:?}", case.name);
                }
            }
        }
        world.stop().await;
        counts
    });
    let n = chosen.len();
    println!(
        "{n} cases, {n_failed} failed, {n_skipped} skipped, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    if n_failed == 0 && n > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run_one(case: &Case, world: &Arc<World>) -> Result<Done> {
    // A task of its own, so that a panic ends the case and not the run.
    let task = tokio::task::spawn_local((case.run)(Arc::clone(world)));
    let abort = task.abort_handle();
    match tokio::time::timeout(patience(), task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(eyre!("{panic}")),
        Err(_) => {
            abort.abort();
            Err(eyre!("not done after {:?}", patience()))
        }
    }
}
