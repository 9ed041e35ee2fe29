"""What a report says of two models, made again from their probabilities with numpy, scipy and scikit-learn: counts, curves,
bootstrap bounds, calibration, suggested thresholds and flips. Knows neither heads nor features, and no verdict.
"""
import json
import math

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binom
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

TOLERANCE = 2e-6  # logits are f32 products there and f64 products here


class Comparison:
    def __init__(self, tolerance=TOLERANCE, floor=1.0):
        """Numbers may differ by `tolerance` of the expected one, or of `floor` where that is larger."""
        self.tolerance, self.floor = tolerance, floor
        self.n, self.largest, self.differences = 0, 0.0, []

    def same(self, where, got, expected):
        """`got` is the report's."""
        self.n += 1
        if got is None or expected is None or isinstance(got, (str, bool)):
            if got != expected:
                self.differences.append(f"{where}: report {got}, recomputed {expected}")
            return
        error = abs(got - expected) / max(self.floor, abs(expected))
        self.largest = max(self.largest, error)
        exact = isinstance(got, int)
        if (exact and got != expected) or not error <= self.tolerance:
            self.differences.append(f"{where}: report {got}, recomputed {expected}")

    def points(self, where, points, thresholds, figures):
        """Every point of a report's curve is one of scikit-learn's, whose `figures` at `thresholds` have the report's names:
        of the thresholds that rounding cannot tell from the point's, the one whose figures are nearest to it."""
        for n, point in enumerate(points):
            close = np.flatnonzero(np.abs(thresholds - point["threshold"]) < 1e-6)
            away = lambda j: sum(abs(values[j] - point[name]) for name, values in figures.items())
            j = int(min(close, key=away, default=np.abs(thresholds - point["threshold"]).argmin()))
            self.same(f"{where}[{n}].threshold", point["threshold"], float(thresholds[j]))
            for name, values in figures.items():
                self.same(f"{where}[{n}].{name}", point[name], float(values[j]))


class Model:
    """Probabilities of one model on the sealed images, (n, k) f64, and the class on top where rounding hides it."""

    def __init__(self, manifest, probabilities, tau=None, top=None):
        self.names = [c["name"] for c in manifest["classes"]]
        self.taus = np.array([c["tau"] if tau is None else tau for c in manifest["classes"]])
        self.rejects = np.array([c["role"] == "reject" for c in manifest["classes"]])
        self.p = probabilities
        self.top = probabilities.argmax(1) if top is None else top
        self.top_p = probabilities[np.arange(len(probabilities)), self.top]
        accepted = self.top_p >= self.taus[self.top]
        self.answer = np.where(accepted, self.top, len(self.names))


def softmax(z):
    return np.exp(z - logsumexp(z, axis=1, keepdims=True))


def metrics(c, where, report, model, classes, labels, groups, curves=True):
    """One model alone. `labels` index `classes`; a model may know fewer. Its curves, too, unless somebody else does."""
    k = len(model.names)
    known = labels < k
    right = known & (model.answer == labels)  # unknown is index k, which a new label may be
    c.same(f"{where}.classes", json.dumps(report["classes"]), json.dumps(model.names))
    c.same(f"{where}.n_known", report["n_known"], int(known.sum()))
    c.same(f"{where}.top1", report["top1"], float((model.top == labels)[known].mean()) if known.any() else 0.0)
    c.same(f"{where}.n_accepted_right", report["n_accepted_right"], int(right.sum()))
    c.same(f"{where}.n_accepted_wrong", report["n_accepted_wrong"], int(((model.answer < k) & ~right).sum()))
    c.same(f"{where}.n_unknown", report["n_unknown"], int((model.answer == k).sum()))
    table = np.zeros((len(classes), k + 1), int)
    np.add.at(table, (labels, model.answer), 1)
    if len(labels):
        union = confusion_matrix(labels, np.where(model.answer == k, len(classes), model.answer), labels=range(len(classes) + 1))
        assert (union[: len(classes), :k] == table[:, :k]).all() and (union[: len(classes), -1] == table[:, -1]).all()
    same_table(c, f"{where}.confusion", report["confusion"], table)
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
        c.same(f"{at}.class", one["class"], model.names[i])
        if not curves:
            continue
        if not mine.any():
            c.same(f"{at}.average_precision", one["average_precision"], None)
            c.same(f"{at}: points of the curve", len(one["curve"]), 0)
            continue
        y, score = mine, model.p[:, i]
        c.same(f"{at}.average_precision", one["average_precision"], float(average_precision_score(y, score)))
        precision, recall, thresholds = precision_recall_curve(y, score)
        c.same(f"{at}.curve is short", len(one["curve"]) <= 400, True)
        c.points(f"{at}.curve", one["curve"], thresholds, {"precision": precision, "recall": recall})
        xs = np.array([p["recall"] for p in one["curve"]])
        ys = np.array([p["precision"] for p in one["curve"]])
        # scikit-learn's points from the first image on, without the artificial end and what follows full recall.
        rs, own = np.unique(recall[:-1], return_inverse=True)
        ps = np.zeros(len(rs))
        np.maximum.at(ps, own, precision[:-1])
        away = np.abs(np.interp(rs, xs, ys) - ps)
        for j in np.flatnonzero(np.isin(rs, xs)):
            away[j] = min(away[j], np.abs(ys[xs == rs[j]] - ps[j]).min())
        worst = away[rs > xs.min()].max(initial=0)
        c.same(f"{at}.curve is within 0.002", bool(worst < 0.002 + c.tolerance), True)


