//! Everything but losses, floors and structure: changes, flips, calibration, anchors, looks, devices, policies.

use super::*;

#[test]
fn what_changed_is_held_to_its_bounds() {
    let state = |change: RecallChange| {
        let mut report = appended();
        report.comparison.as_mut().unwrap().recall_changes[0] = change;
        let verdict = decide(&report, &GatePolicy::pilot());
        let a = check(&verdict, CheckId::RecallChange, "a");
        (a.verdict, a.groups_needed, a.sentence.clone())
    };
    let (verdict, _, sentence) = state(change("a", 120, [-0.08, -0.02, 0.0]));
    assert_eq!(verdict, VerdictState::Pass, "{sentence}");
    assert_eq!(
        sentence,
        "The recall of a changed by -2 points over 120 groups: it fell by at most 8 %, within the limit of 10 %."
    );
    let (verdict, needed, sentence) = state(change("a", 60, [-0.14, -0.06, 0.0]));
    assert_eq!(verdict, VerdictState::Unproven, "{sentence}");
    assert!(needed.is_some_and(|groups| groups > 100), "{sentence}");
    // One group, lost: every draw says that all is lost, and nothing is shown.
    let (verdict, _, sentence) = state(change("a", 1, [-1.0; 3]));
    assert_eq!(verdict, VerdictState::Unproven, "{sentence}");
    let (verdict, _, sentence) = state(change("a", 60, [-0.4, -0.3, -0.2]));
    assert_eq!(verdict, VerdictState::Fail);
    assert!(
        sentence.contains("at least 20 %, beyond the limit of 10 %"),
        "{sentence}"
    );
    // However little changed, 43 groups show no more than 10 %.
    let (verdict, needed, sentence) = state(change("a", 43, [0.0; 3]));
    assert_eq!((verdict, needed), (VerdictState::Unproven, Some(1)), "{sentence}");
    let elsewhere = RecallChange {
        alpha: 0.05,
        ..change("a", 60, [0.0; 3])
    };
    assert_eq!(state(elsewhere).0, VerdictState::Unproven, "bounds at another level");
}

#[test]
fn flips_precision_calibration_and_the_anchor_are_judged() {
    let state = |id: CheckId, class: &str, harm: &dyn Fn(&mut EvaluationReport)| {
        let mut report = appended();
        harm(&mut report);
        let verdict = decide(&report, &GatePolicy::pilot());
        (check(&verdict, id, class).verdict, verdict.state)
    };
    let comparison = |report: &mut EvaluationReport, x| report.comparison.as_mut().unwrap().flipped.x = x;
    let flips = |x: u64| state(CheckId::NegativeFlips, "", &|report| comparison(report, x));
    assert_eq!(flips(3).0, VerdictState::Pass);
    assert_eq!(flips(6).0, VerdictState::Unproven);
    assert_eq!(flips(30), (VerdictState::Fail, VerdictState::Fail));
    let precision = |right: u64| {
        state(CheckId::NewPrecision, "n", &|report| {
            report.candidate.per_class[2].groups_accepted_right = right;
        })
    };
    assert_eq!(precision(60).0, VerdictState::Pass);
    assert_eq!(precision(58).0, VerdictState::Unproven);
    assert_eq!(precision(30).0, VerdictState::Fail);
    let calibration = |after| {
        state(CheckId::Calibration, "", &|report| {
            report.calibration.as_mut().unwrap().after = Some(after);
        })
    };
    assert_eq!(calibration(0.03).0, VerdictState::Pass);
    assert_eq!(calibration(0.031).0, VerdictState::Fail);
    let anchor = |x: u64| {
        state(CheckId::AnchorLoss, "b", &|report| {
            report.comparison.as_mut().unwrap().anchor_losses = Some(vec![loss("b", x, 50)]);
        })
    };
    assert_eq!(anchor(2).0, VerdictState::Pass);
    assert_eq!(anchor(25).0, VerdictState::Fail);
}

