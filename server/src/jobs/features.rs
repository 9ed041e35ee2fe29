//! The index of cached features over SQL. Called from blocking threads only.

use domain::ids::Digest;
use tokio::runtime::Handle;
use trainer::features::{FeatureIndex, IndexError, IndexedSegment};

use crate::clock::Clock;
use crate::db::{Db, DbError, feature_segments};

/// The index in the database.
#[derive(Clone)]
pub struct DbFeatureIndex {
    /// Where the rows are.
    pub db: Db,
    /// The runtime that waits for the database.
    pub runtime: Handle,
    /// The clock.
    pub clock: Clock,
}

fn failed(action: &'static str) -> impl FnOnce(DbError) -> IndexError {
    move |error| IndexError {
        action: action.to_owned(),
        source: Box::new(error),
    }
}

impl FeatureIndex for DbFeatureIndex {
    fn segments(&self, space: &Digest) -> Result<Vec<IndexedSegment>, IndexError> {
        self.runtime
            .block_on(feature_segments::of_space(&self.db, space))
            .map_err(failed("looking features up"))
    }

    fn add(&self, space: &Digest, segments: &[IndexedSegment]) -> Result<(), IndexError> {
        self.runtime
            .block_on(feature_segments::put(&self.db, space, segments, self.clock.now_us()))
            .map_err(failed("remembering segments of features"))
    }

    fn remove(&self, space: &Digest, segments: &[Digest]) -> Result<(), IndexError> {
        self.runtime
            .block_on(feature_segments::forget(&self.db, space, segments))
            .map_err(failed("forgetting segments of features"))
    }

    fn spaces(&self) -> Result<Vec<Digest>, IndexError> {
        self.runtime
            .block_on(feature_segments::spaces(&self.db))
            .map_err(failed("looking up which features there are"))
    }
}
