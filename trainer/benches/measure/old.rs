//! Old images of a job, whose features are cached: synthetic ones with the shape of real ones.
//!
//! Each row is a mixture of two bundled photos of its class, moved by the difference of two of any class, so that classes
//! lie and overlap as they do in life. A row depends on its number alone.

use domain::dataset::{DatasetRow, Split};
use domain::ids::Digest;
use domain::names::ClassName;
use engine::Backbone;
use half::f16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use rayon::prelude::*;

use crate::store::Store;
use crate::{Failure, photos};

/// Photos of a class that its rows are mixed from.
const OF_A_CLASS: usize = 40;
/// Rows of a segment.
const SEGMENT_ROWS: usize = 8_192;

/// Puts `n` rows into the cache; returns them in the order of their numbers, classes taking turns.
pub(crate) fn put(store: &Store, backbone: &Backbone, n: usize) -> Result<Vec<DatasetRow>, Failure> {
    let classes = classes(backbone)?;
    let mut rows = Vec::with_capacity(n);
    for first in (0..n).step_by(SEGMENT_ROWS) {
        let numbers = first..n.min(first + SEGMENT_ROWS);
        let mut cached: Vec<(Digest, Vec<f16>)> = numbers
            .clone()
            .into_par_iter()
            .map(|number| (image(number), mixed(&classes, number)))
            .collect();
        store.put_rows(backbone, &mut cached)?;
        rows.extend(numbers.map(|number| row(image(number), classes[number % classes.len()].0.clone())));
    }
    Ok(rows)
}

/// A row of a group of its own, in the split that its digest says.
pub(crate) fn row(image: Digest, class: ClassName) -> DatasetRow {
    DatasetRow {
        image,
        class,
        split: Split::from_group(&image),
        group: image,
    }
}

fn image(number: usize) -> Digest {
    Digest::of(format!("old image {number}").as_bytes())
}

type Class = (ClassName, Vec<Vec<f32>>);

/// The bundled baseline's classes with features of a few photos of each.
fn classes(backbone: &Backbone) -> Result<Vec<Class>, Failure> {
    let mut chosen: Vec<(ClassName, Vec<Vec<u8>>)> = Vec::new();
    for (path, bytes) in photos::bundled("baseline")? {
        let Some(class) = path.split('/').nth(1) else { continue };
        if chosen.last().is_none_or(|(name, _)| name.as_str() != class) {
            // Splits follow one another; only the first one's photos are taken.
            if chosen.iter().any(|(name, _)| name.as_str() == class) {
                continue;
            }
            chosen.push((ClassName::new(class)?, Vec::new()));
        }
        if let Some((_, photos)) = chosen.last_mut()
            && photos.len() < OF_A_CLASS
        {
            photos.push(bytes);
        }
    }
    let feature = |photo: &Vec<u8>| -> Result<Vec<f32>, Failure> {
        let photo = trainer::images::decode(photo)?;
        let pixels = backbone
            .preprocessing()
            .apply(&photo.pixels, photo.width, photo.height)?;
        let mut feature = vec![0.0; backbone.dim()];
        backbone.stream().features(&pixels, &mut feature)?;
        Ok(feature)
    };
    let of_class = |(name, photos): (ClassName, Vec<Vec<u8>>)| {
        let features: Result<Vec<_>, Failure> = photos.iter().map(feature).collect();
        Ok((name, features?))
    };
    chosen.into_par_iter().map(of_class).collect()
}

fn mixed(classes: &[Class], number: usize) -> Vec<f16> {
    let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
    let mut below = |n: usize| rng.next_u32() as usize % n;
    let own = &classes[number % classes.len()].1;
    let (a, b) = (&own[below(own.len())], &own[below(own.len())]);
    let mut any = || {
        let class = &classes[below(classes.len())].1;
        &class[below(class.len())]
    };
    let (c, d) = (any(), any());
    let share = rng.next_u32() as f32 / u32::MAX as f32;
    let values = a.iter().zip(b).zip(c.iter().zip(d));
    values
        .map(|((a, b), (c, d))| f16::from_f32(share * a + (1.0 - share) * b + 0.25 * (c - d)))
        .collect()
}
