use super::*;
use crate::gate::decide::decide;
use crate::gate::policy::GatePolicy;
use crate::ids::Digest;

fn name(text: &str) -> ClassName {
    text.parse().unwrap()
}

/// A check that fails (`f`), is unproven (`u`) or passes (`p`), of a class or of none (`""`), and what it needs.
fn check((id, class, state, groups_needed): (CheckId, &str, char, Option<u64>)) -> Check {
    Check {
        id,
        class: (!class.is_empty()).then(|| name(class)),
        value: Some(0.0),
        lower: None,
        upper: None,
        limit: 0.1,
        x: 1,
        n: 50,
        verdict: match state {
            'f' => VerdictState::Fail,
            'u' => VerdictState::Unproven,
            _ => VerdictState::Pass,
        },
        groups_needed,
        sentence: String::new(),
        sentence_zh: String::new(),
    }
}

fn verdict(checks: &[(CheckId, &str, char, Option<u64>)]) -> Verdict {
    let checks: Vec<Check> = checks.iter().copied().map(check).collect();
    let any = |state| checks.iter().any(|check| check.verdict == state);
    let state = if any(VerdictState::Fail) {
        VerdictState::Fail
    } else if checks.is_empty() || any(VerdictState::Unproven) {
        VerdictState::Unproven
    } else {
        VerdictState::Pass
    };
    Verdict {
        state,
        sentence: String::new(),
        sentence_zh: String::new(),
        policy: Digest::of(b"policy"),
        alpha_per_look: 0.01,
        checks,
    }
}

#[test]
fn the_headline_is_of_what_is_open() {
    use CheckId::{
        AnchorLoss, Calibration, ClassPrecision, ClassRecall, Coverage, FalseNew, Latency, Looks, NegativeFlips,
        NewPrecision, NewRecall, OldClassLoss, RecallChange, Structural,
    };
    let old = |n_proven, open: &[&str]| Headline::OldOpen {
        n_proven,
        open: open.iter().map(|class| name(class)).collect(),
    };
    let cases = [
        (vec![], Headline::Unjudged),
        (vec![(Structural, "", 'p')], Headline::Listed),
        (vec![(OldClassLoss, "a", 'p')], Headline::Safe { limit: 0.1 }),
        (
            vec![(ClassRecall, "a", 'p'), (ClassPrecision, "a", 'p')],
            Headline::Sound,
        ),
        (vec![(OldClassLoss, "a", 'f'), (Structural, "", 'f')], Headline::Broken),
        (
            vec![(OldClassLoss, "a", 'f'), (RecallChange, "a", 'f')],
            Headline::Harmed(vec![name("a")]),
        ),
        (
            vec![(AnchorLoss, "a", 'f'), (FalseNew, "", 'f')],
            Headline::Harmed(vec![name("a")]),
        ),
        (vec![(NegativeFlips, "", 'f')], Headline::Harmed(Vec::new())),
        (vec![(FalseNew, "", 'f'), (NewRecall, "n", 'f')], Headline::TakenForNew),
        (
            vec![(NewRecall, "n", 'f'), (Calibration, "", 'f')],
            Headline::FallsShort(vec![name("n")]),
        ),
        (vec![(ClassPrecision, "a", 'f')], Headline::FallsShort(vec![name("a")])),
        (vec![(Calibration, "", 'f')], Headline::Beyond(Calibration)),
        (vec![(Structural, "", 'u'), (Looks, "", 'u')], Headline::Unmeasured),
        (vec![(OldClassLoss, "a", 'u'), (Looks, "", 'u')], Headline::LooksUsed),
        (
            vec![(OldClassLoss, "a", 'u'), (Coverage, "", 'u')],
            Headline::NotCovered,
        ),
        // A loss that is proven does not make a class proven whose change of recall is not.
        (
            vec![
                (OldClassLoss, "a", 'p'),
                (OldClassLoss, "b", 'p'),
                (RecallChange, "a", 'u'),
                (RecallChange, "b", 'p'),
            ],
            old(1, &["a"]),
        ),
        (vec![(OldClassLoss, "a", 'u'), (NewRecall, "n", 'u')], old(0, &["a"])),
        (
            vec![(OldClassLoss, "a", 'p'), (NewPrecision, "n", 'u')],
            Headline::NewOpen(vec![name("n")]),
        ),
        (
            vec![
                (OldClassLoss, "a", 'p'),
                (NewPrecision, "n", 'u'),
                (NegativeFlips, "", 'u'),
            ],
            Headline::Open(NegativeFlips),
        ),
        (
            vec![
                (ClassRecall, "a", 'p'),
                (ClassRecall, "b", 'p'),
                (ClassPrecision, "b", 'u'),
            ],
            Headline::FloorsOpen {
                n_proven: 1,
                open: vec![name("b")],
            },
        ),
        (vec![(OldClassLoss, "", 'u')], Headline::Open(OldClassLoss)),
        (
            vec![(OldClassLoss, "a", 'p'), (Latency, "", 'u')],
            Headline::Open(Latency),
        ),
    ];
    for (checks, expected) in cases {
        let checks: Vec<_> = checks
            .into_iter()
            .map(|(id, class, state)| (id, class, state, None))
            .collect();
        assert_eq!(verdict(&checks).headline(), expected, "{checks:?}");
    }
}

#[test]
fn photos_are_asked_for_only_where_they_settle_it() {
    use CheckId::{Coverage, FalseNew, Looks, NegativeFlips, NewRecall, OldClassLoss, RecallChange};
    let needs = |checks: &[_]| -> Vec<(String, u64)> {
        let needs = verdict(checks).needs().into_iter();
        needs
            .map(|need| {
                (
                    need.class
                        .map_or_else(|| need.id.as_str().to_owned(), |class| class.to_string()),
                    need.n_groups,
                )
            })
            .collect()
    };
    let of = |class: &str, n| (class.to_owned(), n);
    let many = [
        (OldClassLoss, "a", 'u', Some(10)),
        (RecallChange, "a", 'u', Some(44)),
        (NewRecall, "n", 'u', Some(60)),
        (NegativeFlips, "", 'u', Some(99)),
    ];
    assert_eq!(needs(&many), [of("n", 60), of("a", 44), of("negative_flips", 99)]);
    assert_eq!(
        needs(&[(RecallChange, "a", 'u', None), (FalseNew, "", 'u', Some(3))]),
        [of("false_new", 3)]
    );
    assert_eq!(
        needs(&[(OldClassLoss, "a", 'u', Some(10)), (Looks, "", 'u', Some(7))]),
        [of("looks", 7), of("a", 10)]
    );
    let none = [
        vec![(OldClassLoss, "a", 'f', None), (OldClassLoss, "b", 'u', Some(10))],
        vec![(OldClassLoss, "a", 'u', None), (OldClassLoss, "b", 'u', Some(10))],
        vec![(Coverage, "", 'u', None), (OldClassLoss, "b", 'u', Some(10))],
        vec![(OldClassLoss, "b", 'p', None)],
    ];
    for checks in none {
        assert_eq!(needs(&checks), [], "{checks:?}");
    }
}

#[test]
fn a_verdict_of_nothing_is_unjudged() {
    let report = crate::gate::decide::tests::appended();
    let mut policy = GatePolicy::pilot();
    assert_eq!(decide(&report, &policy).headline(), Headline::Safe { limit: 0.1 });
    policy.checks.clear();
    assert_eq!(decide(&report, &policy).headline(), Headline::Unjudged);
}
