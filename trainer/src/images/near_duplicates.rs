//! Which images show the same thing: the unit in which splits are assigned and the gate counts.

use domain::ids::Digest;
use rayon::prelude::*;

use super::PerceptualHash;

/// Where an image belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// Its group.
    pub group: Digest,
    /// Indices of the known images that some image of its group nearly duplicates, rising.
    pub known: Vec<usize>,
}

/// Groups are the connected components of near duplicates. A group that touches known images keeps the smallest of their
/// groups' names, since names once given stay; any other is named by its smallest digest. `known` pairs a known image's
/// group with its hash. The answer depends on the sets alone, not on their order.
#[must_use]
pub fn group_near_duplicates(images: &[(Digest, PerceptualHash)], known: &[(Digest, PerceptualHash)]) -> Vec<Grouped> {
    let near: Vec<(Vec<usize>, Vec<usize>)> = images
        .par_iter()
        .enumerate()
        .map(|(index, (_, hash))| {
            let among = |all: &[(Digest, PerceptualHash)], from: usize| -> Vec<usize> {
                (from..all.len()).filter(|other| hash.is_near(&all[*other].1)).collect()
            };
            (among(images, index + 1), among(known, 0))
        })
        .collect();
    let mut components = Components::new(images.len());
    for (index, (later, _)) in near.iter().enumerate() {
        later.iter().for_each(|other| components.join(index, *other));
    }
    let roots: Vec<usize> = (0..images.len()).map(|index| components.root(index)).collect();
    let mut groups: Vec<Option<Grouped>> = vec![None; images.len()];
    for (index, root) in roots.iter().enumerate() {
        let group = groups[*root].get_or_insert_with(|| Grouped {
            group: images[index].0,
            known: Vec::new(),
        });
        group.group = group.group.min(images[index].0);
        group.known.extend(&near[index].1);
    }
    for group in groups.iter_mut().flatten() {
        group.known.sort_unstable();
        group.known.dedup();
        if let Some(name) = group.known.iter().map(|index| known[*index].0).min() {
            group.group = name;
        }
    }
    let of = |root: &usize| groups[*root].clone().expect("a root is an image and so has a group");
    roots.iter().map(of).collect()
}

/// Disjoint sets with path halving.
struct Components(Vec<usize>);

impl Components {
    fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.0[index] != index {
            self.0[index] = self.0[self.0[index]];
            index = self.0[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Rgb;

    /// An image whose cells are random; `flip` of them changed.
    fn image(seed: u32, flip: usize) -> PerceptualHash {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut cells: Vec<u8> = (0..64 * 64)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for cell in cells.iter_mut().step_by(5).take(flip) {
            *cell ^= 0x80;
        }
        PerceptualHash::of(&Rgb {
            pixels: cells.iter().flat_map(|cell| [*cell; 3]).collect(),
            width: 64,
            height: 64,
        })
    }

    fn named(name: u8, hash: PerceptualHash) -> (Digest, PerceptualHash) {
        (Digest::from_bytes([name; 32]), hash)
    }

    fn groups(grouped: &[Grouped]) -> Vec<u8> {
        grouped.iter().map(|group| group.group.as_bytes()[0]).collect()
    }

    #[test]
    fn near_ones_join_and_are_named_by_the_smallest() {
        let images = [
            named(9, image(1, 0)),
            named(3, image(2, 0)),
            named(5, image(1, 4)),
            named(7, image(3, 0)),
        ];
        assert_eq!(groups(&group_near_duplicates(&images, &[])), [5, 3, 5, 7]);
        let mut turned = images;
        turned.reverse();
        assert_eq!(groups(&group_near_duplicates(&turned, &[])), [7, 5, 3, 5]);
    }

    #[test]
    fn known_groups_keep_their_names() {
        let known = [
            named(200, image(1, 2)),
            named(150, image(8, 0)),
            named(100, image(1, 1)),
        ];
        let images = [named(1, image(1, 0)), named(2, image(4, 0)), named(3, image(1, 3))];
        let grouped = group_near_duplicates(&images, &known);
        assert_eq!(groups(&grouped), [100, 2, 100]);
        assert_eq!(grouped[0].known, [0, 2]);
        assert_eq!(
            grouped[2].known,
            [0, 2],
            "what one image of a group duplicates, the group does"
        );
        assert!(grouped[1].known.is_empty());
    }

    #[test]
    fn chains_are_one_group() {
        // Neighbours in a chain are near; its ends need not be.
        let chain: Vec<_> = (0..10).map(|i| named(50 + i, image(11, usize::from(i) * 80))).collect();
        assert!(chain.windows(2).all(|pair| pair[0].1.is_near(&pair[1].1)));
        assert!(!chain[0].1.is_near(&chain[9].1), "else this tests nothing");
        assert_eq!(groups(&group_near_duplicates(&chain, &[])), [50; 10]);
    }
}
