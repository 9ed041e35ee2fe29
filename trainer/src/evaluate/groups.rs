//! Near-duplicate groups: the unit in which the gate counts.

use domain::dataset::DatasetRow;
use domain::report::GroupCount;

/// Which group each image is in, counted from 0.
pub(super) struct Groups {
    of_image: Vec<usize>,
    n_groups: usize,
}

impl Groups {
    pub(super) fn of(images: &[&DatasetRow]) -> Self {
        let mut names: Vec<_> = images.iter().map(|row| row.group).collect();
        names.sort_unstable();
        names.dedup();
        let idx = |row: &&DatasetRow| names.partition_point(|name| *name < row.group);
        Self {
            of_image: images.iter().map(idx).collect(),
            n_groups: names.len(),
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
