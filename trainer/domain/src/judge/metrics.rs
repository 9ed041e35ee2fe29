//! One model alone.

use super::Judged;
use crate::ids::Digest;
use crate::report::{ClassMetrics, ModelMetrics};
use crate::scores::Decision;

impl Judged<'_> {
    /// Metrics of a model whose classes are the first `n_classes`. Curves are not made of these answers and stay empty.
    pub(super) fn metrics(&self, head: Digest, n_classes: usize, decisions: &[Decision]) -> ModelMetrics {
        let k = n_classes;
        let mut confusion = vec![vec![0_u64; k + 1]; self.classes.len()];
        let (mut n_known, mut n_top, mut n_right, mut n_wrong, mut n_unknown) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
        for (label, decision) in self.labels.iter().zip(decisions) {
            confusion[*label][decision.answer(k)] += 1;
            n_known += u64::from(*label < k);
            n_top += u64::from(*label == decision.class_idx);
            match (decision.accepted, *label == decision.class_idx) {
                (true, true) => n_right += 1,
                (true, false) => n_wrong += 1,
                (false, _) => n_unknown += 1,
            }
        }
        ModelMetrics {
            head,
            classes: self.classes[..k].iter().map(|class| class.name.clone()).collect(),
            top1: share(n_top, n_known).unwrap_or(0.0),
            n_known,
            n_accepted_right: n_right,
            n_accepted_wrong: n_wrong,
            n_unknown,
            per_class: (0..k)
                .map(|class| self.class_metrics(class, decisions, &confusion))
                .collect(),
            confusion,
        }
    }

    fn class_metrics(&self, class_idx: usize, decisions: &[Decision], confusion: &[Vec<u64>]) -> ClassMetrics {
        let n: u64 = confusion[class_idx].iter().sum();
        let true_accepts = confusion[class_idx][class_idx];
        let accepts: u64 = confusion.iter().map(|row| row[class_idx]).sum();
        let images = || self.labels.iter().zip(decisions).enumerate();
        let missed = images()
            .filter(|(_, (label, _))| **label == class_idx)
            .map(|(image, (_, decision))| (image, !decision.is(class_idx)));
        let missed = self.groups.count(missed);
        let wrong = images()
            .filter(|(_, (_, decision))| decision.is(class_idx))
            .map(|(image, (label, _))| (image, *label != class_idx));
        let wrong = self.groups.count(wrong);
        ClassMetrics {
            class: self.classes[class_idx].name.clone(),
            n,
            true_accepts,
            false_accepts: accepts - true_accepts,
            recall: share(true_accepts, n),
            precision: share(true_accepts, accepts),
            n_groups: missed.n,
            groups_recalled: missed.n - missed.x,
            groups_accepted: wrong.n,
            groups_accepted_right: wrong.n - wrong.x,
            average_precision: None,
            curve: Vec::new(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
