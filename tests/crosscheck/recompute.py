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
from scipy.stats import beta, binom
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

TOLERANCE = 2e-6  # logits are f32 products there and f64 products here
TRAIN, CALIBRATION, SEALED = 0, 1, 2


class Comparison:
    def __init__(self):
        self.n, self.largest, self.differences = 0, 0.0, []

    def same(self, where, got, expected):
        """`got` is the report's."""
        self.n += 1
        if got is None or expected is None or isinstance(got, (str, bool)):
            if got != expected:
                self.differences.append(f"{where}: report {got}, recomputed {expected}")
            return
        error = abs(got - expected) / max(1.0, abs(expected))
        self.largest = max(self.largest, error)
        exact = isinstance(got, int)
        if (exact and got != expected) or not error <= TOLERANCE:
            self.differences.append(f"{where}: report {got}, recomputed {expected}")


def load(path):
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


class Model:
    """Probabilities of one model on the sealed images: (n, k) f64."""

    def __init__(self, manifest, probabilities, tau=None):
        self.names = [c["name"] for c in manifest["classes"]]
        self.taus = np.array([c["tau"] if tau is None else tau for c in manifest["classes"]])
        self.rejects = np.array([c["role"] == "reject" for c in manifest["classes"]])
        self.p = probabilities
        self.top = probabilities.argmax(1)
        self.top_p = probabilities[np.arange(len(probabilities)), self.top]
        accepted = self.top_p >= self.taus[self.top]
        self.answer = np.where(accepted, self.top, len(self.names))
        self.unsure = np.abs(self.top_p - self.taus[self.top]) < 1e-6


def softmax(z):
    return np.exp(z - logsumexp(z, axis=1, keepdims=True))


def metrics(c, where, report, model, classes, labels, groups):
    """One model alone. `labels` index `classes`; a model may know fewer."""
    k = len(model.names)
    known = labels < k
    right = known & (model.answer == labels)  # unknown is index k, which a new label may be
    c.same(f"{where}.classes", json.dumps(report["classes"]), json.dumps(model.names))
    c.same(f"{where}.n_known", report["n_known"], int(known.sum()))
    c.same(f"{where}.top1", report["top1"], float((model.top == labels)[known].mean()))
    c.same(f"{where}.n_accepted_right", report["n_accepted_right"], int(right.sum()))
    c.same(f"{where}.n_accepted_wrong", report["n_accepted_wrong"], int(((model.answer < k) & ~right).sum()))
    c.same(f"{where}.n_unknown", report["n_unknown"], int((model.answer == k).sum()))
    table = np.zeros((len(classes), k + 1), int)
    np.add.at(table, (labels, model.answer), 1)
    union = confusion_matrix(labels, np.where(model.answer == k, len(classes), model.answer), labels=range(len(classes) + 1))
    assert (union[: len(classes), :k] == table[:, :k]).all() and (union[: len(classes), -1] == table[:, -1]).all()
    for i, row in enumerate(report["confusion"]):
        for j, count in enumerate(row):
            c.same(f"{where}.confusion[{i}][{j}]", count, int(table[i, j]))
    c.same(f"{where}.per_class", len(report["per_class"]), k)
    for i, one in enumerate(report["per_class"]):
        at = f"{where}.{one['class']}"
        # Images of classes that the model does not have are negatives: accepting one of them is wrong.
        mine, accepted = labels == i, model.answer == i
        true, false = int((mine & accepted).sum()), int((~mine & accepted).sum())
        c.same(f"{at}.n", one["n"], int(mine.sum()))
        c.same(f"{at}.true_accepts", one["true_accepts"], true)
        c.same(f"{at}.false_accepts", one["false_accepts"], false)
        c.same(f"{at}.recall", one["recall"], true / mine.sum() if mine.any() else None)
        c.same(f"{at}.precision", one["precision"], true / (true + false) if true + false else None)
        of_class = set(groups[mine])
        missed = set(groups[mine & ~accepted])
        touched, wrong = set(groups[accepted]), set(groups[accepted & ~mine])
        c.same(f"{at}.n_groups", one["n_groups"], len(of_class))
        c.same(f"{at}.groups_recalled", one["groups_recalled"], len(of_class - missed))
        c.same(f"{at}.groups_accepted", one["groups_accepted"], len(touched))
        c.same(f"{at}.groups_accepted_right", one["groups_accepted_right"], len(touched - wrong))
        if not mine.any():
            c.same(f"{at}.average_precision", one["average_precision"], None)
            continue
        y, score = mine, model.p[:, i]
        c.same(f"{at}.average_precision", one["average_precision"], float(average_precision_score(y, score)))
        precision, recall, thresholds = precision_recall_curve(y, score)
        c.same(f"{at}.curve is short", len(one["curve"]) <= 400, True)
        for n, point in enumerate(one["curve"]):
            # The same point among scikit-learn's: the last threshold that still accepts this image.
            nearest = int(np.abs(thresholds - point["threshold"]).argmin())
            c.same(f"{at}.curve[{n}].threshold", point["threshold"], float(thresholds[nearest]))
            close = np.abs(thresholds - point["threshold"]) < 1e-6
            best = min(np.flatnonzero(close), key=lambda j: abs(recall[j] - point["recall"]) + abs(precision[j] - point["precision"]), default=nearest)
            c.same(f"{at}.curve[{n}].precision", point["precision"], float(precision[best]))
            c.same(f"{at}.curve[{n}].recall", point["recall"], float(recall[best]))
        xs = np.array([p["recall"] for p in one["curve"]])
        ys = np.array([p["precision"] for p in one["curve"]])
        # scikit-learn's points from the first image on, without the artificial end and what follows full recall.
        full = [(r, p) for r, p in zip(recall[:-1], precision[:-1])]
        highest = {}
        for r, p in full:
            highest.setdefault(r, []).append(p)
        inner = [(r, p) for r, ps in highest.items() for p in (max(ps),) if r > xs.min()]
        worst = max((min(abs(np.interp(r, xs, ys) - p), min(abs(ys[xs == r] - p), default=9)) for r, p in inner), default=0)
        c.same(f"{at}.curve is within 0.002", bool(worst < 0.002 + TOLERANCE), True)


