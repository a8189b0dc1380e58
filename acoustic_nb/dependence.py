"""Dependence: how much a series of scores is worth where neighbours, or recordings of one unit, are not independent.

Windows that depend on each other are worth fewer: n_eff = n / inflation, see ``inflation``. Recordings of one unit count together.
"""

import numpy as np
from scipy import fft, stats

from acoustic_nb.thresholds import autocorrelation


def placements(label, scores):
    """Placement value of every item, 0 to 1: the share of the other class that it is ranked rightly against, ties counted half."""
    placed = np.empty(len(scores))
    for value in (0, 1):
        others = np.sort(scores[label != value])
        below = np.searchsorted(others, scores[label == value], "left") + np.searchsorted(others, scores[label == value], "right")
        placed[label == value] = below / (2 * len(others)) if value else 1 - below / (2 * len(others))
    return placed


def class_ranks(label, scores):
    """Rank of every score within its class, as a share between 0 and 1, ties at their mean."""
    ranks = np.empty(len(scores))
    for value in (0, 1):
        ranks[label == value] = stats.rankdata(scores[label == value]) / (np.count_nonzero(label == value) + 1)
    return ranks


def mean_spread(series, ranks, items, *, judged_by):
    """Variance of the mean of a series of one class's items, and their effective size: (variance, n_eff).

    Windows: variance / n times the geometric mean of the inflation of the series and that of the ranks of the scores, where the
    latter is larger: placements near 0 or 1, and rare flags, hide how dependent the windows are. A constant series has variance
    0 and an inflation of 1, or n where the ranks are constant too. Channels of the same seconds count as one. Recordings:
    cluster-robust over units, n_eff is their number; conservative where units hold both labels.
    """
    n, constant = len(series), np.ptp(series) < 1e-12
    if judged_by == "recording":
        sums = unit_sums(series - series.mean(), items)
        n_units = len(sums)
        return (float((sums**2).sum()) / n**2 * n_units / (n_units - 1) if n_units > 1 else 0.0), float(n_units)
    recording = items["recording"].to_numpy()
    of_ranks = inflation(ranks, recording)
    of_series = inflation(series, recording) if not constant else 1.0 if np.ptp(ranks) > 1e-12 else float(n)
    both = min(np.sqrt(of_series * max(of_series, of_ranks)) * simultaneous(items), n)
    return (0.0 if constant else float(series.var(ddof=1) / n * both)), float(n / both)


def degrees_of_freedom(spreads, *, judged_by):
    """Of Student t for a sum of the means of two classes, from their (variance, n_eff); at least 1.

    Windows: Satterthwaite (1946). Recordings: the smaller number of units, minus 1.
    """
    smallest = max(min(n_eff for _, n_eff in spreads) - 1, 1.0)
    if judged_by == "recording" or not any(variance for variance, _ in spreads):
        return smallest
    pooled = sum(variance**2 / max(n_eff - 1, 1.0) for variance, n_eff in spreads)
    return max(sum(variance for variance, _ in spreads)**2 / pooled, smallest)


def inflation(series, recording):
    """How many times dependence inflates the variance of the mean of a series: 1 + 2 * (sum of its autocorrelations), 1 to n.

    The larger one of two estimates: (1 + r) / (1 - r), as if only neighbours depended on each other, r from ``autocorrelation``;
    and the initial monotone sequence (Geyer 1992), which sees slow drift: autocorrelations are summed by twos, never more than
    the two before, until two are negative, to lags of a third of the longest recording. The mean is taken from the same n
    values, which lowers each autocorrelation by sum / n; that is put right. Only values of one recording are compared.
    """
    n, r = len(series), autocorrelation(series, recording)
    centred = series - np.mean(series)
    variance = np.dot(centred, centred)
    total, last, used = 0.0, np.inf, 0
    correlations = _autocovariances(centred, recording) / variance if variance > 1e-24 * max(1.0, np.dot(series, series)) else ()
    for lag in range(0, len(correlations) - 1, 2):
        last = min(last, correlations[lag] + correlations[lag + 1])
        if last <= 0:
            break
        total, used = total + last, 2 * lag + 3
    return float(np.clip(max((1 + r) / (1 - r), (2 * total - 1) / max(1 - used / n, 0.3)), 1, n))


def _autocovariances(centred, recording):
    """Sums of products of values that are 0, 1, 2, ... apart in one recording, scaled to what one recording would have of them."""
    codes, n = np.unique(recording, return_inverse=True)[1], len(centred)
    sizes = np.bincount(codes)
    lags = np.arange(2 * ((max(sizes.max() // 3, 2) + 1) // 2))
    sums, counts = np.zeros(len(lags)), np.zeros(len(lags))
    for code, size in enumerate(sizes):
        spectrum = np.fft.rfft(centred[codes == code], fft.next_fast_len(size + len(lags), real=True))
        sums += np.fft.irfft(np.abs(spectrum)**2, fft.next_fast_len(size + len(lags), real=True))[:len(lags)]
        counts += np.maximum(size - lags, 0)
    return np.where(counts > 0, sums / np.maximum(counts, 1) * (n - lags), 0.0)


def simultaneous(items):
    """How many of the items are other channels of the same seconds, on average: 1 where there are none."""
    return float(items["channels"].mean()) if "channels" in items else 1.0


def unit_sums(series, items):
    """Sums of a series over the units of its items, shape (n_units,)."""
    return np.bincount(np.unique(items["unit"].to_numpy(), return_inverse=True)[1], weights=series)
