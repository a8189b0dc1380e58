"""Pairs of detectors: whether one separates better than the other, or whether their order may be chance.

Both were judged on the same items, so that what makes these items easy or hard cancels: what counts is the difference of their
placement values, item by item (DeLong et al. 1988).
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from acoustic_nb.dependence import class_ranks, degrees_of_freedom, mean_spread, placements
from acoustic_nb.evaluation import checked

SIGNIFICANT = 0.05
COLUMNS = ["first", "second", "difference", "low", "high", "p", "p_holm", "n_eff", "distinguishable", "more_times"]


def compare_pairs(items_by_name, *, judged_by, confidence=0.95):
    """Difference in ROC AUC of every pair of detectors, and whether it is more than chance.

    A t test of the differences, with the variance and the degrees of freedom of ``auc_interval``. Where no difference varies, as
    between two perfect detectors, there is no t: the bound is then what n_eff independent items would all have met with
    probability (1 - confidence) / 2, if all others differed the other way as far as they can. Of a difference d that gives
    p = 2 / (1 + abs(d)) ** n_eff, 1 at most, the sign test for d = 1.

    Parameters
    ----------
    items_by_name : dict
        Detector name -> items from a judge, the same items in the same order; windows in order of time.
    judged_by : str
        ``window`` or ``recording``.

    Returns
    -------
    DataFrame
        One row per pair, in the order of the dict: ``first``, ``second``; ``difference``, ROC AUC of the first minus that of the
        second, with its interval ``low`` to ``high``, -1 to 1; ``p``, two-sided, and ``p_holm``, corrected over all pairs (Holm
        1979); ``n_eff``, independent items of the smaller class; ``distinguishable``: p_holm below 0.05; ``more_times``: how
        many times as much test sound, equally mixed, a difference of this size needs to be found with a probability of 80 % at
        the level that Holm leaves this pair. 1 or less: it is found more often already; infinite for a difference of 0; NaN where
        the sound does not say. Recordings of fewer than two units in a class show nothing: p is 1.

    Raises
    ------
    ValueError
        If the items are not the same ones.
    """
    if not items_by_name:
        return pd.DataFrame(columns=COLUMNS)
    names, items = list(items_by_name), next(iter(items_by_name.values()))
    for name in names[1:]:
        _check_same(items, items_by_name[name], names[0], name)
    columns = [checked(each["label"].to_numpy(), each["score"].to_numpy()) for each in items_by_name.values()]
    label = columns[0][0]
    placed = dict(zip(names, (placements(*each) for each in columns), strict=True))
    ranks = dict(zip(names, (class_ranks(*each) for each in columns), strict=True))
    rows = [{"first": first, "second": second}
            | _compare(placed[first] - placed[second], (ranks[first], ranks[second]), label, items, judged_by, (1 - confidence) / 2)
            for first, second in combinations(names, 2)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = holm(table["p"].to_numpy())
    level = SIGNIFICANT / (len(table) - table["p"].rank(method="first") + 1)
    table["more_times"] *= (_deviations(level) / _deviations(SIGNIFICANT))**2
    return table.assign(distinguishable=table["p_holm"] < SIGNIFICANT)


def holm(p):
    """p-values corrected for their number (Holm 1979): the k-th smallest of m times m - k + 1, never below the one before."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)), 1.0)
    return corrected


def _compare(placed, ranks, label, items, judged_by, tail):
    classes = [label == 1, label == 0]
    difference = float(placed[classes[0]].mean())
    # two detectors that order a class alike: the order itself then says how its items depend on each other
    orders = [ranks[0][rows] - (0 if np.array_equal(ranks[0][rows], ranks[1][rows]) else ranks[1][rows]) for rows in classes]
    spreads = [mean_spread(placed[rows], order, items[rows], judged_by=judged_by)
               for rows, order in zip(classes, orders, strict=True)]
    variance, n_eff = sum(one[0] for one in spreads), min(one[1] for one in spreads)
    if all(np.ptp(placed[rows]) < 1e-12 for rows in classes) and n_eff >= (2 if judged_by == "recording" else 0):
        size, bound = abs(difference) if abs(difference) > 1e-12 else 0.0, tail ** (1 / n_eff)
        p, low, high = 2 * (1 + size) ** -n_eff, bound * (difference + 1) - 1, bound * (difference - 1) + 1
        more_times = np.log(40) / np.log1p(size) / n_eff if size else np.inf  # 2 / 40 = 0.05
    elif variance < 1e-20 or (judged_by == "recording" and n_eff < 2):  # units that show no spread say nothing of it
        p, low, high, more_times = 1.0, -1.0, 1.0, np.nan
    else:
        error, freedom = np.sqrt(variance), degrees_of_freedom(spreads, judged_by=judged_by)
        half = stats.t.ppf(1 - tail, freedom) * error
        p, low, high = 2 * stats.t.sf(abs(difference) / error, freedom), difference - half, difference + half
        more_times = (_deviations(SIGNIFICANT) * error / difference)**2 if abs(difference) > 1e-12 else np.inf
    return {"difference": difference, "low": float(max(low, -1)), "high": float(min(high, 1)), "p": float(min(p, 1)),
            "n_eff": n_eff, "more_times": float(more_times)}


def _deviations(level):
    """How many standard errors a difference must be from 0 to be found at this level with a probability of 80 %."""
    return stats.norm.ppf(1 - level / 2) + stats.norm.ppf(0.8)


def _check_same(items, others, first, second):
    same = [column for column in ("recording", "label", "unit", "start_s") if column in items and column in others]
    if len(items) != len(others):
        raise ValueError(f"{first} has {len(items)} items and {second} has {len(others)}; pairs are compared on the same items, "
                         "so score one split with both")
    for column in same:
        apart = np.flatnonzero(items[column].to_numpy() != others[column].to_numpy())
        if len(apart):
            raise ValueError(f"item {apart[0]} has the {column} {items[column].iloc[apart[0]]!s} with {first} and "
                             f"{others[column].iloc[apart[0]]!s} with {second}; pairs are compared on the same items in the same "
                             "order, so score one split with both")
