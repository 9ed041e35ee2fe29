//! A review of two old classes and a new one, in which whatever people can type is as hostile as they can make it.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::gate::policy::GatePolicy;
use domain::ids::Digest;
use serde_json::{Value, json};

use super::*;

/// Names are checked when they are made, so this is the worst that a class can be called.
pub(in super::super) const CLASS: &str = "fu' onload='x, (1+1)";

/// The review, with `text` wherever text is free.
pub(in super::super) fn hostile(text: &str) -> Review {
    let digest = |n: u8| Digest::from_bytes([n; 32]).to_string();
    let read = |value: Value| serde_json::from_value::<Value>(value).unwrap();
    let metrics = |class: &str, right: u64| {
        json!({
            "class": class, "n": 10, "true_accepts": right, "false_accepts": 1, "recall": 0.9, "precision": 0.8,
            "n_groups": 10, "groups_recalled": right, "groups_accepted": 10, "groups_accepted_right": 9,
            "average_precision": 0.95,
            "curve": [{ "threshold": 0.99, "precision": 1.0, "recall": 0.5 }, { "threshold": 0.5, "precision": 0.8, "recall": 1.0 }],
        })
    };
    let model_metrics = |classes: &[&str]| {
        let n = classes.len();
        let row = |class: usize| {
            (0..=n)
                .map(|column| u64::from(column == class) * 9 + 1)
                .collect::<Vec<_>>()
        };
        json!({
            "head": digest(1), "classes": classes, "top1": 0.9, "n_known": 30, "n_accepted_right": 27, "n_accepted_wrong": 1,
            "n_unknown": 2, "per_class": classes.iter().map(|class| metrics(class, 9)).collect::<Vec<_>>(),
            "confusion": (0..3).map(row).collect::<Vec<_>>(),
        })
    };
    let class = |name: &str, is_new: bool| json!({ "name": name, "role": "accept", "tau": 0.9, "is_new": is_new, "n_images": 10, "n_groups": 10 });
    let loss = |name: &str| json!({ "class": name, "images": { "n": 9, "x": 1 }, "groups": { "n": 9, "x": 1 } });
    let answer = |name: &str, accepted: bool| json!({ "class": name, "probability": 0.95, "accepted": accepted });
    let flip = |n: u8| json!({ "image": digest(n), "class": CLASS, "before": answer(CLASS, true), "after": answer("fu-ma", false) });
    let report = json!({
        "format": 1,
        "classes": [class(CLASS, false), class("none", false), class("fu-ma", true)],
        "sealed": { "digest": digest(2), "n_images": 30, "n_expected": 30, "n_groups": 30, "relabelled": [] },
        "training": {
            "mode": "append", "n_train": 30, "n_train_expected": 30, "n_calibration": 30, "trials": [], "l2": 1e-3,
            "temperature": 1.0, "dial": null, "cut_short": false,
        },
        "candidate": model_metrics(&[CLASS, "none", "fu-ma"]),
        "baseline": model_metrics(&[CLASS, "none"]),
        "comparison": {
            "old_classes": [loss(CLASS), loss("none")], "false_new": { "n": 18, "x": 0 }, "n_right": 18,
            "negative_flips": [flip(7), flip(8)], "n_positive_flips": 0, "transitions": [], "n_forbidden": 0,
        },
        "structural": { "facts": [{ "id": "head_shape", "holds": true, "evidence": text }] },
        "looks": { "ordinal": 2, "spent": 0.01, "n_groups_missing": 3 },
    });
    let check = |id: &str, class: Option<&str>, verdict: &str| {
        json!({
            "id": id, "class": class, "value": 0.1, "lower": 0.01, "upper": 0.123, "limit": 0.1, "x": 1, "n": 9,
            "verdict": verdict, "groups_needed": 12, "sentence": text, "sentence_zh": text,
        })
    };
    let policy = GatePolicy {
        name: text.to_owned(),
        version: 1,
        ..GatePolicy::pilot()
    };
    let job = json!({
        "id": "j", "project": "p", "request": null,
        "spec": {
            "baseline": "base", "backbone": digest(3), "dataset_versions": [], "config": {}, "policy": read(json!(policy)),
        },
        "state": "succeeded", "stage": null, "progress_done": 0, "progress_total": 0, "attempt": 1,
        "cancel_requested": false, "error": null, "verdict": null, "model": "m", "created_us": 1, "queued_us": 1,
        "started_us": 1, "finished_us": 1, "stage_times": [],
    });
    let summary = json!({ "state": "unproven", "sentence": text, "structural_failure": false });
    let model = json!({
        "id": "m", "project": "p", "job": "j", "digest": digest(4), "baseline": "base",
        "backbone": {
            "digest": digest(3), "name": "b", "recipe": "r", "dim": 1, "preprocessing": digest(5), "kernel": "k",
            "tensors": digest(6),
        },
        "classes": [], "new_classes": [CLASS], "verdict": summary, "files": [], "created_us": 1_764_000_000_000_000_i64,
    });
    let verdict = json!({
        "state": "unproven", "sentence": text, "sentence_zh": text, "policy": digest(9), "alpha_per_look": 0.01,
        "checks": [
            check("structural", None, "pass"), check("old_class_loss", Some(CLASS), "unproven"),
            check("old_class_loss", Some("none"), "pass"), check("new_recall", Some("fu-ma"), "pass"),
        ],
    });
    let word = json!({
        "id": "o", "model": "m", "by": "rita", "reason": text, "verdict": "unproven", "grounds": [], "created_us": 2,
    });
    let place = |offset: f64| {
        json!({
            "offset": offset, "old": [{ "class": CLASS, "n": 10, "x": 1 }], "false_new": { "n": 20, "x": 0 },
            "new": [{ "class": "fu-ma", "n": 10, "x": 9 }],
        })
    };
    let dial = json!({
        "offset": 0.0, "b_need": -1.0, "b_safe": 1.0, "n_images": 30, "unbounded_classes": [],
        "budget": { "loss": [0.1], "false_new": 0.1 },
        "places": [place(-1.0), place(0.0), place(1.0)],
    });
    let extras = json!({
        "reliability": { "ece": 0.02, "bins": [{ "n": 10, "confidence": 0.9, "accuracy": 0.8 }] },
        "classes": [{
            "class": CLASS, "auc": 0.9, "roc": [],
            "best_f1": { "threshold": 0.7, "precision": 0.9, "recall": 0.9 }, "at_precision": null,
        }],
    });
    Review {
        model: serde_json::from_value(model).unwrap(),
        job: serde_json::from_value(job).unwrap(),
        project: text.to_owned(),
        report: serde_json::from_value(report).unwrap(),
        verdict: serde_json::from_value(verdict).unwrap(),
        overrides: vec![serde_json::from_value(word).unwrap()],
        metrics: serde_json::from_value(json!({ "format": 1, "candidate": extras, "baseline": null, "flips": null }))
            .ok(),
        dial: serde_json::from_value(dial).ok(),
        pictures: BTreeMap::from([(Digest::from_bytes([7; 32]), Bytes::from_static(&[0xff, 0xd8, 0xff]))]),
    }
}

