#!/usr/bin/env python3
"""Every metric of worlds that are given as logits, and exact bounds, with numpy, scipy, scikit-learn and statsmodels.

    metrics.py DIR

DIR holds a folder for each world: what was evaluated (world.json, sealed.f32, calibration.f32) and what came of it
(measured.json); and exact.json, bounds and p-values on a grid. Logits are given exactly, and probabilities are made of them by
the design's own formulas in f64, so that ties are the same ties: what counts must be equal, the rest to nine digits.
Exit code 0 iff everything agrees; each difference is printed.
"""
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import beta
from sklearn.metrics import precision_recall_curve
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from reference import Comparison, Model, calibration_error, compare, extras, flips, losses, metrics, softmax


class Exact(Comparison):
    """Of numbers that were made of the same f64: to nine digits, or to twelve places where differences of them vanish."""

    def __init__(self):
        super().__init__(tolerance=1e-9, floor=1e-3)
        self.world = ""

    def same(self, where, got, expected):
        super().same(f"{self.world}: {where}", got, expected)

    def relative(self, where, got, expected, least=0.0):
        """To nine digits however small they are, down to `least`."""
        floor, self.floor = self.floor, least or 5e-324
        self.same(where, got, expected)
        self.floor = floor

    def points(self, where, points, thresholds, figures):
        if not points:
            return
        order = np.argsort(thresholds)
        rising, wanted = thresholds[order], np.array([point["threshold"] for point in points])
        after = np.searchsorted(rising, wanted).clip(1, len(rising) - 1) if len(rising) > 1 else np.zeros(len(wanted), int)
        before = np.maximum(after - 1, 0)
        nearer = np.where(np.abs(rising[before] - wanted) < np.abs(rising[after] - wanted), before, after)
        self.same(f"{where}: thresholds fall", bool((np.diff(wanted) < 0).all()), True)
        for point, j in zip(points, order[nearer]):
            self.relative(f"{where}: a threshold", point["threshold"], float(thresholds[j]))
            for name, values in figures.items():
                self.same(f"{where}: {name} at {point['threshold']}", point[name], float(values[j]))


exp = np.vectorize(lambda x: math.exp(x) if x < 709 else math.inf, otypes=[float])
log = np.vectorize(math.log, otypes=[float])


def log_sum_exp(z):
    top, total = z.max(1), np.zeros(len(z))
    for column in z.T:
        total += exp(column - top)
    return top + log(total)


def probabilities(c, z, n_old):
    """The softmax; of an append, the baseline's probabilities by one factor and the new classes' by the other."""
    if n_old in (0, z.shape[1]):
        p = exp(z - log_sum_exp(z)[:, None])
    else:
        old, new = z[:, :n_old], z[:, n_old:]
        lse_old, lse_new = log_sum_exp(old), log_sum_exp(new)
        keeps, takes = 1 / (1 + exp(lse_new - lse_old)), 1 / (1 + exp(lse_old - lse_new))
        p = np.hstack([exp(old - lse_old[:, None]) * keeps[:, None], exp(new - lse_new[:, None]) * takes[:, None]])
    if len(z):
        c.same("probabilities are scipy's softmax", bool(np.allclose(p, softmax(z), rtol=1e-9, atol=1e-300)), True)
    return p


