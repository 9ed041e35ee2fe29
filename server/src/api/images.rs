//! Images by the digest of their bytes. What the browser says is checked again: the digest, and that it is a picture.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use domain::api::{MissingImages, StoredImage};
use domain::ids::Digest;
use trainer::artifacts::ArtifactKey;

use super::{InProject, named, project};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// Most bytes of one image file.
pub(crate) const MAX_IMAGE_BYTES: usize = 64 * 1024 * 1024;
/// Most digests in one question.
const MAX_DIGESTS: usize = 10_000;

/// Which of these images must still be sent?
#[utoipa::path(post, path = "/images/missing", tag = "images", request_body = MissingImages,
    responses((status = 200, body = MissingImages)))]
pub(crate) async fn missing(
    State(state): State<AppState>,
    caller: Caller,
    Json(asked): Json<MissingImages>,
) -> Result<Json<MissingImages>, ApiError> {
    if asked.images.len() > MAX_DIGESTS {
        return Err(ApiError::invalid(format!(
            "at most {MAX_DIGESTS} digests a call, got {}; ask in parts",
            asked.images.len()
        )));
    }
    let project = project(&state, &caller, named(asked.project.as_ref())).await?;
    let images = db::images::missing(&state.db, &project.id, &asked.images).await?;
    Ok(Json(MissingImages {
        project: asked.project,
        images,
    }))
}

/// Store an image under the BLAKE3 digest of its bytes; a second time changes nothing.
#[utoipa::path(put, path = "/images/{digest}", tag = "images", params(("digest" = String, Path), InProject),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = StoredImage), (status = 200, body = StoredImage, description = "Known already"),
        (status = 413), (status = 422, description = "Another digest, or not a picture")))]
pub(crate) async fn put(
    State(state): State<AppState>,
    caller: Caller,
    Path(digest): Path<String>,
    Query(query): Query<InProject>,
    body: Bytes,
) -> Result<(StatusCode, Json<StoredImage>), ApiError> {
    let digest: Digest = parse(&digest)?;
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let known = db::images::get(&state.db, &project.id, &digest).await?;
    let permit = Arc::clone(&state.decoding)
        .acquire_owned()
        .await
        .map_err(ApiError::internal)?;
    let key = ArtifactKey::image(&project.id, &digest);
    let artifacts = state.artifacts.clone();
    let (image, hash) = state
        .blocking(move || {
            let _permit = permit;
            let got = Digest::of(&body);
            if got != digest {
                return Err(ApiError::problem(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "digest-mismatch",
                    "The bytes have another digest",
                    format!("the body's BLAKE3 digest is {got}, the address says {digest}; send the bytes again"),
                ));
            }
            if let Some(row) = known {
                // Sending it again brings back an object that the store has lost.
                artifacts.put(&key, body)?;
                return Ok((row.image, None));
            }
            let facts = trainer::images::inspect(&body)?;
            let size_bytes = i64::try_from(body.len()).map_err(ApiError::internal)?;
            let image = StoredImage {
                digest,
                size_bytes,
                width: i64::from(facts.width),
                height: i64::from(facts.height),
            };
            // The object first, then the row: whoever sees the row can read the bytes.
            artifacts.put(&key, body)?;
            Ok((image, Some(facts.hash.to_string())))
        })
        .await?;
    let Some(hash) = hash else {
        return Ok((StatusCode::OK, Json(image)));
    };
    db::images::insert(&state.db, &project.id, &image, &hash, state.clock.now_us()).await?;
    Ok((StatusCode::CREATED, Json(image)))
}

/// An image's bytes, as they were sent.
#[utoipa::path(get, path = "/images/{digest}", tag = "images", params(("digest" = String, Path), InProject),
    responses((status = 200, content_type = "image/*"), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(digest): Path<String>,
    Query(query): Query<InProject>,
) -> Result<Response, ApiError> {
    let digest: Digest = parse(&digest)?;
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let key = ArtifactKey::image(&project.id, &digest);
    let artifacts = state.artifacts.clone();
    let bytes = state.blocking(move || artifacts.get(&key)).await?;
    let bytes = bytes.ok_or_else(|| ApiError::not_found("image", digest))?;
    let headers = [
        (CONTENT_TYPE, media_type(&bytes)),
        (CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ];
    Ok((headers, bytes).into_response())
}

fn parse(digest: &str) -> Result<Digest, ApiError> {
    digest
        .parse()
        .map_err(|error: domain::ids::InvalidDigest| ApiError::invalid(error.to_string()))
}

/// Only pictures that decoded are stored, so the first bytes say which kind it is.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [b'R', b'I', b'F', b'F', ..] => "image/webp",
        _ => "application/octet-stream",
    }
}