#[test]
fn a_set_that_was_looked_at_too_often_proves_nothing() {
    let verdict = |ordinal: Option<u32>| {
        let mut report = appended();
        report.looks = ordinal.map(|ordinal| LookCount {
            ordinal,
            spent: 0.01 * f64::from(ordinal),
            n_groups_missing: 50,
        });
        decide(&report, &GatePolicy::pilot())
    };
    assert_eq!(verdict(Some(5)).state, VerdictState::Pass);
    let sixth = verdict(Some(6));
    assert_eq!(sixth.state, VerdictState::Unproven);
    assert_eq!(
        sixth.sentence,
        "This is head number 6 judged on these sealed photos and the policy allows 5, so they prove nothing more: 50 more \
         sealed groups, half as many again of every class, begin a new count."
    );
    assert_eq!(verdict(None).state, VerdictState::Unproven, "nobody counted");
}

#[test]
fn devices_are_judged_where_the_policy_asks() {
    let mut policy = GatePolicy::pilot();
    for (id, limit) in [(CheckId::Latency, 40.0), (CheckId::Size, 8e6)] {
        policy.checks.push(PolicyCheck {
            id,
            limit,
            per_class: std::collections::BTreeMap::new(),
        });
    }
    assert_eq!(policy.validate(), Ok(()));
    let verdict = |latency_ms, size_bytes| {
        let mut report = appended();
        report.footprint = Some(Footprint {
            device: "a phone".to_owned(),
            latency_ms,
            size_bytes,
        });
        decide(&report, &policy)
    };
    assert_eq!(verdict(Some(31.5), Some(7_000_000)).state, VerdictState::Pass);
    assert_eq!(verdict(Some(31.5), None).state, VerdictState::Unproven);
    let slow = verdict(Some(44.25), Some(7_000_000));
    assert_eq!(slow.state, VerdictState::Fail);
    assert_eq!(
        slow.sentence,
        "On a phone an image takes 44.25 ms, over the limit of 40 ms."
    );
}

#[test]
fn policies_that_cannot_be_are_refused_and_earlier_ones_are_known() {
    let with = |id, limit: f64| {
        let mut policy = GatePolicy::pilot();
        policy.checks.push(PolicyCheck {
            id,
            limit,
            per_class: std::collections::BTreeMap::new(),
        });
        policy.validate()
    };
    assert!(with(CheckId::Looks, 0.5).unwrap_err().contains("always counted"));
    assert!(with(CheckId::FalseNew, 0.5).unwrap_err().contains("twice"));
    assert!(with(CheckId::Size, 0.0).unwrap_err().contains("size"));
    // A limit of one class's own means something only where classes are judged on their own.
    for (id, word) in [
        (CheckId::OldClassLoss, None),
        (CheckId::NegativeFlips, Some("all classes together")),
    ] {
        let mut policy = GatePolicy::pilot();
        let check = policy.checks.iter_mut().find(|check| check.id == id).unwrap();
        check.per_class.insert("fu".parse().unwrap(), 0.05);
        let said = policy.validate();
        assert_eq!(said.is_err(), word.is_some(), "{said:?}");
        assert!(word.is_none_or(|word| said.unwrap_err().contains(word)));
    }
    for policy in GatePolicy::shipped() {
        assert_eq!(policy.validate(), Ok(()));
        assert!(policy.is_shipped());
    }
    let mut earlier = GatePolicy::pilot();
    earlier.version = 1;
    assert!(!earlier.is_shipped(), "version 1 listed fewer checks");
    let kept = [
        CheckId::Structural,
        CheckId::Coverage,
        CheckId::OldClassLoss,
        CheckId::NewRecall,
        CheckId::FalseNew,
    ];
    earlier.checks.retain(|check| kept.contains(&check.id));
    assert!(earlier.is_shipped());
}
