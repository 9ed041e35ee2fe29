use super::*;
use crate::model::ClassRole;
use crate::scores::TopScores;

/// A model's answer to a photo: photo, label, group, the class it says and how sure it is.
type Row = (u8, &'static str, usize, &'static str, f64);

struct Made {
    id: ModelId,
    classes: Vec<JudgedClass>,
    scores: SealedScores,
}

fn made(id: &str, names: &[&str], rows: &[Row]) -> Made {
    let place = |name: &str| names.iter().position(|other| *other == name).unwrap();
    let classes: Vec<JudgedClass> = names
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
        .collect();
    Made {
        id: ModelId(id.to_owned()),
        scores: SealedScores {
            format: 1,
            classes: classes.iter().map(|class| class.name.clone()).collect(),
            n_old: 0,
            images: rows.iter().map(|row| Digest::from_bytes([row.0; 32])).collect(),
            labels: rows.iter().map(|row| place(row.1)).collect(),
            groups: rows.iter().map(|row| row.2).collect(),
            candidate: TopScores {
                classes: rows.iter().map(|row| place(row.3)).collect(),
                probabilities: rows.iter().map(|row| row.4).collect(),
            },
            baseline: None,
        },
        classes,
    }
}

fn counted(models: &[Made], reference: usize, class: Option<&str>) -> Several {
    let entrants: Vec<Entrant<'_>> = models
        .iter()
        .map(|made| Entrant {
            id: &made.id,
            head: Digest::of(made.id.0.as_bytes()),
            classes: &made.classes,
            scores: &made.scores,
        })
        .collect();
    let class: Option<ClassName> = class.map(|class| class.parse().unwrap());
    several(&entrants, reference, class.as_ref()).unwrap()
}

/// Two versions: the newer has a class and photos more, and one label of the older was wrong.
fn two() -> [Made; 2] {
    [
        made(
            "old",
            &["a", "b"],
            &[
                (1, "a", 0, "a", 0.99),
                (2, "a", 1, "a", 0.95),
                (3, "b", 2, "b", 0.92),
                (4, "b", 3, "b", 0.91),
                (5, "a", 4, "a", 0.99),
                (9, "a", 5, "a", 0.99),
            ],
        ),
        made(
            "new",
            &["a", "n", "b"],
            &[
                (1, "a", 0, "a", 0.98),
                (2, "a", 0, "n", 0.93),
                (3, "b", 1, "b", 0.85),
                (4, "b", 2, "a", 0.97),
                (5, "n", 3, "n", 0.99),
                (7, "n", 4, "n", 0.99),
            ],
        ),
    ]
}

