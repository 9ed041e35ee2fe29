//! Which segment holds whose features: one row a segment, with its images in order.

use domain::ids::Digest;
use trainer::features::IndexedSegment;

use super::{Db, DbError, keys, parse};

const DIGEST_BYTES: usize = 32;

/// The segments of a space, in order of their names.
///
/// # Errors
/// The database says no.
pub async fn of_space(db: &Db, space: &Digest) -> Result<Vec<IndexedSegment>, DbError> {
    const SQL: &str = "SELECT segment, images FROM feature_segments WHERE space = $1 ORDER BY segment";
    let rows: Vec<(String, Vec<u8>)> =
        on!(db, pool => sqlx::query_as(SQL).bind(space.to_string()).fetch_all(pool).await)?;
    rows.iter()
        .map(|(segment, images)| {
            let (images, rest) = images.as_chunks::<DIGEST_BYTES>();
            if !rest.is_empty() {
                return Err(DbError::Corrupt {
                    what: "feature_segments.images",
                    why: format!("{} bytes are left over", rest.len()),
                });
            }
            Ok(IndexedSegment {
                segment: parse("feature_segments.segment", segment)?,
                images: images.iter().map(|image| Digest::from_bytes(*image)).collect(),
            })
        })
        .collect()
}

/// Remembers segments, in place of what was known of them.
///
/// # Errors
/// The database says no.
pub async fn put(db: &Db, space: &Digest, segments: &[IndexedSegment], now_us: i64) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO feature_segments (space, segment, images, created_us) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (space, segment) DO UPDATE SET images = excluded.images";
    in_transaction!(db, connection => {
        for segment in segments {
            let images: Vec<u8> = segment.images.iter().flat_map(|image| *image.as_bytes()).collect();
            sqlx::query(SQL)
                .bind(space.to_string())
                .bind(segment.segment.to_string())
                .bind(images)
                .bind(now_us)
                .execute(&mut *connection)
                .await?;
        }
    });
    Ok(())
}

/// Forgets these segments.
///
/// # Errors
/// The database says no.
pub async fn forget(db: &Db, space: &Digest, segments: &[Digest]) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM feature_segments WHERE space = $1 AND segment IN (SELECT key FROM json_each($2))";
    let list = keys(segments);
    on!(db, pool => sqlx::query(SQL).bind(space.to_string()).bind(&list).execute(pool).await.map(drop))?;
    Ok(())
}

/// The spaces of which segments are known, in order.
///
/// # Errors
/// The database says no.
pub async fn spaces(db: &Db) -> Result<Vec<Digest>, DbError> {
    const SQL: &str = "SELECT DISTINCT space FROM feature_segments ORDER BY space";
    let rows: Vec<String> = on!(db, pool => sqlx::query_scalar(SQL).fetch_all(pool).await)?;
    rows.iter()
        .map(|space| parse("feature_segments.space", space))
        .collect()
}
