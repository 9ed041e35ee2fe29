"""Hundreds of synthetic worlds whose truth is known, judged by `rehead gate simulate`.

Usage: worlds.py REHEAD FOLDER [N_WORLDS_A_KIND]

Each world is an .npz as `rehead gate simulate --help` describes it. Harmed ones lose a class at the budget of 0.5 % or
beyond, image by image or in groups of ten near-duplicates that share their fate; they may pass in 5 % of worlds, with room
for chance. Harmless ones lose a tenth of the budget, with six times the groups that a proof needs; 95 % of them must pass.
Too small ones lose nothing, and never pass. Every count and every bound is compared with numpy's and scipy's.
"""
import json
import subprocess
import sys
from pathlib import Path

import numpy
from scipy.stats import beta, binom

ALPHA, LOOKS, LIMIT, TAU = 0.05, 10, 0.005, 0.9
LEAST = int(numpy.ceil(numpy.log(ALPHA / LOOKS) / numpy.log(1 - LIMIT)))
# A policy of one's own: one look, so that harm at the budget passes as often as α permits.
ONE_LOOK = """
alpha = 0.05
looks = 1
[[checks]]
id = "old_class_loss"
limit = 0.005
"""
# name: groups of each class, images of a group, chance of losing a group of each class, share that the baseline accepts
KINDS = {
    "at-one-look": (4 * LEAST, 1, [LIMIT, 0], 1.0, "harmed"),
    "at": (2 * LEAST, 1, [LIMIT, 0, 0], 1.0, "harmed"),
    "at-in-tens": (2 * LEAST, 10, [LIMIT, 0], 1.0, "harmed"),
    "beyond": (4 * LEAST, 1, [0, 2 * LIMIT, 0], 0.9, "harmed"),
    "harmless": (6 * LEAST, 1, [LIMIT / 10] * 3, 1.0, "harmless"),
    "too-small": (LEAST - 1, 1, [0, 0, 0], 1.0, "small"),
    "too-small-in-tens": (LEAST - 1, 10, [0, 0], 1.0, "small"),
}


def world(rng, n_groups, size, rates, accepted, n_new):
    k = len(rates)
    label = numpy.repeat(numpy.arange(k), n_groups)
    lost = rng.random(len(label)) < numpy.asarray(rates)[label]
    known = rng.random(len(label)) < accepted
    before = rng.normal(0, 0.3, (len(label), k)).astype(numpy.float32)
    before[numpy.arange(len(label)), label] += numpy.where(known, 9, 0.5).astype(numpy.float32)
    new = rng.normal(-9, 0.3, (len(label), n_new)).astype(numpy.float32)
    # What is lost goes to a new class, to another old one or to nobody.
    way = rng.integers(0, 3, len(label))
    after = before.copy()
    rows = numpy.flatnonzero(lost)
    new[rows[way[rows] == 0], 0] = 15
    to_old = rows[way[rows] == 1]
    after[to_old, (label[to_old] + 1) % k] += 20
    to_none = rows[way[rows] == 2]
    after[to_none, label[to_none]] = 0
    rows = rng.permutation(numpy.repeat(numpy.arange(len(label)), size))
    negatives = 7
    stack = lambda a, b: numpy.concatenate([a[rows], b.astype(a.dtype)])
    return {
        "baseline_logits": stack(before, rng.normal(0, 1, (negatives, k))),
        "candidate_logits": stack(numpy.hstack([after, new]), rng.normal(0, 1, (negatives, k + n_new))),
        "labels": stack(label, numpy.full(negatives, -1)),
        "groups": stack(numpy.arange(len(label)) * 3 - 11, numpy.arange(-40, negatives - 40)),
        "tau": numpy.float64(TAU),
    }


def accepted_as(logits):
    z = logits.astype(numpy.float64)
    p = numpy.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    top = p.argmax(1)
    return numpy.where(p[numpy.arange(len(p)), top] >= TAU, top, -2)


def recounted(arrays, check, alpha, n_classes):
    label, groups, c = arrays["labels"], arrays["groups"], int(check["class"])
    right = (label == c) & (accepted_as(arrays["baseline_logits"]) == c)
    lost = right & (accepted_as(arrays["candidate_logits"]) != c)
    n, x = len(numpy.unique(groups[right])), len(numpy.unique(groups[lost]))
    assert check["n"] == n, f"{check}: counted {n}"
    upper = 1.0 if x == n else beta.ppf(1 - alpha, x + 1, n - x)
    # A fail is a union of chances over the classes.
    lower = 0.0 if x == 0 else beta.ppf(alpha / n_classes, x, n - x + 1)
    assert (check["verdict"] == "pass") == (upper <= LIMIT) and (check["verdict"] == "fail") == (lower > LIMIT), check
    assert list(check) == ["id", "class", "value", "lower", "upper", "limit", "n", "verdict"], check
    assert abs(check["upper"] - upper) < 1e-9 and abs(check["lower"] - lower) < 1e-9, f"{check}: {lower} {upper}"
    assert check["id"] == "old_class_loss" and check["limit"] == LIMIT, check
    assert abs(check["value"] - x / n) < 1e-15, check


def main(rehead, folder, n_worlds):
    rng = numpy.random.default_rng(2026)
    policy = folder / "one-look.toml"
    policy.write_text(ONE_LOOK)
    for kind, (n_groups, size, rates, accepted, truth) in KINDS.items():
        one_look = kind == "at-one-look"
        alpha, more = ALPHA if one_look else ALPHA / LOOKS, ["--policy", policy] if one_look else []
        passed = 0
        for number in range(n_worlds):
            arrays = world(rng, n_groups, size, rates, accepted, n_new=1 + number % 2)
            path = folder / f"{kind}-{number}.npz"
            (numpy.savez_compressed if number % 10 == 0 else numpy.savez)(path, **arrays)
            said = subprocess.run([rehead, "gate", "simulate", path, "--json", *more], capture_output=True, text=True)
            assert said.returncode == 0, said.stderr
            line = json.loads(said.stdout)
            assert line["file"] == str(path) and len(line["checks"]) == len(rates), line
            passed += line["verdict"] == "pass"
            for check in line["checks"]:
                recounted(arrays, check, alpha, len(rates))
            path.unlink()
        # What chance alone exceeds once in ten thousand runs.
        most = binom.ppf(0.9999, n_worlds, ALPHA)
        least = binom.ppf(0.0001, n_worlds, 0.95)
        holds = {"harmed": passed <= most, "harmless": passed >= least, "small": passed == 0}[truth]
        print(f"{kind}: {passed} of {n_worlds} pass ({truth})")
        assert holds, f"{kind}: {passed} of {n_worlds} worlds pass, which are {truth}"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 50)