def compare(c, report, b, m, labels, groups, images):
    k = len(b.names)
    old = labels < k
    b_right = old & (b.answer == labels)
    is_new = (m.answer >= k) & (m.answer < len(m.names))
    real = (m.answer < len(m.names)) & ~np.append(m.rejects, False)[m.answer]
    label_rejects = np.append(m.rejects, False)[np.minimum(labels, len(m.names))]
    lost = b_right & np.where(label_rejects, real, m.answer != labels)
    for i, one in enumerate(report["old_classes"]):
        at = f"comparison.{one['class']}"
        mine = b_right & (labels == i)
        c.same(f"{at}.class", one["class"], b.names[i])
        c.same(f"{at}.images.n", one["images"]["n"], int(mine.sum()))
        c.same(f"{at}.images.x", one["images"]["x"], int((lost & mine).sum()))
        c.same(f"{at}.groups.n", one["groups"]["n"], len(set(groups[mine])))
        c.same(f"{at}.groups.x", one["groups"]["x"], len(set(groups[lost & mine])))
    c.same("comparison.false_new.n", report["false_new"]["n"], len(set(groups[old])))
    c.same("comparison.false_new.x", report["false_new"]["x"], len(set(groups[old & is_new])))
    c.same("comparison.n_right", report["n_right"], int(b_right.sum()))
    c.same("comparison.flipped.n", report["flipped"]["n"], len(set(groups[b_right])))
    c.same("comparison.flipped.x", report["flipped"]["x"], len(set(groups[lost])))
    if report["recall_changes"]:
        bootstrap(c, report["recall_changes"], b, m, labels, groups)
    flips = {f["image"]: f for f in report["negative_flips"]}
    c.same("comparison.negative_flips", len(flips), int(lost.sum()))
    for i in np.flatnonzero(lost):
        name = bytes(images[i]).hex()
        flip = flips.get(name)
        if flip is None:
            c.differences.append(f"negative flip {name} is not in the report")
            continue
        for side, model in (("before", b), ("after", m)):
            c.same(f"flip {name[:8]}.{side}.class", flip[side]["class"], model.names[model.top[i]])
            c.same(f"flip {name[:8]}.{side}.probability", flip[side]["probability"], float(model.top_p[i]))
            c.same(f"flip {name[:8]}.{side}.accepted", flip[side]["accepted"], bool(model.answer[i] < len(model.names)))
    m_right = old & (m.answer == labels)
    c.same("comparison.n_positive_flips", report["n_positive_flips"], int((m_right & ~b_right).sum()))
    table = np.zeros((k + 1, len(m.names) + 1), int)
    np.add.at(table, (b.answer, m.answer), 1)
    for i, row in enumerate(report["transitions"]):
        for j, count in enumerate(row):
            c.same(f"comparison.transitions[{i}][{j}]", count, int(table[i, j]))
    forbidden = table[:, :k].copy()
    forbidden[np.arange(k), np.arange(k)] = 0
    c.same("comparison.n_forbidden", report["n_forbidden"], int(forbidden.sum()))


def bootstrap(c, changes, b, m, labels, groups):
    """Bounds on the change of recall, by drawing groups one after the other with numpy."""
    k, rng = len(b.names), np.random.default_rng(1)
    c.same("recall changes: classes", json.dumps([x["class"] for x in changes]), json.dumps(b.names))
    for i, one in enumerate(changes):
        at, mine = f"recall change of {one['class']}", labels == i
        right = lambda model: (~(np.append(~model.rejects, False)[model.answer]) if b.rejects[i] else model.answer == i)[mine]
        before, after = right(b), right(m)
        of, own = np.unique(groups[mine], return_inverse=True)
        size, gain = np.bincount(own), np.bincount(own, weights=after.astype(float) - before)
        n = len(of)
        c.same(f"{at}.n", one["n"], n)
        c.same(f"{at}.x", one["x"], int((gain < 0).sum()))
        c.same(f"{at}.value", one["value"], float(gain.sum() / size.sum()))
        drawn = rng.integers(0, n, (20_000, n))
        values = np.sort(gain[drawn].sum(1) / size[drawn].sum(1))
        # Two sets of draws agree on a quantile as far as their own error goes; where a bound is an atom, on the atom.
        for name, share in (("lower", one["alpha"]), ("upper", 1 - one["alpha"] / k)):
            spread = 5 * math.sqrt(share * (1 - share) * (1 / 10_000 + 1 / 20_000))
            low, high = (values[int(np.clip(q * 20_000, 0, 19_999))] for q in (share - spread, share + spread))
            c.same(f"{at}.{name} is near {low} … {high}", bool(low - 1e-12 <= one[name] <= high + 1e-12), True)


