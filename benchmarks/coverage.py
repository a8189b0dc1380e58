"""Coverage of the intervals and error rates of the tests, on simulated scores whose truth is known.

    python benchmarks/coverage.py [repetitions]

Scores are neighbouring windows of one normal and one anomalous recording: AR(1) with standard normal values; the same with
innovations of Student t with 3 degrees of freedom (heavy); with three tenths of the variance in an AR(1) of 0.97 (slow); with a
sine of random phase and a period of 100 windows (wave). A monotone change of all scores, such as a copula with heavier tails,
changes none of the intervals, so there is no row of it. Printed are shares of the repetitions, 50 by default:
two to three minutes on one core.
"""

import sys
import time

import numpy as np
import pandas as pd
from scipy import stats
from scipy.signal import lfilter

from acoustic_nb.bootstrap import bootstrap_intervals
from acoustic_nb.dependence import placements
from acoustic_nb.intervals import auc_interval, rate_interval
from acoustic_nb.paired import compare_pairs, holm
from acoustic_nb.weighted import weighted_metrics

DRAWS = 300
FALSE_ALARM_RATE = 0.05


def autoregressive(shape, r, rng, *, innovations=None):
    """Series of shape (..., n) with variance 1 in which r is left of each value in the next, from their first value on."""
    steps = rng.standard_normal(shape) if innovations is None else innovations
    steps = steps * np.sqrt(1 - r**2)
    steps[..., 0] /= np.sqrt(1 - r**2)
    return lfilter([1], [1, -r], steps, axis=-1)


def series(kind, shape, r, rng):
    """Scores of normal windows, shape (..., n), of one of the KINDS."""
    if kind == "heavy":
        return autoregressive(shape, r, rng, innovations=rng.standard_t(3, shape) / np.sqrt(3))
    plain = autoregressive(shape, r, rng)
    if kind == "slow":
        return np.sqrt(0.7) * plain + np.sqrt(0.3) * autoregressive(shape, 0.97, rng)
    if kind == "wave":
        phase = rng.uniform(0, 2 * np.pi, (*shape[:-1], 1))
        return np.sqrt(0.7) * plain + np.sqrt(0.6) * np.sin(2 * np.pi * np.arange(shape[-1]) / 100 + phase)
    return plain


KINDS = ("AR(1)", "heavy", "slow", "wave")


def true_shift(kind, r, auc):
    """How much higher anomalous scores must be for this ROC AUC, and the threshold that 5 % of normal ones exceed."""
    if kind in ("AR(1)", "slow"):
        return np.sqrt(2) * stats.norm.ppf(auc), stats.norm.ppf(1 - FALSE_ALARM_RATE)
    many = series(kind, (2, 2000, 200), r, np.random.default_rng(0))
    return np.quantile(many[0] - many[1], auc), np.quantile(many, 1 - FALSE_ALARM_RATE)


def items_of(normal, anomalous):
    """Items of one normal and one anomalous recording."""
    label = np.repeat([0, 1], [len(normal), len(anomalous)])
    return pd.DataFrame({"recording": np.where(label, "b", "a"), "label": label, "unit": np.where(label, "b", "a"),
                         "score": np.concatenate([normal, anomalous])})


def ordinary_delong(items):
    """The interval as it is without any dependence: AUC plus and minus 1.96 standard errors."""
    label = items["label"].to_numpy()
    placed = placements(label, items["score"].to_numpy())
    error = np.sqrt(sum(placed[label == value].var(ddof=1) / np.count_nonzero(label == value) for value in (0, 1)))
    return placed[label == 1].mean() - 1.96 * error, placed[label == 1].mean() + 1.96 * error


def ordinary_bootstrap(items, rng):
    """The interval from windows drawn one by one."""
    label = items["label"].to_numpy()
    weights = np.empty((DRAWS, len(items)))
    for value in (0, 1):
        n = np.count_nonzero(label == value)
        weights[:, label == value] = rng.multinomial(n, np.full(n, 1 / n), DRAWS)
    return np.quantile(weighted_metrics(label, items["score"].to_numpy(), weights, 0.0)["roc_auc"], [0.025, 0.975])


def clopper_pearson(hits, n):
    """The interval of a share as if its windows were independent."""
    return (stats.beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0,
            stats.beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0)


