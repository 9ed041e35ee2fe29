use super::*;
use crate::scores::TopScores;

fn classes(tau: f64) -> Vec<JudgedClass> {
    ["a", "n"]
        .iter()
        .map(|name| JudgedClass {
            name: name.parse().unwrap(),
            role: ClassRole::Accept,
            tau,
        })
        .collect()
}

/// One old class, one new one; four images, the first two near-duplicates of each other.
fn scores() -> SealedScores {
    SealedScores {
        format: 1,
        classes: classes(0.9).into_iter().map(|class| class.name).collect(),
        n_old: 1,
        images: (0..4).map(|image| Digest::from_bytes([image; 32])).collect(),
        labels: vec![0, 0, 0, 1],
        groups: vec![0, 0, 1, 2],
        candidate: TopScores {
            classes: vec![0, 0, 1, 1],
            probabilities: vec![0.95, 0.85, 0.7, 0.92],
        },
        baseline: Some(TopScores {
            classes: vec![0; 4],
            probabilities: vec![0.97, 0.93, 0.91, 0.6],
        }),
    }
}

fn counted(tau: f64) -> Counts {
    let head = Digest::of(b"head");
    count(&classes(tau), &scores(), (head, Some(head)), &Anchor::Baseline)
}

#[test]
fn a_threshold_moves_every_count() {
    let loss = |tau| {
        let comparison = counted(tau).comparison.unwrap();
        let old = &comparison.old_classes[0];
        (
            (old.images.x, old.images.n),
            (old.groups.x, old.groups.n),
            comparison.false_new.x,
        )
    };
    // At 0.9 the second image falls to unknown and the third is not even accepted as new.
    assert_eq!(loss(0.9), ((2, 3), (2, 2), 0));
    assert_eq!(loss(0.8), ((1, 3), (1, 2), 0));
    assert_eq!(loss(0.6), ((1, 3), (1, 2), 1));
    let recall = |tau: f64| counted(tau).candidate.per_class[0].recall.unwrap();
    assert!((recall(0.9) - 1.0 / 3.0).abs() < 1e-15 && (recall(0.8) - 2.0 / 3.0).abs() < 1e-15);
    assert_eq!(counted(0.9).candidate.confusion, [[1, 0, 2], [0, 1, 0]]);
    assert_eq!(counted(0.6).candidate.confusion, [[2, 1, 0], [0, 1, 0]]);
    assert_eq!(counted(0.93).baseline.unwrap().confusion, [[2, 1], [0, 1]]);
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    assert!(scores().check().is_ok());
    let harms: [fn(&mut SealedScores); 6] = [
        |scores| scores.labels[0] = 2,
        |scores| scores.groups[3] = 9,
        |scores| scores.labels.truncate(3),
        |scores| scores.candidate.probabilities.truncate(3),
        |scores| scores.baseline.as_mut().unwrap().classes[0] = 1,
        |scores| scores.n_old = 3,
    ];
    for (idx, harm) in harms.into_iter().enumerate() {
        let mut scores = scores();
        harm(&mut scores);
        assert!(scores.check().is_err(), "harm {idx}");
    }
}

#[test]
fn losses_since_the_anchor_are_counted_from_its_own_answers() {
    let head = Digest::of(b"head");
    // The anchor had the first and the third image right and knew no other.
    let answer = |accepted| Decision {
        class_idx: 0,
        probability: 0.95,
        accepted,
    };
    let decisions = vec![answer(true), answer(false), answer(true), answer(false)];
    let anchor = Anchor::Other {
        classes: vec![0],
        decisions,
    };
    let comparison = count(&classes(0.9), &scores(), (head, Some(head)), &anchor)
        .comparison
        .unwrap();
    let losses = comparison.anchor_losses.unwrap();
    assert_eq!((losses[0].images.x, losses[0].images.n), (1, 2));
    assert_eq!((losses[0].groups.x, losses[0].groups.n), (1, 2));
    assert_eq!((comparison.flipped.x, comparison.flipped.n), (2, 2), "of the baseline");
    let comparison = counted(0.9).comparison.unwrap();
    assert_eq!(comparison.anchor_losses.as_ref(), Some(&comparison.old_classes));
}