def off_curve(points, thresholds, precision, recall):
    """How far above or below the line through the points another one lies, of those between the same two of them."""
    t, p, r = (np.array([point[name] for point in points[::-1]]) for name in ("threshold", "precision", "recall"))
    if len(t) < 2:
        return 0.0
    low = np.searchsorted(t, thresholds, side="right").clip(1, len(t) - 1) - 1
    width = r[low] - r[low + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        line = p[low + 1] + (recall - r[low + 1]) / width * (p[low] - p[low + 1])
    plumb = np.maximum(precision - p[low + 1], p[low] - precision)
    return float(np.where(width > 0, np.abs(line - precision), plumb).max(initial=0))


def whole_curves(c, where, report, extra, model, labels, calibration, cal_labels):
    """What is left out of curves is no more than is allowed, and of thresholds equally good the highest is suggested."""
    for i, (one, more) in enumerate(zip(report["per_class"], extra["classes"])):
        at, mine = f"{where}.{one['class']}", labels == i
        if mine.any():
            precision, recall, thresholds = precision_recall_curve(mine, model.p[:, i])
            ends = [one["curve"][0]["threshold"], one["curve"][-1]["threshold"]]
            c.same(f"{at}.curve: its ends", json.dumps(ends), json.dumps([float(thresholds[-1]), float(thresholds[0])]))
            off = off_curve(one["curve"], thresholds, precision[:-1], recall[:-1])
            c.same(f"{at}.curve: {off} off the line", off < 0.002 + 1e-12, True)
        if more["roc"]:
            fpr, tpr = ([0.0, *(point[f"{x}_positive_rate"] for point in more["roc"])] for x in ("false", "true"))
            c.same(f"{at}.roc: its start", more["roc"][0]["threshold"], float(model.p[:, i].max()))
            if len(more["roc"]) < 400:
                c.same(f"{at}.roc: the area under its corners", float(np.trapezoid(tpr, fpr)), more["auc"])
        if (cal_labels == i).any():
            precision, recall, thresholds = precision_recall_curve(cal_labels == i, calibration[:, i])
            precision, recall = precision[:-1], recall[:-1]
            with np.errstate(invalid="ignore"):
                f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
            good = np.where(precision >= 0.95, recall, -1)
            for name, value in (("best_f1", f1), ("at_precision", good)):
                highest = float(thresholds[value == value.max()][-1]) if value.max() >= 0 else None
                c.same(f"{at}.{name}: the highest", more[name] and more[name]["threshold"], highest)


def counted(c, where, report, world, models, labels, groups, images, own):
    """The counts of a report: at the models' own thresholds, with the curves, or at another one, with the same curves."""
    after, before = models
    taus = {"candidate": after, "baseline": before}
    for i, one in enumerate(report["classes"]):
        mine, given = labels == i, world["classes"][i]
        told = [given["name"], given["role"], float(after.taus[i]), i >= world["n_old"], int(mine.sum()), len(set(groups[mine]))]
        got = [one[name] for name in ("name", "role", "tau", "is_new", "n_images", "n_groups")]
        c.same(f"{where}classes[{i}]", json.dumps(got), json.dumps(told))
    names = [x["name"] for x in world["classes"]]
    c.same(f"{where}classes", len(report["classes"]), len(names))
    for name, model in taus.items():
        if model is None:
            c.same(f"{where}{name}", report[name], None)
            continue
        metrics(c, f"{where}{name}", report[name], model, names, labels, groups, curves=own is None)
        if own is not None:
            for one, same in zip(report[name]["per_class"], own[name]["per_class"]):
                kept = all(one[part] == same[part] for part in ("curve", "average_precision"))
                c.same(f"{where}{name}.{one['class']}: the curve is kept", kept, True)
    if before is None:
        c.same(f"{where}comparison", report["comparison"], None)
    else:
        compare(c, report["comparison"], before, after, labels, groups, images)
        order = [flip["image"] for flip in report["comparison"]["negative_flips"]]
        c.same(f"{where}flips are in the order of images", order == sorted(order), True)


def since(c, world, got, z, after, labels, groups):
    """What the classes of an older model lost: of some of the candidate's logits, in an order of its own."""
    if world["anchor"] in ("baseline", "unmeasured"):
        return
    classes, tau = world["anchor"]["classes"], world["anchor"]["tau"]
    if not classes:
        c.same("anchor_losses", got, [])
        return
    own = z[:, classes]
    p, top = probabilities(c, own, 0), own.argmax(1)
    answer = np.where(p[np.arange(len(p)), top] >= tau, np.array(classes)[top], -1)
    real = np.append(~after.rejects, False)[after.answer]
    lost = np.where(after.rejects[labels], real, after.answer != labels)
    losses(c, "anchor_losses", got, classes, after.names, answer == labels, lost, labels, groups)


def judged(c, folder):
    read = lambda name: json.loads((folder / name).read_text())
    world, measured = read("world.json"), read("measured.json")
    c.world, n_old, n_all = world["name"], world["n_old"], len(world["classes"])
    logits = lambda name: np.fromfile(folder / f"{name}.f32", "<f4").reshape(-1, world["dim"]).astype(np.float64)
    labels, groups, cal_labels = (np.array(world[x], int) for x in ("labels", "groups", "calibration_labels"))
    images = np.zeros((len(labels), 32), np.uint8)
    images[:, :8] = np.arange(len(labels), dtype=">u8").view(np.uint8).reshape(-1, 8)
    first = n_old if world["way"] == "refit" else 0
    of_candidate = lambda z: probabilities(c, z[:, first : first + n_all], n_old if world["way"] == "append" else 0)
    of_baseline = lambda z: probabilities(c, z[:, :n_old], 0)
    z, cal = logits("sealed"), logits("calibration")
    sides = [("candidate", of_candidate, z[:, first : first + n_all])]
    sides += [("baseline", of_baseline, z[:, :n_old])] if n_old else []
    tops = {name: own.argmax(1) for name, _, own in sides}
    p = {name: of(z) for name, of, _ in sides}
    manifest = lambda name: {"classes": world["classes"][: n_old if name == "baseline" else n_all]}
    model = lambda name, tau=None: Model(manifest(name), p[name], tau, tops[name]) if name in p else None
    at = lambda tau=None: (model("candidate", tau), model("baseline", tau))
    for tau in [None, *(x["tau"] for x in measured["again"])]:
        unsure = [np.abs(m.top_p - m.taus[m.top]).min(initial=1) < 1e-12 for m in at(tau) if m]
        assert world["is_exact"] or not any(unsure), f"{c.world}: a probability stands at a threshold of {tau}"

    report, scores, extra = measured["report"], measured["scores"], measured["metrics"]
    own = at()
    c.same("formats", json.dumps([report["format"], extra["format"]]), json.dumps([1, 1]))
    counted(c, "", report, world, own, labels, groups, images, None)
    c.same("n_groups", measured["n_groups"], len(set(groups)))
    expected = {
        "format": 1, "classes": [x["name"] for x in world["classes"]], "n_old": n_old,
        "images": [bytes(x).hex() for x in images], "labels": labels.tolist(),
        "groups": np.unique(groups, return_inverse=True)[1].tolist(),
    }
    for name, value in expected.items():
        c.same(f"scores.{name}", scores[name] == value, True)
    for name in ("candidate", "baseline"):
        if name not in p:
            c.same(f"scores.{name}", scores[name], None)
            c.same(f"metrics.{name}", extra[name], None)
            continue
        m = own[0] if name == "candidate" else own[1]
        c.same(f"scores.{name}.classes", scores[name]["classes"] == m.top.tolist(), True)
        close = np.allclose(scores[name]["probabilities"], m.top_p, rtol=1e-12, atol=0)
        c.same(f"scores.{name}.probabilities", bool(close), True)
        cal_p = (of_candidate if name == "candidate" else of_baseline)(cal)
        extras(c, f"metrics.{name}", extra[name], m, labels, cal_p, cal_labels)
        whole_curves(c, name, report[name], extra[name], m, labels, cal_p, cal_labels)
    if n_old:
        comparison = report["comparison"]
        flips(c, extra["flips"], comparison, int((labels < n_old).sum()))
        pairs = [[0, len(comparison["negative_flips"])], [comparison["n_positive_flips"], 0]]
        c.relative("flips.mcnemar_p", extra["flips"]["mcnemar_p"], float(mcnemar(pairs, exact=True).pvalue))
        c.same("recall changes are there", len(comparison["recall_changes"]), n_old)
        for one in comparison["recall_changes"]:
            drawn = {"alpha": one["alpha"], "n_draws": one["n_draws"]}
            c.same(f"recall change of {one['class']}: draws", drawn == world["bootstrap"], True)
        kept = {"baseline": comparison["old_classes"], "unmeasured": None}
        if isinstance(world["anchor"], str):
            c.same("anchor_losses", comparison.get("anchor_losses") == kept[world["anchor"]], True)
        since(c, world, comparison.get("anchor_losses"), z[:, first : first + n_all], own[0], labels, groups)
        error = report["calibration"]
        c.same("calibration.n", error["n"], int((labels < n_old).sum()))
        c.same("calibration.before", error["before"], calibration_error(own[1], labels, n_old))
        c.same("calibration.after", error["after"], calibration_error(own[0], labels, n_old))
    else:
        c.same("flips, calibration", json.dumps([extra["flips"], report.get("calibration")]), json.dumps([None, None]))
    c.same("thresholds asked for", json.dumps([again["tau"] for again in measured["again"]]), json.dumps(world["taus"]))
    for again in measured["again"]:
        tau, moved = again["tau"], again["report"]
        counted(c, f"at {tau}: ", moved, world, at(tau), labels, groups, images, report)
        kept = all(moved.get(part) == report.get(part) for part in ("format", "sealed", "training", "structural", "calibration"))
        c.same(f"at {tau}: what no threshold moves is kept", kept, True)
        if n_old:
            beside = [moved["comparison"]["recall_changes"], moved["comparison"].get("anchor_losses")]
            c.same(f"at {tau}: not counted", json.dumps(beside), json.dumps([[], None]))


def exact(c, grid):
    """Clopper-Pearson bounds by scipy's beta distribution and statsmodels, McNemar's p by statsmodels."""
    c.world = "exact"
    for x, n, alpha, upper, lower in grid["bounds"]:
        at = f"{x} of {n} at {alpha}"
        c.relative(f"upper bound on {at}", upper, 1.0 if x == n else float(beta.isf(alpha, x + 1, n - x)))
        c.relative(f"lower bound on {at}", lower, 0.0 if x == 0 else float(beta.ppf(alpha, x, n - x + 1)))
        if n:
            interval = proportion_confint(x, n, alpha=2 * alpha, method="beta")
            c.relative(f"lower bound on {at}, statsmodels", lower, float(interval[0]))
            c.relative(f"upper bound on {at}, statsmodels", upper, float(interval[1]))
    for gained, lost, p in grid["mcnemar"]:
        expected = float(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue)
        c.relative(f"McNemar's p of {gained} and {lost}", p, expected, least=1e-300)


def main(root):
    # What is undefined is compared as such; scikit-learn says so, too, each time.
    warnings.simplefilter("ignore")
    c, folders = Exact(), sorted(path for path in root.iterdir() if path.is_dir())
    exact(c, json.loads((root / "exact.json").read_text()))
    for folder in folders:
        judged(c, folder)
    for difference in c.differences[:50]:
        print(difference)
    print(
        f"{len(folders)} worlds, {c.n} numbers compared, max relative difference {c.largest:.2e}, "
        f"{len(c.differences)} differences"
    )
    return 1 if c.differences or not folders else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
