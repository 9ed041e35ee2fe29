#!/usr/bin/env python3
"""Recomputes every number of an exported model's report and verdict, with numpy, scipy and scikit-learn.

    recompute.py DIR

DIR is what `rehead models export MODEL --out DIR --features` wrote; a report-TAU.json in it is what
`/models/MODEL/report?tau=TAU` answered, and is recomputed at that threshold. Nothing of Rehead's code runs here: logits come from
head and features, counts from logits, curves from scikit-learn, bounds from scipy's beta distribution.
Exit code 0 iff everything agrees; each difference is printed.
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open
from scipy.special import expit, logsumexp
from scipy.stats import beta

from reference import Comparison, Model, calibration_error, compare, extras, flips, metrics, softmax

TRAIN, CALIBRATION, SEALED = 0, 1, 2


def load(path):
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def places(c, asked, offset, manifest, z_old, z_new, labels):
    """What the dial says of other places, by moving the new biases there and counting again."""
    k, names = z_old.shape[1], [x["name"] for x in manifest["classes"]]
    taus = np.array([x["tau"] for x in manifest["classes"]])
    rejects = np.array([x["role"] == "reject" for x in manifest["classes"]])

    def answers(z):
        p = softmax(z)
        top = p.argmax(1)
        return np.where(p[np.arange(len(p)), top] >= taus[top], top, -1)

    c.same("dial: the model's own place", asked["offset"], offset)
    c.same("dial: images", asked["n_images"], len(labels))
    right = (labels < k) & (answers(z_old) == labels)
    for place in asked["places"]:
        at = f"dial at {place['offset']}"
        after = answers(np.concatenate([z_old, z_new + (place["offset"] - offset)], axis=1))
        gone = np.where(rejects[labels], (after >= 0) & ~rejects[after], after != labels)
        for i, one in enumerate(place["old"]):
            mine = right & (labels == i)
            expected = [names[i], int(mine.sum()), int((mine & gone).sum())]
            c.same(f"{at}: {names[i]}", json.dumps([one["class"], one["n"], one["x"]]), json.dumps(expected))
        old = labels < k
        expected = [int(old.sum()), int((old & (after >= k)).sum())]
        c.same(f"{at}: falsely new", json.dumps([place["false_new"]["n"], place["false_new"]["x"]]), json.dumps(expected))
        for i, one in enumerate(place["new"], start=k):
            expected = [names[i], int((labels == i).sum()), int(((labels == i) & (after == i)).sum())]
            c.same(f"{at}: {names[i]}", json.dumps([one["class"], one["n"], one["x"]]), json.dumps(expected))


def dial(c, report, manifest, base, head, z_old, z_new, labels, budget):
    """Both ends of the interval by brute force on the calibration images."""
    k, d = z_old.shape[1], report["dial"]
    m = len(head["bias"]) - k
    z_new = z_new - d["offset"]  # aligned, at offset 0
    lse_old, lse_new = logsumexp(z_old, axis=1), logsumexp(z_new, axis=1)
    taus = np.array([x["tau"] for x in manifest["classes"]])
    rejects = np.array([x["role"] == "reject" for x in manifest["classes"]])
    p = softmax(z_old)
    old = labels < k
    own = np.where(old, labels, 0)
    p_own = p[np.arange(len(p)), own]
    right = old & (p.argmax(1) == labels) & (p_own >= taus[own])

    def counts(b):
        factor = expit(lse_old - lse_new - b)
        share = softmax(z_new)
        p_new = share * expit(b + lse_new - lse_old)[:, None]
        new_top = p_new.argmax(1)
        p_old = p * factor[:, None]
        is_top = p_new.max(1) > p_old.max(1)
        accepted = np.where(is_top & (p_new.max(1) >= taus[k:][new_top]), new_top, -1)
        kept = (p_own * factor >= taus[own]) & ~(is_top & (p_new.max(1) > p_own * factor))
        lost = [int((right & (labels == i) & ((accepted >= 0) if rejects[i] else ~kept)).sum()) for i in range(k)]
        recall = [float((accepted[labels == k + n] == n).mean()) for n in range(m)]
        return lost, recall, int((old & (accepted >= 0)).sum())

    allowed = [math.floor(budget["loss"] * int((right & (labels == i)).sum())) for i in range(k)]
    allowed_false = math.floor(budget["false_new"] * int(old.sum()))
    reaches = lambda b: all(r >= report["recall_target"] - 1e-12 for r in counts(b)[1])

    def safe(b):
        lost, _, false = counts(b)
        bounded = [x <= a for x, a, i in zip(lost, allowed, range(k)) if (right & (labels == i)).any()]
        return all(bounded) and false <= allowed_false

    step = 1e-4
    if d["b_need"] is not None:
        c.same("dial: b_need reaches the target", reaches(d["b_need"] + step), True)
        c.same("dial: nothing below b_need does", reaches(d["b_need"] - step), False)
    if d["b_safe"] is not None:
        c.same("dial: b_safe keeps the budgets", safe(d["b_safe"] - step), True)
        c.same("dial: nothing above b_safe does", safe(d["b_safe"] + step), False)
    if d["b_need"] is not None and d["b_safe"] is not None and d["feasible"]:
        c.same("dial.offset is the middle", d["offset"], (d["b_need"] + d["b_safe"]) / 2)
    loss = [t for t in report["trials"] if t["l2"] == report["l2"]][0]
    for name in ("b_need", "b_safe"):
        c.same(f"trial.{name}", loss[name], d[name])
    # λ was chosen by the log-loss of the fit as it came, before alignment and offset.
    z = np.concatenate([z_old, z_new - np.array(d["alignment"])], axis=1)
    recomputed = float((logsumexp(z, axis=1) - z[np.arange(len(z)), labels]).mean())
    c.same("trial.calibration_loss", loss["calibration_loss"], recomputed)


def verdict(c, report, verdict):
    alpha = verdict["alpha_per_look"]
    states = []
    new = [x["name"] for x in report["classes"] if x["is_new"]]
    per_class = {x["class"]: x for x in report["candidate"]["per_class"]}
    comparison = report.get("comparison")
    n_of = {i: sum(x["id"] == i for x in verdict["checks"]) for i in {x["id"] for x in verdict["checks"]}}
    for check in verdict["checks"]:
        at, name = f"verdict.{check['id']}.{check['class'] or 'all'}", check["class"]
        if check["id"] == "structural":
            broken = [f for f in report["structural"]["facts"] if not f["holds"]]
            state = "fail" if broken else "pass"
        elif check["id"] == "coverage":
            state = "pass" if 0 < report["sealed"]["n_images"] == report["sealed"]["n_expected"] else "unproven"
        elif check["id"] == "looks":
            state = "pass" if 1 <= report["looks"]["ordinal"] <= check["n"] else "unproven"
        elif check["id"] == "calibration":
            rise = report["calibration"]["after"] - report["calibration"]["before"]
            c.same(f"{at}.value", check["value"], rise)
            state = "pass" if rise <= check["limit"] else "fail"
        elif check["id"] == "recall_change":
            one = [x for x in comparison["recall_changes"] if x["class"] == name][0]
            least = math.ceil(math.log(alpha) / math.log(1 - check["limit"]))
            good = one["lower"] >= -check["limit"] and one["n"] >= least
            state = "fail" if one["upper"] < -check["limit"] else "pass" if good else "unproven"
        else:
            at_most = check["id"] in ("old_class_loss", "anchor_loss", "false_new", "negative_flips")
            if check["id"] in ("old_class_loss", "anchor_loss"):
                losses = comparison["old_classes" if check["id"] == "old_class_loss" else "anchor_losses"]
                count = [x["groups"] for x in losses if x["class"] == name][0]
                x, n = count["x"], count["n"]
            elif check["id"] == "negative_flips":
                x, n = comparison["flipped"]["x"], comparison["flipped"]["n"]
            elif check["id"] == "false_new":
                x, n = comparison["false_new"]["x"], comparison["false_new"]["n"]
            elif check["id"] in ("class_precision", "new_precision"):
                x, n = per_class[name]["groups_accepted_right"], per_class[name]["groups_accepted"]
            else:
                x, n = per_class[name]["groups_recalled"], per_class[name]["n_groups"]
            c.same(f"{at}.x", check["x"], x)
            c.same(f"{at}.n", check["n"], n)
            upper = lambda a: 1.0 if x == n else float(beta.ppf(1 - a, x + 1, n - x))
            lower = lambda a: 0.0 if x == 0 else float(beta.ppf(a, x, n - x + 1))
            limit, share = check["limit"], alpha / n_of[check["id"]]
            if n == 0:
                state = "unproven"
                c.same(f"{at}.upper", check["upper"], 1.0)
                c.same(f"{at}.lower", check["lower"], 0.0)
            else:
                c.same(f"{at}.value", check["value"], x / n)
                # The bounds that the verdict is made of: what passes it at a look's level, what fails it at its share of that.
                c.same(f"{at}.upper", check["upper"], upper(alpha if at_most else share))
                c.same(f"{at}.lower", check["lower"], lower(share if at_most else alpha))
                good = upper(alpha) <= limit if at_most else lower(alpha) >= limit
                bad = lower(share) > limit if at_most else upper(share) < limit
                state = "fail" if bad else "pass" if good else "unproven"
        c.same(f"{at}.verdict", check["verdict"], state)
        states.append(state)
    whole = "fail" if "fail" in states else "unproven" if "unproven" in states or not states else "pass"
    c.same("verdict.state", verdict["state"], whole)


def main():
    root = Path(sys.argv[1])
    read = lambda name: json.loads((root / name).read_text())
    manifest, report, said = read("manifest.json"), read("report.json"), read("verdict.json")
    features, metadata = load(root / "features.safetensors")
    head, _ = load(root / "head.safetensors")
    names = json.loads(metadata["classes"])
    c = Comparison()
    c.same("classes", json.dumps([x["name"] for x in report["classes"]]), json.dumps(names))
    c.same("manifest.classes", json.dumps([x["name"] for x in manifest["classes"]]), json.dumps(names))
    f, labels, split = features["features"].astype(np.float64), features["labels"], features["split"]
    z = f @ head["weight"].astype(np.float64).T + head["bias"].astype(np.float64)
    sealed = split == SEALED
    y, groups, images = labels[sealed], features["groups"][sealed], features["images"][sealed]
    for i, one in enumerate(report["classes"]):
        c.same(f"classes.{one['name']}.n_images", one["n_images"], int((y == i).sum()))
        c.same(f"classes.{one['name']}.n_groups", one["n_groups"], len(set(groups[y == i])))
    c.same("sealed.n_images", report["sealed"]["n_images"], int(sealed.sum()))
    c.same("sealed.n_groups", report["sealed"]["n_groups"], len(set(groups)))
    training = report["training"]
    c.same("training.n_calibration", training["n_calibration"], int((split == CALIBRATION).sum()))
    c.same("training.n_train", training["n_train"], int((split == TRAIN).sum()))
    if report["comparison"] is None:
        best = min(training["trials"], key=lambda t: t["calibration_loss"])
        c.same("training.l2 has the least calibration loss", training["l2"], best["l2"])
    elif training["dial"]["feasible"]:
        width = lambda t: math.inf if t["b_safe"] is None else t["b_safe"] - t["b_need"]
        feasible = [t for t in training["trials"] if t["b_need"] is not None and width(t) >= 0]
        best = max(feasible, key=lambda t: (width(t), -t["calibration_loss"]))
        c.same("training.l2 has the widest interval", training["l2"], best["l2"])
    candidate = Model(manifest, softmax(z[sealed]))
    metrics(c, "candidate", report["candidate"], candidate, names, y, groups)
    beside, cal = read("metrics.json"), split == CALIBRATION
    extras(c, "candidate's metrics", beside["candidate"], candidate, y, softmax(z[cal]), labels[cal])
    if report["baseline"] is None:
        cal = split == CALIBRATION
        loss = float((logsumexp(z[cal], axis=1) - z[cal][np.arange(cal.sum()), labels[cal]]).mean())
        c.same("training.calibration_loss", best["calibration_loss"], loss)
    else:
        base_head, _ = load(root / "baseline" / "head.safetensors")
        base = json.loads((root / "baseline" / "manifest.json").read_text())
        k = len(base_head["bias"])
        for name in ("weight", "bias"):
            same = head[name][:k].tobytes() == base_head[name].tobytes()
            c.same(f"old rows of {name} are bit-equal", same, True)
        baseline = Model(base, softmax(z[sealed][:, :k]))
        metrics(c, "baseline", report["baseline"], baseline, names, y, groups)
        extras(c, "baseline's metrics", beside["baseline"], baseline, y, softmax(z[cal][:, :k]), labels[cal])
        flips(c, beside["flips"], report["comparison"], int((y < k).sum()))
        compare(c, report["comparison"], baseline, candidate, y, groups, images)
        c.same("recall changes are there", len(report["comparison"]["recall_changes"]), k)
        c.same("calibration.n", report["calibration"]["n"], int((y < k).sum()))
        c.same("calibration.before", report["calibration"]["before"], calibration_error(baseline, y, k))
        c.same("calibration.after", report["calibration"]["after"], calibration_error(candidate, y, k))
        cal = split == CALIBRATION
        limits = {x["id"]: x["limit"] for x in said["checks"]}
        budget = {"loss": limits.get("old_class_loss", 0.0), "false_new": limits.get("false_new", 0.0)}
        report["training"]["recall_target"] = 0.95
        own = report["training"]["dial"]["offset"]
        places(c, read("dial.json"), own, manifest, z[cal][:, :k], z[cal][:, k:], labels[cal])
        dial(c, report["training"], manifest, base, head, z[cal][:, :k], z[cal][:, k:], labels[cal], budget)
    verdict(c, report, said)
    for path in sorted(root.glob("report-*.json")):
        tau, again = float(path.stem.removeprefix("report-")), json.loads(path.read_text())
        moved = Model(manifest, candidate.p, tau)
        metrics(c, f"at {tau}: candidate", again["candidate"], moved, names, y, groups)
        if report["baseline"] is not None:
            before = Model(base, baseline.p, tau)
            metrics(c, f"at {tau}: baseline", again["baseline"], before, names, y, groups)
            compare(c, again["comparison"], before, moved, y, groups, images)
    for difference in c.differences[:50]:
        print(difference)
    print(f"{c.n} numbers compared, max relative difference {c.largest:.2e}, {len(c.differences)} differences")
    return 1 if c.differences else 0


if __name__ == "__main__":
    sys.exit(main())
