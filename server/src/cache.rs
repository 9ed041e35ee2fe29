//! `rehead cache …`: what is cached of images, straight on database and store, for whoever looks after a server.
//!
//! Everything in the cache can be computed again from images and models; so cleaning can cost time and never a result.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use trainer::features::{Cleaned, FeatureError, GcOptions, KnownSpaces, SpaceStats, Verified, gc, stats, verify};
use trainer::package::HEAD_FILE;

use crate::StartError;
use crate::application::Storage;
use crate::client::durations;
use crate::client::output::{Output, bytes, count, percent};
use crate::clock::Clock;
use crate::config::StorageConfig;
use crate::db::{Db, DbError, models};

/// What can be done with the cache.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is cached for which backbone, and how much of it is garbage.
    Stats {
        /// Where it is and how to tell.
        #[command(flatten)]
        options: Options,
    },
    /// Compare every segment with its checksum and the index with the segments; fails where something is wrong.
    Verify {
        /// Where it is and how to tell.
        #[command(flatten)]
        options: Options,
    },
    /// Remove what nobody needs: spaces of no model, damaged segments, rows that are there twice; make few large segments of
    /// many small ones. Safe while workers run.
    Gc {
        /// Where it is and how to tell.
        #[command(flatten)]
        options: Options,
        /// Leave alone what is younger: a running job may just have written it.
        #[arg(long, default_value = "1h", value_parser = durations::parse, value_name = "DURATION")]
        older_than: Duration,
        /// Change nothing, say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Where the cache is and how to tell of it.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the rows and the files are.
    #[command(flatten)]
    pub storage: StorageConfig,
    /// Print one JSON document on standard output; everything else goes to standard error.
    #[arg(long)]
    pub json: bool,
}

/// Why the cache cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Database or store cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database says no.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Store or copies cannot be read or written.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A fault in the program.
    #[error("a fault in the program stopped it: {0}")]
    Fault(String),
}

/// Runs a command to its end.
///
/// # Errors
/// Says what is in the way.
pub async fn run(command: Command) -> Result<ExitCode, CacheError> {
    let clock = Clock::system();
    let options = match &command {
        Command::Stats { options } | Command::Verify { options } | Command::Gc { options, .. } => options.clone(),
    };
    let storage = Storage::open(&options.storage, &clock).await?;
    let known = known(&storage.db).await?;
    let (output, cache) = (Output::new(options.json), storage.cache.clone());
    let done = tokio::task::spawn_blocking(move || match command {
        Command::Stats { .. } => {
            tell_stats(&output, &stats(&cache, &known)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { .. } => {
            let progress = |done: usize, all: usize| output.progress(|| format!("{done} of {all} segments"));
            let verified = verify(&cache, &progress)?;
            tell_verified(&output, &verified);
            let is_whole = verified.findings.is_empty();
            Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Gc {
            older_than, dry_run, ..
        } => {
            let options = GcOptions {
                now_us: clock.now_us(),
                older_than_us: i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX),
                dry_run,
            };
            let progress = |done: usize, all: usize| output.progress(|| format!("{done} of {all} spaces"));
            tell_cleaned(&output, &gc(&cache, &known, options, &progress)?, dry_run);
            Ok(ExitCode::SUCCESS)
        }
    });
    let code = done.await.map_err(|error| CacheError::Fault(error.to_string()))?;
    storage.db.close().await;
    code
}

/// The spaces of this program's backbones and of every model.
async fn known(db: &Db) -> Result<KnownSpaces, CacheError> {
    let backbones = tokio::task::spawn_blocking(trainer::bundled::backbones)
        .await
        .map_err(|error| CacheError::Fault(error.to_string()))?;
    let mut known = KnownSpaces::default();
    for backbone in backbones.references() {
        known.add(&backbone);
    }
    known.add(&backbones.lineup().reference());
    for model in models::all(db).await? {
        known.add(&model.backbone);
        for head in model.files.iter().filter(|file| file.name == HEAD_FILE) {
            known.add_head(&model.backbone, head.digest);
        }
    }
    Ok(known)
}

fn tell_stats(output: &Output, stats: &[SpaceStats]) {
    if output.json {
        return output.document(&stats);
    }
    if stats.is_empty() {
        return output.line("nothing is cached");
    }
    let header = [
        "space", "of", "recipe", "kernel", "rows", "images", "segments", "size", "garbage", "copies",
    ];
    let row = |one: &SpaceStats| {
        let known = one.known.as_ref();
        let of = known.map_or_else(
            || "nobody".to_owned(),
            |known| match &known.logits_of {
                None => known.backbone.clone(),
                Some(head) => format!("{}, logits of head {}", known.backbone, head.short()),
            },
        );
        let segments = match one.n_segments - one.n_indexed {
            0 => one.n_segments.to_string(),
            n => format!("{} ({n} not indexed)", one.n_segments),
        };
        vec![
            one.space.short(),
            of,
            known.map_or_else(|| "–".to_owned(), |known| known.recipe.clone()),
            known.map_or_else(|| "–".to_owned(), |known| known.kernel.clone()),
            one.n_rows.to_string(),
            one.n_images.to_string(),
            segments,
            bytes(one.size_bytes),
            percent(Some(one.garbage_share)),
            if one.n_copies == 0 {
                "–".to_owned()
            } else {
                format!("{} ({})", one.n_copies, bytes(one.copies_bytes))
            },
        ]
    };
    output.table(&header, &stats.iter().map(row).collect::<Vec<_>>());
    let total = stats.iter().map(|one| one.size_bytes).sum();
    output.line(&format!("{} in {}", bytes(total), count(stats.len(), "space")));
}

fn tell_verified(output: &Output, verified: &Verified) {
    if output.json {
        return output.document(verified);
    }
    for finding in &verified.findings {
        output.line(&format!("{}: {}", finding.object, finding.message));
    }
    let n = verified.findings.len();
    let whole = format!(
        "{} with {}, {}, are whole",
        count(verified.n_segments, "segment"),
        count(verified.n_rows, "row"),
        bytes(verified.size_bytes)
    );
    output.line(&if n == 0 {
        whole
    } else {
        format!("{whole}; {}", count(n, "finding"))
    });
    if verified.n_unindexed + verified.n_stale > 0 {
        output.note(&format!(
            "the index does not know {} and knows {} that are gone, whose rows are elsewhere; both are harmless, and gc \
             puts them right",
            count(verified.n_unindexed, "segment"),
            verified.n_stale
        ));
    }
}

fn tell_cleaned(output: &Output, cleaned: &Cleaned, dry_run: bool) {
    if output.json {
        return output.document(cleaned);
    }
    let parts = [
        (cleaned.n_unused, "segments that no model or backbone uses"),
        (cleaned.n_damaged, "damaged segments"),
        (cleaned.n_redundant, "segments whose rows are elsewhere too"),
        (cleaned.n_files, "files that no object belongs to"),
        (cleaned.n_stale, "entries of the index whose segment is gone"),
    ];
    for (n, what) in parts.into_iter().filter(|(n, _)| *n > 0) {
        output.line(&format!("{n} {what}"));
    }
    if cleaned.n_merged > 0 {
        output.line(&format!(
            "{} merged into {}",
            count(cleaned.n_merged, "segment"),
            cleaned.n_merged_into
        ));
    }
    if cleaned.n_reindexed > 0 {
        output.line(&format!("{} indexed again", count(cleaned.n_reindexed, "segment")));
    }
    let freed = bytes(cleaned.freed_bytes);
    output.line(&if dry_run {
        format!("would free {freed}")
    } else {
        format!("freed {freed}")
    });
}