def same_table(c, where, got, expected):
    c.same(f"{where}: its shape", json.dumps([len(got), *sorted({len(row) for row in got})]), json.dumps([*expected.shape]))
    for i, row in enumerate(got):
        for j, count in enumerate(row):
            c.same(f"{where}[{i}][{j}]", count, int(expected[i, j]))


def compare(c, report, b, m, labels, groups, images):
    k = len(b.names)
    old = labels < k
    b_right = old & (b.answer == labels)
    is_new = (m.answer >= k) & (m.answer < len(m.names))
    real = (m.answer < len(m.names)) & ~np.append(m.rejects, False)[m.answer]
    label_rejects = np.append(m.rejects, False)[np.minimum(labels, len(m.names))]
    lost = b_right & np.where(label_rejects, real, m.answer != labels)
    losses(c, "comparison", report["old_classes"], range(k), m.names, b_right, lost, labels, groups)
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
        c.same(f"flip {name[:8]}.class", flip["class"], m.names[labels[i]])
        for side, model in (("before", b), ("after", m)):
            c.same(f"flip {name[:8]}.{side}.class", flip[side]["class"], model.names[model.top[i]])
            c.same(f"flip {name[:8]}.{side}.probability", flip[side]["probability"], float(model.top_p[i]))
            c.same(f"flip {name[:8]}.{side}.accepted", flip[side]["accepted"], bool(model.answer[i] < len(model.names)))
    m_right = old & (m.answer == labels)
    c.same("comparison.n_positive_flips", report["n_positive_flips"], int((m_right & ~b_right).sum()))
    table = np.zeros((k + 1, len(m.names) + 1), int)
    np.add.at(table, (b.answer, m.answer), 1)
    same_table(c, "comparison.transitions", report["transitions"], table)
    forbidden = table[:, :k].copy()
    forbidden[np.arange(k), np.arange(k)] = 0
    c.same("comparison.n_forbidden", report["n_forbidden"], int(forbidden.sum()))


def losses(c, where, got, classes, names, right, lost, labels, groups):
    """Per class the images and groups that were right, and of those the lost."""
    c.same(f"{where}: classes", json.dumps([one["class"] for one in got]), json.dumps([names[i] for i in classes]))
    for i, one in zip(classes, got):
        at, mine = f"{where}.{one['class']}", right & (labels == i)
        c.same(f"{at}.images.n", one["images"]["n"], int(mine.sum()))
        c.same(f"{at}.images.x", one["images"]["x"], int((lost & mine).sum()))
        c.same(f"{at}.groups.n", one["groups"]["n"], len(set(groups[mine])))
        c.same(f"{at}.groups.x", one["groups"]["x"], len(set(groups[lost & mine])))


def bootstrap(c, changes, b, m, labels, groups):
    """Bounds on the change of recall, by drawing groups one after the other with numpy; of many groups, kinds of them."""
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
        if n == 0:
            c.same(f"{at}: bounds of nothing", json.dumps([one[x] for x in ("value", "lower", "upper")]), json.dumps([None] * 3))
            continue
        c.same(f"{at}.value", one["value"], float(gain.sum() / size.sum()))
        if n <= 1_000:
            drawn = rng.integers(0, n, (20_000, n))
            gains, sizes = gain[drawn].sum(1), size[drawn].sum(1)
        else:
            kinds, counts = np.unique(np.stack([gain, size]), axis=1, return_counts=True)
            gains, sizes = kinds @ rng.multinomial(n, counts / n, 20_000).T
        values = np.sort(gains / sizes)
        # Two sets of draws agree on a quantile as far as their own error goes; where a bound is an atom, on the atom.
        for name, share in (("lower", one["alpha"]), ("upper", 1 - one["alpha"] / k)):
            spread = 5 * math.sqrt(share * (1 - share) * (1 / one["n_draws"] + 1 / 20_000))
            low, high = (values[int(np.clip(q * 20_000, 0, 19_999))] for q in (share - spread, share + spread))
            c.same(f"{at}.{name} is near {low} … {high}", bool(low - 1e-12 <= one[name] <= high + 1e-12), True)