def coverage(kind, n, r, auc, *, repetitions, seed=0, bootstrap=True):
    """Shares of repetitions whose interval holds the truth, and the median width of ours: a dict."""
    rng = np.random.default_rng(seed)
    shift, threshold = true_shift(kind, r, auc)
    rows = []
    for normal, anomalous in np.moveaxis(series(kind, (2, repetitions, n), r, rng), 0, 1):
        items = items_of(normal, anomalous + shift)
        ours = auc_interval(items, judged_by="window")
        inside = {"ours": (ours["low"], ours["high"]), "DeLong": ordinary_delong(items)}
        of_normal = items[items["label"] == 0]
        flagged = of_normal["score"] > threshold
        rate = rate_interval(of_normal, flagged, judged_by="window")
        rates = {"rate": (rate["low"], rate["high"]), "ordinary rate": clopper_pearson(int(flagged.sum()), n)}
        if bootstrap:
            drawn = bootstrap_intervals(items, threshold, judged_by="window", draws=DRAWS, seed=int(rng.integers(2**31)),
                                        metrics=("roc_auc", "false_alarm_rate"))
            inside |= {"block bootstrap": drawn["roc_auc"], "bootstrap": ordinary_bootstrap(items, rng)}
            rates |= {"block bootstrap rate": drawn["false_alarm_rate"]}
        rows.append({name: low <= auc <= high for name, (low, high) in inside.items()}
                    | {name: low <= FALSE_ALARM_RATE <= high for name, (low, high) in rates.items()}
                    | {"width": ours["high"] - ours["low"]})
    table = pd.DataFrame(rows)
    return table.drop(columns="width").mean().to_dict() | {"width": table["width"].median()}


def ordinary_paired(items_by_name):
    """p-values of the ordinary DeLong test of every pair, as if windows were independent."""
    label = next(iter(items_by_name.values()))["label"].to_numpy()
    placed = [placements(label, items["score"].to_numpy()) for items in items_by_name.values()]
    p = []
    for first, second in zip(*np.triu_indices(len(placed), 1), strict=True):
        apart = placed[first] - placed[second]
        error = np.sqrt(sum(apart[label == value].var(ddof=1) / np.count_nonzero(label == value) for value in (0, 1)))
        p.append(2 * stats.norm.sf(abs(apart[label == 1].mean()) / error) if error > 0 else 1.0)
    return np.array(p)


def false_differences(kind, n, r, auc, *, repetitions, seed=0, detectors=6):
    """How often equally good detectors, that share half of their variance, are told apart: per pair, and in any pair with Holm."""
    rng = np.random.default_rng(seed)
    shift, _ = true_shift("AR(1)", r, auc)  # a sum of two heavy ones is no heavy one; equally good they are in any case
    rows = []
    for _ in range(repetitions):
        scores = np.sqrt(0.5) * (series(kind, (2, 1, n), r, rng) + series(kind, (2, detectors, n), r, rng))
        items = {f"detector {k}": items_of(scores[0, k], scores[1, k] + shift) for k in range(detectors)}
        ours, ordinary = compare_pairs(items, judged_by="window"), ordinary_paired(items)
        rows.append({"ours": (ours["p"] < 0.05).mean(), "DeLong": (ordinary < 0.05).mean(),
                     "ours, any": ours["distinguishable"].any(), "DeLong, any": (holm(ordinary) < 0.05).any()})
    return pd.DataFrame(rows).mean().to_dict()


def print_table(columns, rows):
    """Print rows as a Markdown table, shares with two decimals."""
    print("\n" + " | ".join(["", *columns, ""]).strip() + "\n|" + "---|" * len(columns))
    for row in rows:
        print(" | ".join(["", *(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row), ""]).strip(), flush=True)


def main(repetitions):
    """Print three tables: ROC AUC, false-alarm rate, pairs of detectors."""
    begun = time.monotonic()
    cases = [("AR(1)", n, r, auc) for n in (40, 70, 150, 360) for r in (0.0, 0.5, 0.8) for auc in (0.5, 0.76, 0.92)]
    cases += [(kind, n, r, auc) for kind in KINDS[1:] for n in (70, 360) for r in (0.5, 0.8) for auc in (0.76, 0.92)]
    found = [coverage(*case, repetitions=repetitions) for case in cases]
    names = ["ours", "width", "DeLong", "bootstrap", "block bootstrap"]
    print(f"{repetitions} repetitions; share of 95 % intervals that hold the true ROC AUC, and median width of ours")
    print_table(["scores", "n", "r", "AUC", *names], [(*case, *(one[name] for name in names))
                                                       for case, one in zip(cases, found, strict=True)])
    names = ["rate", "ordinary rate", "block bootstrap rate"]
    print("\nShare of 95 % intervals that hold the true false-alarm rate of 5 %")
    print_table(["scores", "n", "r", "ours", "Clopper-Pearson", "block bootstrap"],
                [(*case[:3], *(one[name] for name in names)) for case, one in zip(cases, found, strict=True) if case[3] == 0.76])
    print("\nShare of equally good detectors told apart at 5 %: per pair, and in any of 15 pairs of six with Holm")
    cases = [(kind, n, r, 0.76) for kind in ("AR(1)", "slow") for n in (40, 70, 150, 360) for r in (0.0, 0.5, 0.8)]
    names = ["ours", "DeLong", "ours, any", "DeLong, any"]
    rows = [(*case[:3], *false_differences(*case, repetitions=repetitions).values()) for case in cases]
    print_table(["scores", "n", "r", *names], rows)
    print(f"\n{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
