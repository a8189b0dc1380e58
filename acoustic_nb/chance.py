"""Chance: how often a result comes about when labels are dealt out anew over whole recordings, or groups of them."""

import math
from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from acoustic_nb.evaluation import checked

MIN_OF_EACH = 3
MIN_RELABELLINGS = math.comb(2 * MIN_OF_EACH, MIN_OF_EACH)  # 20: fewer could not show a p of 0.05


def chance_control(items, *, judged_by, seed=0, permutations=999):
    """The ROC AUC beside those of the same scores under other labels.

    What depends on each other keeps one label: whole units change theirs, as many being anomalous as there are. Where units hold
    both labels, they are dealt out among the recordings within each unit. There is no such control where there are fewer than
    three of each kind, or where single recordings hold both labels.

    Parameters
    ----------
    items : DataFrame
        Columns label, score, recording and unit, from a judge.
    judged_by : str
        ``window`` or ``recording``; windows of one recording stay together.
    seed : int
        Of the random relabellings.
    permutations : int
        Where there are at most so many relabellings, all are taken, else so many random ones.

    Returns
    -------
    dict
        ``chance_p``: share of relabellings, the real one counted in, whose ROC AUC is at least the real one; small = hard to get by
        chance. ``chance_low``, ``chance_high``: 2.5 and 97.5 % of their ROC AUCs. ``chance_permutations``: how many there are.
        ``chance_note``: empty, or why there is no such control; the numbers are then NaN and 0.
    """
    if permutations < 1:
        raise ValueError(f"permutations is how many relabellings are tried, at least 1, got {permutations}")
    if judged_by not in ("window", "recording"):
        raise ValueError(f"judged_by is window or recording, got {judged_by!r}; take it from the split")
    label, scores = checked(items["label"].to_numpy(), items["score"].to_numpy())
    recording = pd.factorize(items["recording"])[0]
    n_items, ranks, n_anomalous = (np.bincount(recording, each) for each in (np.ones(len(label)), rankdata(scores), label))
    if ((n_anomalous > 0) & (n_anomalous < n_items)).any():
        return _none("single recordings hold both normal and anomalous windows: there is no label of a recording to be permuted; "
                     f"{MIN_OF_EACH} recordings of each kind, judged as wholes, would allow it")
    real = n_anomalous > 0
    unit = pd.factorize(items["unit"].to_numpy()[np.unique(recording, return_index=True)[1]])[0]
    of_unit, anomalous_of_unit = np.bincount(unit), np.bincount(unit, real).astype(int)
    if ((anomalous_of_unit > 0) & (anomalous_of_unit < of_unit)).any():
        strata = [np.flatnonzero(unit == each) for each in range(len(of_unit))]
        note = _too_few_ways(math.prod(map(math.comb, of_unit.tolist(), anomalous_of_unit.tolist())))
    else:
        real, n_items, ranks = anomalous_of_unit > 0, np.bincount(unit, n_items), np.bincount(unit, ranks)
        strata = [np.arange(len(of_unit))]
        note = _too_few_units(real, "recording" if len(of_unit) == len(unit) else "group")
    if note:
        return _none(note)
    every = math.prod(math.comb(len(rows), int(real[rows].sum())) for rows in strata) <= permutations
    relabelled = _all_relabellings(real, strata) if every else _random_relabellings(real, strata, permutations, seed)
    aucs, (auc,) = (_aucs(labels, ranks, n_items) for labels in (relabelled, real[None]))
    reached = np.count_nonzero(aucs >= auc - 1e-12)
    low, high = np.quantile(aucs, [0.025, 0.975])
    return {"chance_p": float(reached / len(aucs) if every else (1 + reached) / (1 + len(aucs))), "chance_low": float(low),
            "chance_high": float(high), "chance_permutations": len(aucs), "chance_note": ""}


def _too_few_units(real, kind):
    """Why labels cannot be permuted over whole units, in a sentence; empty where they can."""
    n_anomalous = int(np.count_nonzero(real))
    n_normal = len(real) - n_anomalous
    if min(n_normal, n_anomalous) >= MIN_OF_EACH:
        return ""
    there = f"two {kind}s" if len(real) == 2 else f"{n_normal} normal and {n_anomalous} anomalous {kind}{'s' * (n_anomalous != 1)}"
    return f"{there}: labels cannot be permuted; three of each kind would allow it"


def _too_few_ways(ways):
    """Why labels cannot be permuted within units, in a sentence; empty where they can."""
    return "" if ways >= MIN_RELABELLINGS else (
        f"labels can be permuted in {ways} ways only within the groups that hold both, and {MIN_RELABELLINGS} are needed; more "
        "recordings of each kind in them would allow it")


def _none(note):
    return {"chance_p": np.nan, "chance_low": np.nan, "chance_high": np.nan, "chance_permutations": 0, "chance_note": note}


def _all_relabellings(real, strata):
    """Every way to deal out the labels within each stratum, one per row."""
    ways = [list(combinations(rows, int(real[rows].sum()))) for rows in strata]
    relabelled = np.zeros((math.prod(map(len, ways)), len(real)), dtype=bool)
    for row, chosen in zip(relabelled, product(*ways), strict=True):
        row[[index for indices in chosen for index in indices]] = True
    return relabelled


def _random_relabellings(real, strata, permutations, seed):
    rng = np.random.default_rng(seed)
    relabelled = np.tile(real, (permutations, 1))
    for rows in strata:
        relabelled[:, rows] = rng.permuted(relabelled[:, rows], axis=1)
    return relabelled


def _aucs(labels, ranks, n_items):
    """ROC AUC of each row of labels, from the rank sums and sizes of what is labelled (Mann & Whitney 1947)."""
    n_anomalous = labels @ n_items
    return (labels @ ranks - n_anomalous * (n_anomalous + 1) / 2) / (n_anomalous * (n_items.sum() - n_anomalous))