def calibration_error(model, labels, k):
    """Over images of the first k classes, 15 bins of equal mass."""
    known = labels < k
    if not known.any():
        return None
    confidence, right = model.top_p[known], (model.top == labels)[known]
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(15, int(known.sum())))
    return float(sum(len(x) * abs(right[x].mean() - confidence[x].mean()) for x in bins) / known.sum())


def extras(c, where, report, model, labels, calibration, cal_labels):
    """Calibration error, ROC and suggested thresholds of one model; the last two of its probabilities by split."""
    k = len(model.names)
    known = labels < k
    confidence, right = model.top_p[known], (model.top == labels)[known]
    order = np.argsort(confidence, kind="stable")
    ece = 0.0 if known.any() else None
    bins = np.array_split(order, min(15, len(order))) if known.any() else []
    c.same(f"{where}: bins", len(report["reliability"]["bins"]), len(bins))
    for i, (one, mine) in enumerate(zip(report["reliability"]["bins"], bins)):
        c.same(f"{where}: bin {i} n", one["n"], len(mine))
        c.same(f"{where}: bin {i} confidence", one["confidence"], float(confidence[mine].mean()))
        c.same(f"{where}: bin {i} accuracy", one["accuracy"], float(right[mine].mean()))
        ece += len(mine) / len(order) * abs(right[mine].mean() - confidence[mine].mean())
    c.same(f"{where}: ECE", report["reliability"]["ece"], None if ece is None else float(ece))
    c.same(f"{where}: classes", json.dumps([one["class"] for one in report["classes"]]), json.dumps(model.names))
    for i, one in enumerate(report["classes"]):
        at, mine = f"{where}.{one['class']}", labels == i
        if 0 < mine.sum() < len(mine):
            c.same(f"{at}.auc", one["auc"], float(roc_auc_score(mine, model.p[:, i])))
            c.same(f"{at}.roc is short", len(one["roc"]) <= 400, True)
            fpr, tpr, thresholds = roc_curve(mine, model.p[:, i], drop_intermediate=False)
            c.points(f"{at}.roc", one["roc"], thresholds, {"false_positive_rate": fpr, "true_positive_rate": tpr})
            end = [one["roc"][-1][rate] for rate in ("false_positive_rate", "true_positive_rate")]
            c.same(f"{at}.roc: its end", json.dumps(end), json.dumps([1.0, 1.0]))
        else:  # of one kind there is no curve
            c.same(f"{at}.auc", one["auc"], None)
            c.same(f"{at}: points of the roc", len(one["roc"]), 0)
        if not (cal_labels == i).any():
            c.same(f"{at}.best_f1", one["best_f1"], None)
            c.same(f"{at}.at_precision", one["at_precision"], None)
            continue
        precision, recall, thresholds = precision_recall_curve(cal_labels == i, calibration[:, i])
        with np.errstate(invalid="ignore"):
            f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
        best = one["best_f1"]
        f = 2 * best["precision"] * best["recall"] / (best["precision"] + best["recall"])
        c.same(f"{at}: the best F1", f, float(f1.max()))
        reaching = recall[:-1][precision[:-1] >= 0.95]
        c.same(f"{at}: a precision of 0.95", one["at_precision"] is not None, len(reaching) > 0)
        if len(reaching) and one["at_precision"]:
            c.same(f"{at}: recall at a precision of 0.95", one["at_precision"]["recall"], float(max(reaching)))
        for name in ("best_f1", "at_precision"):
            if one[name] is not None:
                c.points(f"{at}.{name}", [one[name]], thresholds, {"precision": precision, "recall": recall})


def flips(c, report, comparison, n_old):
    lost, won = len(comparison["negative_flips"]), comparison["n_positive_flips"]
    share = lambda n: lost / n if n else None
    c.same("flips.negative_flip_rate", report["negative_flip_rate"], share(n_old))
    c.same("flips.conditional", report["conditional_negative_flip_rate"], share(comparison["n_right"]))
    p = 1.0 if lost == won else min(1.0, 2 * float(binom.cdf(min(lost, won), lost + won, 0.5)))
    c.same("flips.mcnemar_p", report["mcnemar_p"], p)
