//! Every count against one made by hand: two classes that accept, one that rejects, one that is new.

use domain::dataset::Split;
use domain::model::ClassRole;
use domain::report::GroupCount;

use super::*;
use crate::head::Matrix;

const A: usize = 0;
const B: usize = 1;
const NONE: usize = 2;
const N: usize = 3;

/// Logits are the features themselves: the head is the identity.
fn head(n_classes: usize) -> Head {
    let mut weight = vec![0.0; n_classes * 4];
    for class in 0..n_classes {
        weight[class * 4 + class] = 1.0;
    }
    Head {
        dim: 4,
        weight,
        bias: vec![0.0; n_classes],
        mean: vec![0.0; 4],
        std: vec![1.0; 4],
    }
}

/// Label, group, features. 9 over 0 is a probability of 0.9996, accepted; all zeros are *unknown*.
const IMAGES: [(usize, u8, [f32; 4]); 9] = [
    (A, 0, [9.0, 0.0, 0.0, 0.0]),
    (A, 0, [9.0, 0.0, 0.0, 13.0]),
    (A, 2, [0.0, 0.0, 0.0, 0.0]),
    (B, 3, [9.0, 0.0, 0.0, 0.0]),
    (B, 4, [0.0, 9.0, 0.0, 0.0]),
    // Rejected before, unknown after: the same answer.
    (NONE, 5, [0.0, 0.0, 9.0, 9.0]),
    (NONE, 6, [0.0, 0.0, 9.0, 14.0]),
    (N, 7, [0.0, 0.0, 0.0, 9.0]),
    (N, 7, [0.0, 0.0, 0.0, 0.0]),
];

fn classes() -> Vec<JudgedClass> {
    ["a", "b", "none", "n"]
        .iter()
        .map(|name| JudgedClass {
            name: name.parse().unwrap(),
            role: if *name == "none" {
                ClassRole::Reject
            } else {
                ClassRole::Accept
            },
            tau: 0.9,
        })
        .collect()
}

fn measured() -> Measured {
    let classes = classes();
    let rows: Vec<DatasetRow> = (0_u8..)
        .zip(&IMAGES)
        .map(|(image, (label, group, _))| DatasetRow {
            image: Digest::from_bytes([image; 32]),
            class: classes[*label].name.clone(),
            split: Split::Sealed,
            group: Digest::from_bytes([*group; 32]),
        })
        .collect();
    let data: Vec<f32> = IMAGES.iter().flat_map(|(_, _, features)| *features).collect();
    let index: Vec<usize> = (0..IMAGES.len()).collect();
    let (candidate, baseline) = (head(4), head(3));
    evaluate(&EvaluationInput {
        images: &rows.iter().collect::<Vec<_>>(),
        features: Rows {
            data: Matrix::Whole(&data),
            dim: 4,
            index: &index,
        },
        calibration: Rows {
            data: Matrix::Whole(&data),
            dim: 4,
            index: &index,
        },
        calibration_labels: &IMAGES.map(|(label, ..)| label),
        classes: &classes,
        candidate: JudgedHead {
            head: &candidate,
            digest: Digest::of(b"candidate"),
        },
        is_appended: true,
        baseline_logits: None,
        baseline: Some(JudgedHead {
            head: &baseline,
            digest: Digest::of(b"baseline"),
        }),
        anchor: AnchorHead::Baseline,
        bootstrap: Bootstrap {
            seed: 0,
            alpha: 0.01,
            n_draws: 100,
        },
    })
    .unwrap()
}

#[test]
fn losses_count_groups_and_a_reject_class_loses_only_to_real_ones() {
    let comparison = measured().counts.comparison.unwrap();
    let losses: Vec<(&str, GroupCount, GroupCount)> = comparison
        .old_classes
        .iter()
        .map(|loss| (loss.class.as_str(), loss.images, loss.groups))
        .collect();
    let count = |x, n| GroupCount { n, x };
    assert_eq!(
        losses,
        [
            ("a", count(1, 2), count(1, 1)),
            ("b", count(0, 1), count(0, 1)),
            ("none", count(1, 2), count(1, 2)),
        ]
    );
    assert_eq!(comparison.false_new, count(2, 6), "groups 0 and 6 of six old ones");
    assert_eq!(
        (comparison.n_right, comparison.n_positive_flips, comparison.n_forbidden),
        (5, 0, 0)
    );
    let flips: Vec<_> = comparison
        .negative_flips
        .iter()
        .map(|flip| {
            (
                flip.image.as_bytes()[0],
                flip.before.class.as_str(),
                flip.after.class.as_str(),
            )
        })
        .collect();
    assert_eq!(flips, [(1, "a", "n"), (6, "none", "n")]);
    assert_eq!(
        comparison.transitions,
        [[2, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 2],],
        "from a, b, none, unknown to a, b, none, n, unknown"
    );
}

#[test]
fn one_model_alone_is_counted_by_image_and_by_group() {
    let measured = measured().counts;
    let candidate = &measured.candidate;
    // Of equals the first is on top, and old classes before new ones: zeros are a's, the tie of image 5 is none's.
    assert!((candidate.top1 - 5.0 / 9.0).abs() < 1e-15, "{}", candidate.top1);
    assert_eq!(
        (
            candidate.n_accepted_right,
            candidate.n_accepted_wrong,
            candidate.n_unknown
        ),
        (3, 3, 3)
    );
    assert_eq!(
        candidate.confusion,
        [[1, 0, 0, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    );
    let n = &candidate.per_class[N];
    assert_eq!((n.n, n.true_accepts, n.false_accepts), (2, 1, 2));
    assert_eq!((n.recall, n.precision), (Some(0.5), Some(1.0 / 3.0)));
    assert_eq!(
        (n.n_groups, n.groups_recalled),
        (1, 0),
        "one image of the group is missed"
    );
    assert_eq!((n.groups_accepted, n.groups_accepted_right), (3, 1));
    // sklearn.metrics.average_precision_score of the softmax column.
    assert!((n.average_precision.unwrap() - 2.0 / 3.0).abs() < 1e-12, "{n:?}");
    let baseline = measured.baseline.unwrap();
    assert_eq!((baseline.n_known, baseline.per_class.len()), (7, 3));
    assert_eq!(baseline.confusion[N], [0, 0, 0, 2], "new images are unknown to it");
    assert_eq!(baseline.per_class[NONE].precision, Some(1.0));
    assert_eq!((measured.n_groups, measured.classes[A].n_groups), (7, 2));
    assert!(measured.classes[N].is_new && !measured.classes[NONE].is_new);
}
