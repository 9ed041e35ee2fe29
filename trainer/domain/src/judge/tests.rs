use super::*;
use crate::job::HeadMode;
use crate::report::{SealedSet, StructuralFacts, TrainingReport};
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

/// What a job would have reported at its own thresholds of 0.9.
fn report() -> EvaluationReport {
    let counts = counted(0.9);
    EvaluationReport {
        format: 1,
        classes: counts.classes,
        sealed: SealedSet {
            digest: Digest::of(b"rows"),
            n_images: 4,
            n_expected: 4,
            n_groups: counts.n_groups,
            relabelled: Vec::new(),
        },
        training: TrainingReport {
            mode: HeadMode::Append,
            n_train: 0,
            n_train_expected: 0,
            n_calibration: 0,
            recipes: None,
            trials: Vec::new(),
            l2: 0.0,
            temperature: 1.0,
            dial: None,
            turned_from: None,
            cut_short: false,
        },
        candidate: counts.candidate,
        baseline: counts.baseline,
        comparison: counts.comparison,
        structural: StructuralFacts { facts: Vec::new() },
        calibration: None,
        looks: None,
        footprint: None,
    }
}

#[test]
fn each_class_may_stand_at_a_threshold_of_its_own() {
    let report = report();
    let recall = |taus: &[f64]| {
        let again = at_thresholds(&report, &scores(), taus).unwrap();
        let taus: Vec<f64> = again.classes.iter().map(|class| class.tau).collect();
        let rights = again.candidate.per_class.iter().map(|class| class.true_accepts);
        (rights.collect::<Vec<_>>(), again.comparison.unwrap().false_new.x, taus)
    };
    assert_eq!(recall(&[0.9, 0.9]), (vec![1, 1], 0, vec![0.9, 0.9]));
    assert_eq!(recall(&[0.8, 0.95]), (vec![2, 0], 0, vec![0.8, 0.95]));
    assert_eq!(recall(&[0.9, 0.6]), (vec![1, 1], 1, vec![0.9, 0.6]));
    assert_eq!(
        at_threshold(&report, &scores(), 0.8).unwrap(),
        at_thresholds(&report, &scores(), &[0.8, 0.8]).unwrap()
    );
    assert!(
        at_thresholds(&report, &scores(), &[0.9])
            .unwrap_err()
            .contains("1 thresholds for 2")
    );
}

#[test]
fn the_curve_over_all_classes_says_what_the_counts_say_at_every_threshold() {
    let (scores, report) = (scores(), report());
    let models = [
        (&scores.candidate, 2, &report.candidate),
        (scores.baseline.as_ref().unwrap(), 1, report.baseline.as_ref().unwrap()),
    ];
    for (answers, n_classes, _) in models {
        let curve = of_all(&scores, answers, n_classes);
        assert_eq!(curve.len(), 4, "one point for each of four probabilities");
        for point in &curve {
            let again = at_threshold(&report, &scores, point.threshold).unwrap();
            let model = if n_classes == 2 {
                &again.candidate
            } else {
                again.baseline.as_ref().unwrap()
            };
            let (right, wrong) = (model.n_accepted_right as f64, model.n_accepted_wrong as f64);
            assert!((point.precision - right / (right + wrong)).abs() < 1e-15, "{point:?}");
            assert!((point.recall - right / model.n_known as f64).abs() < 1e-15, "{point:?}");
        }
    }
    let ties = TopScores {
        classes: vec![0; 4],
        probabilities: vec![0.9; 4],
    };
    assert_eq!(of_all(&scores, &ties, 2).len(), 1, "accepted together");
    let many = SealedScores {
        labels: vec![0; 1000],
        ..scores.clone()
    };
    let answers = TopScores {
        classes: vec![0; 1000],
        probabilities: (0..1000).map(|idx| f64::from(idx) / 1000.0).collect(),
    };
    let curve = of_all(&many, &answers, 2);
    assert!(
        curve.len() <= 401 && curve.last().unwrap().threshold == 0.0,
        "{}",
        curve.len()
    );
}