def calibration_error(model, labels, k):
    """Over images of the first k classes, 15 bins of equal mass."""
    known = labels < k
    confidence, right = model.top_p[known], (model.top == labels)[known]
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(15, int(known.sum())))
    return float(sum(len(x) * abs(right[x].mean() - confidence[x].mean()) for x in bins) / known.sum())


def nearest(thresholds, threshold, got, curves):
    """Of the thresholds that rounding cannot tell from this one, the one whose figures are nearest to `got`."""
    close = np.flatnonzero(np.abs(thresholds - threshold) < 1e-6)
    away = lambda j: sum(abs(curve[j] - value) for curve, value in zip(curves, got))
    return int(min(close, key=away, default=np.abs(thresholds - threshold).argmin()))


def extras(c, where, report, model, labels, calibration, cal_labels):
    """Calibration error, ROC and suggested thresholds of one model; the last two of its probabilities by split."""
    k = len(model.names)
    known = labels < k
    confidence, right = model.p.max(1)[known], (model.top == labels)[known]
    order = np.argsort(confidence, kind="stable")
    ece = 0.0
    bins = np.array_split(order, min(15, len(order)))
    c.same(f"{where}: bins", len(report["reliability"]["bins"]), len(bins))
    for i, (one, mine) in enumerate(zip(report["reliability"]["bins"], bins)):
        c.same(f"{where}: bin {i} n", one["n"], len(mine))
        c.same(f"{where}: bin {i} confidence", one["confidence"], float(confidence[mine].mean()))
        c.same(f"{where}: bin {i} accuracy", one["accuracy"], float(right[mine].mean()))
        ece += len(mine) / len(order) * abs(right[mine].mean() - confidence[mine].mean())
    c.same(f"{where}: ECE", report["reliability"]["ece"], float(ece))
    for i, one in enumerate(report["classes"]):
        at, mine = f"{where}.{one['class']}", labels == i
        c.same(f"{at}.class", one["class"], model.names[i])
        c.same(f"{at}.auc", one["auc"], float(roc_auc_score(mine, model.p[:, i])))
        c.same(f"{at}.roc is short", len(one["roc"]) <= 400, True)
        fpr, tpr, thresholds = roc_curve(mine, model.p[:, i], drop_intermediate=False)
        for n, point in enumerate(one["roc"]):
            got = (point["false_positive_rate"], point["true_positive_rate"])
            j = nearest(thresholds, point["threshold"], got, (fpr, tpr))
            c.same(f"{at}.roc[{n}].fpr", got[0], float(fpr[j]))
            c.same(f"{at}.roc[{n}].tpr", got[1], float(tpr[j]))
        precision, recall, thresholds = precision_recall_curve(cal_labels == i, calibration[:, i])
        with np.errstate(invalid="ignore"):
            f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
        best = one["best_f1"]
        f = 2 * best["precision"] * best["recall"] / (best["precision"] + best["recall"])
        c.same(f"{at}: the best F1", f, float(f1.max()))
        reaching = recall[precision >= 0.95][:-1] if (precision[:-1] >= 0.95).any() else []
        c.same(f"{at}: a precision of 0.95", one["at_precision"] is not None, len(reaching) > 0)
        if len(reaching):
            c.same(f"{at}: recall at a precision of 0.95", one["at_precision"]["recall"], float(max(reaching)))
        for name in ("best_f1", "at_precision"):
            if one[name] is not None:
                got = (one[name]["precision"], one[name]["recall"])
                j = nearest(thresholds, one[name]["threshold"], got, (precision, recall))
                c.same(f"{at}.{name}.precision", got[0], float(precision[j]))
                c.same(f"{at}.{name}.recall", got[1], float(recall[j]))


def flips(c, report, comparison, n_old):
    lost, won = len(comparison["negative_flips"]), comparison["n_positive_flips"]
    c.same("flips.negative_flip_rate", report["negative_flip_rate"], lost / n_old)
    c.same("flips.conditional", report["conditional_negative_flip_rate"], lost / comparison["n_right"])
    p = 1.0 if lost == won else min(1.0, 2 * float(binom.cdf(min(lost, won), lost + won, 0.5)))
    c.same("flips.mcnemar_p", report["mcnemar_p"], p)


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
            else:
                c.same(f"{at}.value", check["value"], x / n)
                c.same(f"{at}.upper", check["upper"], upper(alpha))
                c.same(f"{at}.lower", check["lower"], lower(alpha))
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