#[test]
fn text_stays_text() {
    assert_eq!(escaped("<b>\"&'"), "&lt;b&gt;&quot;&amp;&#39;");
    let review = hostile("<script>alert(1)</script><img src=x onerror='y'>\" onload=\"z");
    for language in [Language::En, Language::Zh] {
        let page = page(&review, language);
        assert_eq!(page.matches("<script").count(), 0, "{page}");
        assert_eq!(page.matches("<img").count(), 1, "the one picture");
        assert!(!page.contains("' onload='") && !page.contains("\" onload=\""), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 5, "it is told all the same");
        assert!(page.contains("fu&#39; onload=&#39;x, (1+1)"), "and so is the class");
        for text in ["src=\"http", "href=", "url("] {
            assert!(!page.contains(text), "it needs nothing else: {text}");
        }
    }
}

#[test]
fn the_page_says_all_that_the_review_does() {
    let page = page(&hostile("plain"), Language::En);
    for expected in [
        "Not proven yet: 1 of 2 old classes are proven unharmed, not ",
        "Overridden by rita",
        "number 2 of 5 that the policy allows",
        "plain, version 1",
        "2025-11-24",
        "≤ 12.3",
        "≤ 10",
        "<td class=\"n own\">10</td>",
        "Pictures of 1 of 2 are in this file",
        "Largest F1: τ = 0.7000",
        "The model stands at b = 0.00",
        "0.9900",
        "loss of an old class",
        "ECE 2.0 %",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(
        page.matches("<circle").count(),
        4,
        "three thresholds and the dial's place"
    );
    let zh = super::page(&hostile("plain"), Language::of(Some("zh-CN")));
    for expected in [
        "lang=\"zh\"",
        "尚未证实：2 个旧类别中 1 个已证实未受损害，",
        "第 2 次，策略允许 5 次",
        "未知",
    ] {
        assert!(zh.contains(expected), "{expected}: {zh}");
    }
}
