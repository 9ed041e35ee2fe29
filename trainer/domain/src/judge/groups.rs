//! Near-duplicate groups: the unit in which the gate counts.

use crate::report::GroupCount;

/// Which group each image is in.
pub(super) struct Groups<'a> {
    of_image: &'a [usize],
    n_groups: usize,
}

impl<'a> Groups<'a> {
    pub(super) fn new(of_image: &'a [usize]) -> Self {
        Self {
            of_image,
            n_groups: of_image.iter().max().map_or(0, |last| last + 1),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.n_groups
    }

    /// Groups with one of these images, and of those the ones with an image that has the event.
    pub(super) fn count(&self, images: impl Iterator<Item = (usize, bool)>) -> GroupCount {
        let mut seen = vec![(false, false); self.n_groups];
        for (image, event) in images {
            let group = &mut seen[self.of_image[image]];
            *group = (true, group.1 || event);
        }
        GroupCount {
            n: seen.iter().filter(|(member, _)| *member).count() as u64,
            x: seen.iter().filter(|(_, event)| *event).count() as u64,
        }
    }
}
