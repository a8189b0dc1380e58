"""Ranks: which detector ranks best over machines, and whether the order is more than chance.

Values have a row per block, which is what is independent (a machine), and a column per detector; higher is better and rank 1 is
the best. After Demšar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7.
"""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LEAST_BLOCKS = 11  # Demšar, section 3.2.2, and the notes on scipy.stats.friedmanchisquare: more than 10
SIGNIFICANT = 0.05


def rank_over_machines(aucs, *, names, recordings, ended):
    """Mean ranks of detectors over independent machines, and the tests that so many machines carry.

    Ranked are the detectors with a value in at least one run that has ended. A block (``independent_blocks``) counts with the means
    of its runs that have a value of every ranked detector, and is left out where there is none: runs of one machine are
    repetitions, for which there is no test (Demšar, section 3.2.3).

    Parameters
    ----------
    aucs : DataFrame, shape (n_runs, n_detectors)
        ROC AUC; NaN where there is none.
    names, recordings
        As for ``independent_blocks``.
    ended : list of bool
        Whether nothing is left to do in each run.

    Returns
    -------
    dict
        ``ranks``, ``{detector: mean rank}``, the best first, empty below two detectors or without a block; ``n_blocks``;
        ``counted``, a (names, runs used, runs) for each block; ``left_out``, a (names, detectors missing) each; ``test``, from
        ``friedman``, None below 11 blocks or 3 detectors; ``critical_difference``, None where that does not reject; ``apart``,
        whether any two detectors are further apart.
    """
    present, blocks = aucs.notna(), independent_blocks(names, recordings)
    ranked = aucs.columns[present[np.asarray(ended, bool)].any()]
    present = present[ranked].to_numpy()
    whole = present.all(axis=1)
    means = aucs.loc[whole, ranked].groupby(blocks[whole]).mean()
    counted, left_out = [], []
    for block in range(blocks.max(initial=-1) + 1):
        runs = np.flatnonzero(blocks == block)
        called, used = ", ".join(dict.fromkeys(names[run] for run in runs)), int(whole[runs].sum())
        if used:
            counted.append((called, used, len(runs)))
        else:
            fullest = runs[present[runs].sum(axis=1).argmax()]
            left_out.append((called, list(ranked[~present[fullest]])))
    found = {"ranks": {}, "n_blocks": len(means), "counted": counted, "left_out": left_out, "test": None,
             "critical_difference": None, "apart": False}
    if len(ranked) < 2 or means.empty:
        return found
    ranks = pd.Series(mean_ranks(means), ranked).sort_values(kind="stable")
    found["ranks"] = ranks.to_dict()
    if len(means) >= LEAST_BLOCKS and len(ranked) >= 3:
        found["test"] = friedman(means)
        if found["test"]["p"] <= SIGNIFICANT:
            found["critical_difference"] = critical_difference(len(ranked), len(means))
            found["apart"] = bool(np.ptp(ranks) > found["critical_difference"])
    return found


def independent_blocks(names, recordings):
    """Which runs belong together: those of one name, or that share a recording, also through others.

    Parameters
    ----------
    names : list of str
        A name per run, of its machine.
    recordings : list of iterable of str
        The SHA-256 of every recording of each run.

    Returns
    -------
    ndarray of int, shape (n_runs,)
        The block of each run, numbered from 0 in the order of their first runs.
    """
    known, runs, holds = {}, [], []
    for run, (name, own) in enumerate(zip(names, recordings, strict=True)):
        for what in {("name", name), *own}:
            runs.append(run)
            holds.append(len(names) + known.setdefault(what, len(known)))
    size = len(names) + len(known)
    graph = coo_array((np.ones(len(runs)), (runs, holds)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][:len(names)]
    return pd.factorize(labels)[0]


def mean_ranks(values):
    """Mean rank of each detector over the blocks.

    Parameters
    ----------
    values : array, shape (n_blocks, n_detectors)
        Finite; higher is better.

    Returns
    -------
    ndarray, shape (n_detectors,)
        From 1, best in every block, to n_detectors; equal values share the mean of their ranks.
    """
    return _ranks(values).mean(axis=0)


def friedman(values):
    """Friedman's test that all detectors rank alike, in the form of Iman and Davenport (1980).

    Chi square is corrected for ties (Conover 1999, section 5.8); F = (N - 1) chi2 / (N (k - 1) - chi2). Demšar's rule of thumb
    asks for more than 10 blocks (section 3.2.2); from 11 on, simulated, it rejects 5 % where nothing differs (tests/test_ranks.py).

    Parameters
    ----------
    values : array, shape (n_blocks, n_detectors)
        At least 2 blocks and 3 detectors.

    Returns
    -------
    dict
        ``chi2``; ``F``, infinite (and ``p`` 0) where all blocks have one order, 0 (and ``p`` 1) where nothing differs; ``p``, of F;
        ``df_between``, ``df_within``, its degrees of freedom.
    """
    ranks = _ranks(values)
    n_blocks, n_detectors = ranks.shape
    if n_blocks < 2 or n_detectors < 3:
        raise ValueError(f"Friedman's test needs 2 blocks and 3 detectors at least, got {n_blocks} and {n_detectors}; show the "
                         "ranks without a test")
    middle = (n_detectors + 1) / 2
    spread = ((ranks - middle) ** 2).sum()
    chi2 = (n_detectors - 1) * ((ranks.sum(axis=0) - n_blocks * middle) ** 2).sum() / spread if spread else 0.0
    rest = n_blocks * (n_detectors - 1) - chi2
    f = (n_blocks - 1) * chi2 / rest if rest > 0 else np.inf
    between, within = n_detectors - 1, (n_detectors - 1) * (n_blocks - 1)
    return {"chi2": float(chi2), "F": float(f), "p": float(stats.f.sf(f, between, within)), "df_between": between,
            "df_within": within}


def critical_difference(n_detectors, n_blocks, *, confidence=0.95):
    """How far apart two mean ranks must be for the two to differ (Nemenyi 1963), all pairs together.

    To be read only where ``friedman`` finds that not all rank alike.

    Returns
    -------
    float
        q sqrt(k (k + 1) / (6 N)), q of the studentised range for infinitely many degrees of freedom, divided by sqrt 2.
    """
    if n_detectors < 2 or n_blocks < 1:
        raise ValueError(f"a critical difference needs 2 detectors and 1 block at least, got {n_detectors} and {n_blocks}; show "
                         "the ranks without one")
    q = stats.studentized_range.ppf(confidence, n_detectors, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_detectors * (n_detectors + 1) / (6 * n_blocks)))


def _ranks(values):
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"ranks need a finite value for every block and detector, got an array of shape {values.shape} with "
                         f"{np.count_nonzero(~np.isfinite(values))} missing; leave out blocks in which one is missing")
    return stats.rankdata(-values, axis=1)
