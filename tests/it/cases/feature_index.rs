//! The contract of the index of cached features, on every implementation.

use std::sync::Arc;

use color_eyre::eyre::{Result, ensure};
use domain::ids::Digest;
use server::Clock;
use server::jobs::DbFeatureIndex;
use tokio::runtime::Handle;
use trainer::features::{FeatureIndex, IndexedSegment, MemoryIndex};

use super::Done;
use crate::world::{Database, World};

pub(super) async fn in_memory(_: Arc<World>) -> Result<Done> {
    check(Arc::new(MemoryIndex::default())).await?;
    Ok(Done::Passed)
}

pub(super) async fn on_sqlite(world: Arc<World>) -> Result<Done> {
    on(&world, Database::Sqlite).await
}

pub(super) async fn on_postgres(world: Arc<World>) -> Result<Done> {
    if let Some(reason) = world.no_postgres().await {
        return Ok(Done::Skipped(reason));
    }
    on(&world, Database::Postgres).await
}

async fn on(world: &World, database: Database) -> Result<Done> {
    let node = world.node_without_worker(database).await?;
    let index = DbFeatureIndex {
        db: node.db().await?,
        runtime: Handle::current(),
        clock: Clock::system(),
    };
    check(Arc::new(index)).await?;
    node.stop().await;
    Ok(Done::Passed)
}

/// The port is synchronous: its calls may block, so they are made where that is allowed.
async fn check(index: Arc<dyn FeatureIndex>) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        keeps_what_it_is_told(&*index)?;
        is_told_by_many(&*index)?;
        holds_a_hundred_thousand(&*index)
    })
    .await?
}

fn digest(name: impl std::fmt::Display) -> Digest {
    Digest::of(name.to_string().as_bytes())
}

fn segment(name: &str, images: std::ops::Range<u32>) -> IndexedSegment {
    let mut images: Vec<Digest> = images.map(digest).collect();
    images.sort();
    IndexedSegment {
        segment: digest(name),
        images,
    }
}

fn keeps_what_it_is_told(index: &dyn FeatureIndex) -> Result<()> {
    let (here, there) = (digest("here"), digest("there"));
    ensure!(index.spaces()?.is_empty() && index.segments(&here)?.is_empty());
    let mut told = vec![segment("a", 0..5), segment("b", 3..9), segment("empty", 0..0)];
    for one in &told {
        index.add(&here, std::slice::from_ref(one))?;
        index.add(&here, std::slice::from_ref(one))?;
    }
    index.add(&there, &told[..1])?;
    told.sort_by_key(|one| one.segment);
    ensure!(index.segments(&here)? == told, "in order of their names, each once");
    ensure!(index.segments(&there)?.len() == 1, "spaces are apart");
    let mut spaces = vec![here, there];
    spaces.sort();
    ensure!(index.spaces()? == spaces);

    index.add(&here, &[segment("a", 20..22)])?;
    let now = index.segments(&here)?;
    ensure!(
        now.len() == 3 && now.contains(&segment("a", 20..22)),
        "what is told last counts"
    );
    index.remove(&here, &[digest("a"), digest("empty"), digest("unknown")])?;
    index.remove(&here, &[])?;
    ensure!(index.segments(&here)? == [segment("b", 3..9)]);
    index.remove(&there, &[digest("a")])?;
    ensure!(index.spaces()? == [here], "a space without segments is none");
    index.remove(&here, &[digest("b")])?;
    Ok(())
}

fn is_told_by_many(index: &dyn FeatureIndex) -> Result<()> {
    let space = digest("many");
    std::thread::scope(|scope| -> Result<()> {
        let tell = |thread: u32| -> Result<()> {
            for turn in 0..10 {
                let name = format!("{thread} {turn}");
                index.add(&space, &[segment(&name, turn..turn + 3)])?;
                if turn % 2 == 0 {
                    index.remove(&space, &[digest(&name)])?;
                }
            }
            Ok(())
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || tell(thread))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("nothing in it panics"))
    })?;
    ensure!(index.segments(&space)?.len() == 20);
    Ok(())
}

fn holds_a_hundred_thousand(index: &dyn FeatureIndex) -> Result<()> {
    const ROWS: u32 = 8_192;
    let space = digest("large");
    let told: Vec<IndexedSegment> = (0..13)
        .map(|i| segment(&format!("large {i}"), i * ROWS..(i + 1) * ROWS))
        .collect();
    index.add(&space, &told)?;
    let known = index.segments(&space)?;
    let n: usize = known.iter().map(|one| one.images.len()).sum();
    ensure!(n == 106_496, "{n}");
    ensure!(known.iter().all(|one| told.contains(one)));
    Ok(())
}
