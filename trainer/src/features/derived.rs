//! Numbers that are made of features, kept like them: the logits of a head that does not change.

use domain::ids::Digest;

use super::cache::Cache;
use super::fetch::Fetched;
use super::write::{MERGED_ROWS, put_segment};
use super::{FeatureError, Features};
use crate::observer::Observer;

/// A row of `n` f64 for every row of `features`, (rows, n), row-major; what is not cached in `space` is made by `compute`, which
/// is given the numbers of the rows and must make of each what it would make of it alone.
///
/// # Errors
/// The cache or `compute` failed, or the observer said stop.
pub fn derived<E: From<FeatureError>>(
    cache: &Cache,
    space: Digest,
    n: usize,
    features: &Features,
    observer: &dyn Observer,
    compute: impl FnOnce(&[usize]) -> Result<Vec<f64>, E>,
) -> Result<Vec<f64>, E> {
    let images: Vec<Digest> = features.rows.keys().copied().collect();
    let fetched = Fetched::look_up::<f64>(cache, space, n, &images, observer)?;
    let mut values = vec![0.0; images.len() * n];
    let mut missing = Vec::new();
    for (row, out) in values.chunks_exact_mut(n).enumerate() {
        match fetched.mapped_row(row) {
            Some(cached) => out.copy_from_slice(cached),
            None => missing.push(row),
        }
    }
    if missing.is_empty() {
        return Ok(values);
    }
    let computed = compute(&missing)?;
    let rows: Vec<(Digest, &[f64])> = missing
        .iter()
        .zip(computed.chunks_exact(n))
        .map(|(row, numbers)| (images[*row], numbers))
        .collect();
    for rows in rows.chunks(MERGED_ROWS) {
        put_segment(cache, &space, n, rows)?;
    }
    for (row, numbers) in missing.iter().zip(computed.chunks_exact(n)) {
        values[row * n..(row + 1) * n].copy_from_slice(numbers);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::artifacts::{ArtifactKey, Artifacts};
    use crate::pipeline::tests::Told;

    fn features(n: u32) -> Features {
        let row = |i: u32| (Digest::of(&i.to_le_bytes()), vec![i as f32, 1.0]);
        Features::of(&(0..n).map(row).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn what_is_kept_is_not_made_again_and_keeps_every_bit() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let artifacts = Artifacts::new(Arc::new(store), runtime.handle().clone());
        let cache = Cache::in_folder(artifacts.clone(), folder.path());
        let space = Digest::of(b"logits");
        // Of each row a third, which is no short fraction.
        let ask = |n_rows: u32| {
            let (features, mut asked) = (features(n_rows), 0);
            let values = derived(&cache, space, 2, &features, &Told::default(), |rows: &[usize]| {
                asked = rows.len();
                let of = |row: &usize| [f64::from(features.row(*row)[0]) / 3.0, -f64::MIN_POSITIVE];
                Ok::<_, FeatureError>(rows.iter().flat_map(of).collect())
            });
            (values.unwrap(), asked)
        };
        let (first, asked) = ask(300);
        assert_eq!((first.len(), asked), (600, 300));
        assert_eq!(ask(300), (first.clone(), 0));
        let (more, asked) = ask(340);
        assert_eq!((more.len(), asked), (680, 40), "only what is new");
        assert_eq!(ask(340), (more.clone(), 0));
        // A damaged segment is made anew.
        let objects = artifacts.list(&ArtifactKey::feature_space(&space)).unwrap();
        let file = objects[0].key.file_below(folder.path());
        let mut bytes = std::fs::read(&file).unwrap();
        let last = bytes.len() - 40;
        bytes[last] ^= 1;
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
        let (again, asked) = ask(340);
        assert_eq!(again, more);
        assert!(asked == 300 || asked == 40, "{asked}");
    }
}