#[test]
fn models_of_different_versions_are_counted_over_the_same_photos() {
    let all = counted(&two(), 0, None);
    let names: Vec<&str> = all.classes.iter().map(ClassName::as_str).collect();
    assert_eq!(names, ["a", "b", "n"], "the reference's classes first");
    let Common {
        n_images,
        n_groups,
        n_not_all,
        n_relabelled,
        apart,
    } = all.common;
    assert_eq!((n_images, n_not_all, n_relabelled, apart), (4, 2, 1, None));
    assert_eq!(n_groups, 3, "the newer version knows that 1 and 2 are near-duplicates");
    let [old, new] = &all.models[..] else { panic!() };
    assert_eq!((old.n_judged, new.n_judged), (6, 6));
    let answers = |model: &CountedModel| {
        let m = &model.metrics;
        (m.n_accepted_right, m.n_accepted_wrong, m.n_unknown, m.n_known)
    };
    assert_eq!(answers(old), (4, 0, 0, 4));
    assert_eq!(answers(new), (1, 2, 1, 4));
    assert!((new.metrics.top1 - 0.5).abs() < 1e-15);
    assert_eq!(new.metrics.confusion, [[1, 0, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]]);
    let per_class = |model: &CountedModel| {
        let classes = model.metrics.per_class.iter();
        classes.map(|class| class.class.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (per_class(old), per_class(new)),
        (vec!["a".into(), "b".into()], vec!["a".into(), "b".into(), "n".into()])
    );
    assert!(old.lost.is_empty(), "nothing is lost against itself");
    let lost: Vec<_> = new
        .lost
        .iter()
        .map(|loss| {
            (
                loss.class.as_str(),
                (loss.images.x, loss.images.n),
                (loss.groups.x, loss.groups.n),
            )
        })
        .collect();
    assert_eq!(lost, [("a", (1, 2), (1, 1)), ("b", (2, 2), (2, 2))]);
    assert_eq!(new.lost[0].upper, Some(1.0), "all of the one group");
}

#[test]
fn any_of_them_may_be_the_reference() {
    let all = counted(&two(), 1, None);
    let names: Vec<&str> = all.classes.iter().map(ClassName::as_str).collect();
    assert_eq!(names, ["a", "n", "b"]);
    assert!(all.models[1].lost.is_empty());
    let old: Vec<_> = all.models[0]
        .lost
        .iter()
        .map(|loss| (loss.images.x, loss.images.n))
        .collect();
    assert_eq!(old, [(0, 1), (0, 0), (0, 0)]);
    assert_eq!(
        all.models[0].lost[1].upper, None,
        "a class that the other does not have is no loss"
    );
    // Each alone says what it says beside the other.
    let [old, new] = two();
    let alone = counted(&[new], 0, None);
    assert_eq!((alone.common.n_images, alone.common.n_not_all), (6, 0));
    assert_eq!(counted(&[old], 0, None).models[0].metrics.n_accepted_right, 6);
}

#[test]
fn a_reject_class_is_lost_only_to_a_real_one() {
    let models = [
        made(
            "old",
            &["a", "none"],
            &[(1, "none", 0, "none", 0.99), (2, "none", 1, "none", 0.99)],
        ),
        made(
            "new",
            &["a", "none"],
            &[(1, "none", 0, "none", 0.5), (2, "none", 1, "a", 0.99)],
        ),
    ];
    let lost = &counted(&models, 0, None).models[1].lost;
    assert_eq!((lost[1].images.x, lost[1].images.n), (1, 2));
}

#[test]
fn curves_end_where_the_threshold_does_not_matter_any_more() {
    let curve = |class| -> Vec<(f64, f64)> {
        let all = counted(&two(), 0, class);
        all.models[1]
            .curve
            .iter()
            .map(|point| (point.precision, point.recall))
            .collect()
    };
    // Of a: photo 1 rightly at 0.98, then 4 wrongly; 2 is never called a.
    assert_eq!(curve(Some("a")), [(1.0, 0.5), (0.5, 0.5)]);
    assert_eq!(curve(Some("n")), [], "no photo of it is common");
    let all = curve(None);
    assert_eq!((all.len(), all[3]), (4, (0.5, 0.5)));
    // At the model's threshold the curve has the point that the counts say.
    let counted = counted(&two(), 0, Some("b"));
    let b = &counted.models[0].metrics.per_class[1];
    let last = counted.models[0]
        .curve
        .iter()
        .rfind(|point| point.threshold >= 0.9)
        .unwrap();
    assert_eq!((b.recall, b.precision), (Some(last.recall), Some(last.precision)));
}

#[test]
fn without_a_common_photo_nothing_is_counted_and_two_are_named() {
    let models = [
        made("one", &["a"], &[(1, "a", 0, "a", 0.99), (2, "a", 1, "a", 0.99)]),
        made("two", &["a"], &[(2, "a", 0, "a", 0.99), (3, "a", 1, "a", 0.99)]),
        made("three", &["a"], &[(3, "a", 0, "a", 0.99), (4, "a", 1, "a", 0.99)]),
    ];
    let all = counted(&models, 0, None);
    assert_eq!(
        (all.common.n_images, all.common.n_groups, all.common.n_not_all),
        (0, 0, 4)
    );
    let apart = all.common.apart.unwrap();
    assert_eq!((apart[0].0.as_str(), apart[1].0.as_str()), ("one", "three"));
    assert!(
        all.models
            .iter()
            .all(|model| model.metrics.n_known == 0 && model.reliability.ece.is_none())
    );
}

#[test]
fn scores_of_another_model_are_refused() {
    let [old, mut new] = two();
    new.classes.swap(0, 1);
    let entrants = [&old, &new].map(|made| Entrant {
        id: &made.id,
        head: Digest::of(b"head"),
        classes: &made.classes,
        scores: &made.scores,
    });
    let error = several(&entrants, 0, None).unwrap_err();
    assert!(error.contains("model new"), "{error}");
}

#[test]
fn long_curves_keep_both_ends() {
    let point = |at: u32| CurvePoint {
        threshold: f64::from(at),
        precision: 1.0,
        recall: 1.0,
    };
    let thin = thinned((0..1_000).map(point).collect());
    assert_eq!((thin.len(), thin[0].threshold, thin[199].threshold), (200, 0.0, 999.0));
}
