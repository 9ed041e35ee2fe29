"""scikit-learn's LogisticRegression (lbfgs) down to the same loss, seconds: `refit_sklearn.py WORK`.

It ends where its objective is within a millionth of ours, at the loosest tolerance that gets there: nobody has to go further.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from rounds import serve
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

WITHIN = 1e-6
TOLERANCES = [1e-4, 1e-5, 1e-6, 1e-7]


def main():
    folder = Path(sys.argv[1]) / "refit"
    wanted = json.loads((folder / "refit.json").read_text())
    features = np.fromfile(folder / "features.f32", np.float32).reshape(-1, wanted["dim"])
    labels = np.fromfile(folder / "labels.u64", np.uint64).astype(np.int64)
    warnings.filterwarnings("ignore")

    def model(tolerance, **options):
        c = 1 / (wanted["l2"] * len(labels))
        return LogisticRegression(C=c, tol=tolerance, max_iter=100_000, **options)

    def objective(fitted):
        logits = features.astype(np.float64) @ fitted.coef_.T.astype(np.float64) + fitted.intercept_
        loss = np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels])
        return loss + 0.5 * wanted["l2"] * np.sum(fitted.coef_.astype(np.float64) ** 2)

    def reaches(fitted):
        return objective(fitted) <= wanted["objective"] * (1 + WITHIN)

    def loosest():
        # In f32, which is quicker, where that is exact enough.
        for x in (features, features.astype(np.float64)):
            looking = model(TOLERANCES[0], warm_start=True)
            for tolerance in TOLERANCES:
                # Going on from the last one is soon done; it may be a little better or worse than from nothing.
                looking.set_params(tol=tolerance).fit(x, labels)
                if reaches(looking):
                    fitted = model(tolerance).fit(x, labels)
                    if reaches(fitted):
                        return x, tolerance, objective(fitted)
        raise SystemExit("no tolerance reached the same loss")

    x, tolerance, reached = loosest()

    def measure():
        begin = time.perf_counter()
        model(tolerance).fit(x, labels)
        return time.perf_counter() - begin

    excess = reached / wanted["objective"] - 1
    serve({"excess": excess, "tolerance": tolerance, "type": str(x.dtype)}, measure)


main()
