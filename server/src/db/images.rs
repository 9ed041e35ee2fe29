//! Stored images: what is known of their bytes, and the split that each keeps for ever.

use domain::api::StoredImage;
use domain::dataset::Split;
use domain::ids::{Digest, ProjectId};

use super::{Db, DbError, keys, parse};

/// An image as the database knows it.
#[derive(Clone, Debug)]
pub struct ImageRow {
    /// What the API shows.
    pub image: StoredImage,
    /// Its perceptual hash.
    pub hash: String,
    /// Its split, once a dataset version holds it.
    pub split: Option<Split>,
    /// Its near-duplicate group, likewise.
    pub group: Option<Digest>,
}

/// Remembers an image; a second time changes nothing.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, project: &ProjectId, image: &StoredImage, hash: &str, now_us: i64) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO images (project, digest, size_bytes, width, height, hash, created_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    on!(db, pool => sqlx::query(SQL)
        .bind(&project.0)
        .bind(image.digest.to_string())
        .bind(image.size_bytes)
        .bind(image.width)
        .bind(image.height)
        .bind(hash)
        .bind(now_us)
        .execute(pool)
        .await
        .map(drop))?;
    Ok(())
}

type Row = (String, i64, i64, i64, String, Option<String>, Option<String>);

fn image((digest, size_bytes, width, height, hash, split, group): Row) -> Result<ImageRow, DbError> {
    Ok(ImageRow {
        image: StoredImage {
            digest: parse("images.digest", &digest)?,
            size_bytes,
            width,
            height,
        },
        hash,
        split: split.map(|split| parse("images.split", &split)).transpose()?,
        group: group.map(|group| parse("images.grp", &group)).transpose()?,
    })
}

/// One image.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, project: &ProjectId, digest: &Digest) -> Result<Option<ImageRow>, DbError> {
    Ok(many(db, project, &[*digest]).await?.pop())
}

/// Those of these images that are stored, by digest.
///
/// # Errors
/// The database says no.
pub async fn many(db: &Db, project: &ProjectId, digests: &[Digest]) -> Result<Vec<ImageRow>, DbError> {
    const SQL: &str = "SELECT digest, size_bytes, width, height, hash, split, grp FROM images \
        WHERE project = $1 AND digest IN (SELECT key FROM json_each($2)) ORDER BY digest";
    let list = keys(digests);
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).bind(&list).fetch_all(pool).await)?;
    rows.into_iter().map(image).collect()
}

/// Those of these images that are not stored, in the order given.
///
/// # Errors
/// The database says no.
pub async fn missing(db: &Db, project: &ProjectId, digests: &[Digest]) -> Result<Vec<Digest>, DbError> {
    let stored = many(db, project, digests).await?;
    let stored: std::collections::BTreeSet<Digest> = stored.into_iter().map(|row| row.image.digest).collect();
    Ok(digests
        .iter()
        .filter(|digest| !stored.contains(*digest))
        .copied()
        .collect())
}

/// All images of the project that have a split: what new ones may nearly duplicate.
///
/// # Errors
/// The database says no.
pub async fn assigned(db: &Db, project: &ProjectId) -> Result<Vec<ImageRow>, DbError> {
    const SQL: &str = "SELECT digest, size_bytes, width, height, hash, split, grp FROM images \
        WHERE project = $1 AND split IS NOT NULL ORDER BY digest";
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).fetch_all(pool).await)?;
    rows.into_iter().map(image).collect()
}
